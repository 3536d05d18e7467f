package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Of the storage that benchmarks work on: how many resources a customer has, and the group of the first resource. Each
// resource has a group of its own, so that there are as many quotas as directories, which is the worst case.
const (
	benchPerCustomer = 50
	benchFirstGID    = 1_000_000
)

// benchResource is one resource of a benchmark's listing; everything about it follows from its number.
type benchResource int

func (r benchResource) gid() uint32      { return benchFirstGID + uint32(r) }
func (r benchResource) customer() string { return fmt.Sprintf("c%05d", int(r)/benchPerCustomer) }
func (r benchResource) path() string {
	return fmt.Sprintf("/capstor/store/cscs/%s/p%07d", r.customer(), int(r))
}

// benchTera is the quota that the proxy asks for and the simulated kernel has, in TiB, hard; soft is half of it.
func benchTera(gid uint32) uint64 { return 2 + 2*uint64(gid%40) }

// writeItem writes one entry of the listing as the proxy does: with as many members, of the same lengths.
func (r benchResource) writeItem(w io.Writer) {
	tera := benchTera(r.gid())
	quota := func(kind, unit, enforcement string, n uint64) string {
		return fmt.Sprintf(`{"type":"%s","quota":%d.0,"unit":"%s","enforcementType":"%s"}`, kind, n, unit, enforcement)
	}
	fmt.Fprintf(w, `{"itemId":"%s","status":"active","mountPoint":{"default":"%s"},"permission":{"value":"2770","permissionType":"octal"},`,
		benchUUID(1, int(r)), r.path())
	writeNames(w)
	fmt.Fprintf(w, `"target":{"targetType":"project","targetItem":{"itemId":"%s","key":null,"name":"project-%07d","status":"active","unixGid":%d,"active":true}},`,
		benchUUID(2, int(r)), int(r), r.gid())
	fmt.Fprintf(w, `"quotas":[%s,%s,%s,%s],"oldQuotas":null,"newQuotas":null,"parentItemId":"%s"}`,
		quota("space", "tera", "hard", tera), quota("space", "tera", "soft", tera/2), quota("inodes", "none", "hard", tera*1000000), quota("inodes", "none", "soft", tera*500000),
		benchUUID(3, int(r)/benchPerCustomer))
}

// writeNames writes the members that all items share.
func writeNames(w io.Writer) {
	named := func(key string) string {
		return fmt.Sprintf(`{"itemId":"%s","key":"%s","name":"%s","active":true,"path":"%s"}`, benchUUID(7, 0), key, strings.ToUpper(key), key)
	}
	fmt.Fprintf(w, `"storageSystem":%s,"storageFileSystem":%s,"storageDataType":%s,`, named("capstor"), named("lustre"), named("store"))
}

// writeCustomer writes the customer above a resource.
func (r benchResource) writeCustomer(w io.Writer) {
	id := benchUUID(3, int(r)/benchPerCustomer)
	fmt.Fprintf(w, `{"itemId":"%s","status":"pending","mountPoint":{"default":"%s"},"permission":{"value":"775","permissionType":"octal"},`, id, filepath.Dir(r.path()))
	writeNames(w)
	fmt.Fprintf(w, `"target":{"targetType":"customer","targetItem":{"itemId":"%s","key":"%s","name":"Customer %s"}},"quotas":null,"oldQuotas":null,"newQuotas":null,"parentItemId":"%s"}`,
		id, r.customer(), r.customer(), benchUUID(4, 0))
}

// benchUUID returns the id of the nth thing of a kind. Ids are in no order, as real ones are: what sorts or looks up by id
// would be faster otherwise.
func benchUUID(kind, n int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", kind, n))
	h := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-5%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:])
}

// benchKernel answers the ioctl OBD_IOC_QUOTACTL as a Lustre on which every group has the quota that the listing wants.
// The places in struct if_quotactl are those of package lustre.
func benchKernel(_ string, q []byte) error {
	tera := benchTera(binary.NativeEndian.Uint32(q[8:]))
	put := func(at int, n uint64) { binary.NativeEndian.PutUint64(q[at:], n) }
	put(48, tera<<30)
	put(56, tera/2<<30)
	put(64, 1<<40)
	put(72, tera*1_000_000)
	put(80, tera*500_000)
	put(88, 1000)
	binary.NativeEndian.PutUint32(q[112:], 0x3f)
	return nil
}

// benchSite is a storage, and the saved pages of a listing that wants it as it is.
type benchSite struct {
	dir, root, config string
	pages             []string
	n                 int
}

