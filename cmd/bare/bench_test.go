package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// BenchmarkPlanUnchanged measures a plan without changes, quotas off, against the bare program: as a ratio of times, taken
// in turn in one run, and as peak resident memory. The size is CSCS_BENCH_RESOURCES, by default 10,000.
func BenchmarkPlanUnchanged(b *testing.B) {
	n := 10_000
	if s := os.Getenv("CSCS_BENCH_RESOURCES"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			b.Fatal(err)
		}
	}
	site := newSite(b, n)
	var ours, bare time.Duration
	var memory int64
	b.ResetTimer()
	for b.Loop() {
		t, _ := site.run(b, "bare", append([]string{site.root}, site.pages...)...)
		bare += t
		args := []string{"plan", "--config", site.config, "--color", "never"}
		for _, p := range site.pages {
			args = append(args, "--resources", p)
		}
		t, rss := site.run(b, "cscs-sync", args...)
		ours += t
		memory = max(memory, rss)
	}
	b.ReportMetric(float64(ours)/float64(bare), "x-bare")
	b.ReportMetric(float64(memory)/1024, "MiB-peak")
	b.ReportMetric(ours.Seconds()*1e6/float64(b.N*n), "µs/resource")
}

// site is a storage on which everything is as the saved pages want it.
type site struct {
	bin, root, config string
	pages             []string
}

func newSite(b *testing.B, n int) *site {
	b.Helper()
	dir := b.TempDir()
	s := &site{bin: filepath.Join(dir, "bin"), root: filepath.Join(dir, "mnt"), config: filepath.Join(dir, "cscs-sync.hcl")}
	build := exec.Command("go", "build", "-o", s.bin+"/", "../cscs-sync", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	s.savePages(b, dir, n)
	config := fmt.Sprintf("storage { root = %q }\nstate { path = %q }\n", s.root, filepath.Join(dir, "state"))
	for _, system := range []string{"capstor", "iopsstor", "vast"} {
		config += fmt.Sprintf("system %q {\n  directory  = %q\n  filesystem = \"any\"\n  quota \"none\" {}\n}\n", system, system)
	}
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	return s
}

// savePages saves a simulated listing of active resources, and makes all its directories.
func (s *site) savePages(b *testing.B, dir string, n int) {
	b.Helper()
	sim := waldursim.New(waldursim.Options{})
	if err := sim.Generate(n, 0); err != nil {
		b.Fatal(err)
	}
	for number, more := 1, true; more; number++ {
		req := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/api/storage-resources/?page_size=500&page=%d", number), nil)
		req.Header.Set("Authorization", "Bearer "+waldursim.DefaultProxyToken)
		answer := httptest.NewRecorder()
		sim.ServeHTTP(answer, req)
		name := filepath.Join(dir, fmt.Sprintf("page%04d.json", number))
		if err := os.WriteFile(name, answer.Body.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
		s.pages = append(s.pages, name)
		more = s.makeDirectories(b, answer.Body.Bytes())
	}
}

// makeDirectories makes what one page wants, and tells whether there are more pages.
func (s *site) makeDirectories(b *testing.B, data []byte) bool {
	b.Helper()
	var p struct {
		page
		Pagination struct {
			HasNext bool `json:"has_next"`
		} `json:"pagination"`
	}
	if err := json.Unmarshal(data, &p); err != nil {
		b.Fatal(err)
	}
	for _, r := range p.Resources {
		path := filepath.Join(s.root, r.MountPoint.Default)
		if err := os.MkdirAll(path, 0o755); err != nil {
			b.Fatal(err)
		}
		gid := r.Target.TargetItem.UnixGID
		if r.Target.TargetItem.PrimaryProject != nil {
			gid = r.Target.TargetItem.PrimaryProject.UnixGID
		}
		if gid == nil {
			continue
		}
		var mode uint32
		if _, err := fmt.Sscanf(r.Permission.Value, "%o", &mode); err != nil {
			b.Fatal(err)
		}
		if err := os.Chown(path, 0, int(*gid)); err != nil {
			b.Fatal(err)
		}
		if err := syscall.Chmod(path, mode); err != nil {
			b.Fatal(err)
		}
	}
	return p.Pagination.HasNext
}

// run runs one program to its end: how long it took, and its peak resident memory in KiB.
func (s *site) run(b *testing.B, name string, args ...string) (time.Duration, int64) {
	b.Helper()
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v\n%.2000s", name, err, out.String())
	}
	took := time.Since(start)
	if name == "cscs-sync" && !strings.Contains(out.String(), "No changes.") {
		b.Fatalf("the plan is not empty:\n%.2000s", out.String())
	}
	return took, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}