// newBenchLoop makes a site of n resources whose listing a proxy gives. Only their tenant's directory stands.
func newBenchLoop(b testing.TB, n int) *benchSite {
	b.Helper()
	return newBenchStorage(b, b.TempDir(), n)
}

// newBenchSite makes a site of n resources. Without directories only their tenant's stands.
func newBenchSite(b testing.TB, n int, directories bool) *benchSite {
	b.Helper()
	return newBenchSiteIn(b, b.TempDir(), n, directories)
}

func newBenchSiteIn(b testing.TB, dir string, n int, directories bool) *benchSite {
	b.Helper()
	s := newBenchStorage(b, dir, n)
	const pageSize = 500
	for from := 0; from < n; from += pageSize {
		s.writePage(b, from, min(from+pageSize, n))
	}
	for i := 0; i < n && directories; i++ {
		s.makeDirectory(b, benchResource(i))
	}
	return s
}

func newBenchStorage(b testing.TB, dir string, n int) *benchSite {
	b.Helper()
	s := &benchSite{dir: dir, root: filepath.Join(dir, "mnt"), config: filepath.Join(dir, "cscs-sync.hcl"), n: n}
	config := fmt.Sprintf(`storage { root = %q }
state { path = %q }
system "capstor" {
  directory  = "capstor"
  filesystem = "any"
  quota "lustre" {}
}
`, s.root, filepath.Join(dir, "state"))
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(s.root, "capstor/store/cscs"), 0o755); err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *benchSite) writePage(b testing.TB, from, to int) {
	b.Helper()
	name := filepath.Join(s.dir, fmt.Sprintf("page%05d.json", len(s.pages)+1))
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprint(w, `{"status":"success","resources":[`)
	for i := from; i < to; i++ {
		if i > from {
			fmt.Fprint(w, ",")
		}
		benchResource(i).writeItem(w)
	}
	writePagination(w, len(s.pages)+1, s.n)
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	s.pages = append(s.pages, name)
}

// makeDirectory makes what a resource wants.
func (s *benchSite) makeDirectory(b testing.TB, r benchResource) {
	b.Helper()
	path := filepath.Join(s.root, r.path())
	if int(r)%benchPerCustomer == 0 {
		if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := os.Chown(path, 0, int(r.gid())); err != nil {
		b.Fatal(err)
	}
	if err := syscall.Chmod(path, 0o2770); err != nil {
		b.Fatal(err)
	}
}

// bare builds the yardstick.
func (s *benchSite) bare(b testing.TB) string {
	b.Helper()
	build := exec.Command("go", "build", "-o", filepath.Join(s.dir, "bare"), "../bare")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	return filepath.Join(s.dir, "bare")
}

// usage is what a process took.
type usage struct {
	wall, cpu time.Duration
	// memory is the greatest resident memory, in KiB; of cscs-sync only.
	memory int64
	out    string
}

// copyStatus keeps what the kernel says of this process. Its parent would be told of the greater of both processes'
// memory, since both are one until the new program is loaded.
func copyStatus(to string) {
	b, err := os.ReadFile("/proc/self/status")
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		panic(err)
	}
}

// peakMemory reads VmHWM, in KiB.
func peakMemory(b testing.TB, file string) (peak int64) {
	b.Helper()
	status, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(line, &peak); err != nil {
		b.Fatalf("%s: no VmHWM: %v", file, err)
	}
	return peak
}

// measure runs a program to its end. This test binary stands for cscs-sync when it is called so.
func measure(b testing.TB, program string, args ...string) (u usage) {
	b.Helper()
	cmd := exec.Command(program, args...)
	if program == "cscs-sync" {
		self, err := os.Executable()
		if err != nil {
			b.Fatal(err)
		}
		cmd = exec.Command(self, args...)
		cmd.Args[0] = program
		status := filepath.Join(b.TempDir(), "status")
		cmd.Env = append(os.Environ(), "CSCS_TEST_KERNEL=1", "CSCS_TEST_STATUS="+status)
		defer func() { u.memory = peakMemory(b, status) }()
	}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%.2000s", program, err, out.String())
	}
	return usage{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), out: out.String()}
}

// planArgs are the arguments of a plan from the site's pages.
func (s *benchSite) planArgs(more ...string) []string {
	args := append([]string{"plan", "--config", s.config, "--color", "never"}, more...)
	for _, p := range s.pages {
		args = append(args, "--resources", p)
	}
	return args
}
