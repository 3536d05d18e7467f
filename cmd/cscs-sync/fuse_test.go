package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// deadMount is a mount whose server can stop answering, as a dead NFS or Lustre server does: a FUSE filesystem (the wire
// format is linux/fuse.h) that knows directories and small files. What is asked for is answered until the server dies.
type deadMount struct {
	path string
	fd   int
	mu   sync.Mutex
	// nodes are what was made, by parent and name; files the contents of those that are files.
	nodes map[string]uint64
	files map[uint64][]byte
	made  uint64
	// hold is the name of a request (fuseMkdir, …) that is taken and never answered: who waits for it cannot be killed.
	// stall is one after which the server takes nothing more: who waits can still be killed.
	hold, stall uint32
	// begun tells that the server has answered the first request, fuseInit.
	begun, dead bool
	ended       chan struct{}
}

// The requests of linux/fuse.h that a directory tree needs.
const (
	fuseLookup, fuseForget, fuseGetattr, fuseSetattr, fuseMkdir, fuseStatfs = 1, 2, 3, 4, 9, 17
	fuseRelease, fuseFsync, fuseInit, fuseOpendir, fuseReaddir              = 18, 20, 26, 27, 28
	fuseReleasedir, fuseFsyncdir, fuseInterrupt, fuseBatchForget            = 29, 30, 36, 42
	fuseUnlink, fuseLink, fuseOpen, fuseRead, fuseWrite, fuseCreate         = 10, 13, 14, 15, 16, 35
)

// fuseTrash is the archive folder, which is there from the beginning: the first mkdir is that of a resource.
const fuseTrash = 2

func newDeadMount(t testing.TB, path string) *deadMount {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		err = unix.Mount("dead", path, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd))
	}
	if err != nil {
		t.Skipf("this machine has no FUSE for tests: %v", err)
	}
	m := &deadMount{path: path, fd: fd, nodes: map[string]uint64{"1/.trash": fuseTrash}, files: map[uint64][]byte{}, ended: make(chan struct{})}
	go m.serve()
	t.Cleanup(m.bury)
	return m
}

// dies makes the server hold, or stop after, the next request of a kind; fuseInit stops it at once.
func (m *deadMount) dies(hold, stall uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold, m.stall = hold, stall
	m.dead = m.begun && stall == fuseInit
}

func (m *deadMount) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// bury ends the server: the kernel then fails every call that still waits for it.
func (m *deadMount) bury() {
	m.mu.Lock()
	gone := m.fd < 0
	if !gone {
		m.dead = true
	}
	m.mu.Unlock()
	if gone {
		return
	}
	<-m.ended
	unix.Close(m.fd)
	m.fd = -1
	_ = unix.Unmount(m.path, unix.MNT_DETACH)
}

func (m *deadMount) serve() {
	defer close(m.ended)
	buffer := make([]byte, 256<<10)
	for !m.isDead() {
		n, err := unix.Read(m.fd, buffer)
		if err == unix.EAGAIN || err == unix.EINTR || err == unix.ENOENT {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return
		}
		m.answer(buffer[:n])
	}
}

// answer answers one request: a header of 40 bytes (length, opcode, unique, node), then what the opcode wants.
func (m *deadMount) answer(in []byte) {
	op, unique, node := binary.LittleEndian.Uint32(in[4:]), in[8:16], binary.LittleEndian.Uint64(in[16:])
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hold != 0 && op == m.hold || m.dead {
		m.dead = true
		return
	}
	if op == fuseForget || op == fuseBatchForget || op == fuseInterrupt {
		return
	}
	status, body := m.reply(op, node, in[40:])
	out := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	out = binary.LittleEndian.AppendUint32(out, uint32(status))
	out = append(append(out, unique...), body...)
	_, _ = unix.Write(m.fd, out)
	if m.stall != 0 && op == m.stall {
		m.dead = true
	}
}

func (m *deadMount) reply(op uint32, node uint64, in []byte) (status int32, body []byte) {
	name := func(skip int) string { return fmt.Sprintf("%d/%s", node, unix.ByteSliceToString(in[skip:])) }
	switch op {
	case fuseInit:
		m.begun = true
		body = make([]byte, 64)
		binary.LittleEndian.PutUint32(body, 7)
		binary.LittleEndian.PutUint32(body[4:], 31)
		binary.LittleEndian.PutUint32(body[20:], 64<<10) // the largest write
	case fuseGetattr, fuseSetattr:
		body = append(make([]byte, 16), m.attributes(node)...)
	case fuseLookup:
		n, ok := m.nodes[name(0)]
		if !ok {
			return -int32(unix.ENOENT), nil
		}
		body = m.entry(n)
	case fuseMkdir:
		body = m.entry(m.add(name(8)))
	case fuseCreate:
		n := m.add(name(16))
		m.files[n] = []byte{}
		body = append(m.entry(n), make([]byte, 16)...)
	case fuseLink:
		m.nodes[name(8)] = binary.LittleEndian.Uint64(in)
		body = m.entry(m.nodes[name(8)])
	case fuseUnlink:
		delete(m.nodes, name(0))
	case fuseOpen:
		body = make([]byte, 16)
	case fuseRead:
		at := min(binary.LittleEndian.Uint64(in[8:]), uint64(len(m.files[node])))
		body = m.files[node][at:]
	case fuseWrite:
		m.files[node] = append(m.files[node][:binary.LittleEndian.Uint64(in[8:])], in[40:]...)
		body = binary.LittleEndian.AppendUint64(nil, uint64(len(in)-40))
	case fuseStatfs:
		body = make([]byte, 80)
	case fuseOpendir:
		body = make([]byte, 16)
	case fuseReaddir, fuseReleasedir, fuseRelease, fuseFsync, fuseFsyncdir:
	default:
		return -int32(unix.ENOSYS), nil
	}
	return 0, body
}

// add gives a name a node of its own.
func (m *deadMount) add(name string) uint64 {
	m.made++
	m.nodes[name] = fuseTrash + m.made
	return m.nodes[name]
}

// attributes are those of a directory of root's, mode 0700, or of a file, mode 0600.
func (m *deadMount) attributes(node uint64) []byte {
	mode, links := uint32(unix.S_IFDIR|0o700), uint32(2)
	data, isFile := m.files[node]
	if isFile {
		mode, links = unix.S_IFREG|0o600, 0
		for _, n := range m.nodes {
			if n == node {
				links++
			}
		}
	}
	b := binary.LittleEndian.AppendUint64(nil, node)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = append(b, make([]byte, 44)...) // blocks and times
	b = binary.LittleEndian.AppendUint32(b, mode)
	b = binary.LittleEndian.AppendUint32(b, links)
	return append(b, make([]byte, 20)...) // owner, group, …
}

func (m *deadMount) entry(node uint64) []byte {
	b := binary.LittleEndian.AppendUint64(nil, node)
	return append(append(b, make([]byte, 32)...), m.attributes(node)...)
}

// impatient is a command that waits for a mount only shortly. A hang ends the test, not only the run.
func (s *service) impatient(t *testing.T, args ...string) (int, string) {
	t.Helper()
	cmd := s.fixed([]string{"CSCS_TEST_MOUNT_TIMEOUT=500ms"}, args...)
	hung := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	out, err := cmd.CombinedOutput()
	if !hung.Stop() {
		t.Fatalf("%v hangs\n%s", args, out)
	}
	return exitOf(t, err), string(out)
}

func exitOf(t testing.TB, err error) int {
	t.Helper()
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return exitDone
}

// TestMountThatHangs: a mount that hangs makes its own resources unknown, and the rest goes on.
func TestMountThatHangs(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "vast", Customer: "eth", Project: "slow", DataType: "store", GID: 30501, Limits: map[string]any{"storage": 1}})
	s.check(err)
	newDeadMount(t, filepath.Join(s.dir, "mnt/vast")).dies(0, fuseInit)
	code, out := s.impatient(t, "plan", "--out", "p.plan")
	if code != exitPartial || !strings.Contains(out, "the mount of system vast did not answer") || !strings.Contains(out, "Plan: 3 to create, 1 blocked.") {
		t.Errorf("plan: exit %d\n%s", code, out)
	}
	s.ok("approve", "p.plan")
	if code, out := s.impatient(t, "apply", "p.plan"); code != exitDone || !s.exists("capstor/store/cscs/eth/bio")() {
		t.Errorf("apply beside a mount that hangs: exit %d\n%s", code, out)
	}
}

// TestMountThatHangsWhileTheProxyLists: a mount is waited for while the listing comes, and not once more after it.
func TestMountThatHangsWhileTheProxyLists(t *testing.T) {
	const both = 3 * time.Second
	s := newService(t, "")
	s.create("bio", 30500)
	newDeadMount(t, filepath.Join(s.dir, "mnt/vast")).dies(0, fuseInit)
	s.check(s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: "slow", Delay: waldursim.Duration(both), Count: 1}))
	start := time.Now()
	out, err := s.fixed([]string{"CSCS_TEST_MOUNT_TIMEOUT=" + both.String()}, "plan").CombinedOutput()
	if took := time.Since(start); exitOf(t, err) != exitDone || took < both || took >= 2*both {
		t.Errorf("exit %d after %s, want the listing's %s, and not the mount's after it\n%s", exitOf(t, err), took, both, out)
	}
}

// TestRootIsLetGo: however often a mount hangs, only the root that a call hangs on stays open.
func TestRootIsLetGo(t *testing.T) {
	s := newService(t, "")
	l := s.inProcess(time.Now, func(ses *session.Session) { ses.Process.MountTimeout = 100 * time.Millisecond })
	m := newDeadMount(t, filepath.Join(s.dir, "mnt/vast"))
	m.dies(0, fuseInit)
	roots := func() (n int) {
		fds, err := os.ReadDir("/proc/self/fd")
		s.check(err)
		for _, fd := range fds {
			if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); to == filepath.Join(s.dir, "mnt") {
				n++
			}
		}
		return n
	}
	const looks = 20
	for range looks {
		s.check(l.s.Site().Wake(t.Context(), 0))
		o, done, err := l.s.Site().Observer(t.Context(), 0)
		s.check(err)
		mounts := o.Mounts(t.Context(), l.s.Config.Settings.Systems)
		if good := mounts["capstor"]; mounts["vast"].Unknown == "" || good.Problem+good.Unknown != "" {
			t.Fatalf("mounts %+v", mounts)
		}
		done()
	}
	// A root has descriptors of its systems' mounts too, two of which are the same here.
	s.until("all but the root that a call hangs on", func() bool { return roots() < looks/2 })
	m.bury()
	s.until("the end of the call that hung", func() bool { return roots() == 0 })
}

// TestRootThatHangs: storage.root itself lies on a mount that hangs.
func TestRootThatHangs(t *testing.T) {
	s := newService(t, "")
	s.create("bio", 30500)
	s.edit(`storage { root = "`+s.dir+`/mnt" }`, `storage { root = "`+s.dir+`/mnt/vast/below" }`)
	newDeadMount(t, filepath.Join(s.dir, "mnt/vast")).dies(0, fuseInit)
	code, out := s.impatient(t, "plan")
	if code != exitError || !strings.Contains(out, "mnt/vast/below: no answer within 500ms") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// begin starts an apply that is to hang at a directory of system vast, and waits until it does.
func (s *service) begin(t *testing.T, m *deadMount) *exec.Cmd {
	t.Helper()
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "vast", Customer: "eth", Project: "slow", DataType: "store", GID: 30501, Limits: map[string]any{"storage": 1}})
	s.check(err)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	cmd := s.fixed(nil, "apply", "p.plan")
	cmd.Stdout, cmd.Stderr = s, s
	s.check(cmd.Start())
	s.until("the hang", m.isDead)
	return cmd
}

// TestLockOfAKilledApplyThatHangs: an apply is killed while one of its threads hangs in a call that nothing ends. It may
// still change something, so nobody takes its lock over, until the kernel has freed it.
func TestLockOfAKilledApplyThatHangs(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	m := newDeadMount(t, filepath.Join(s.dir, "mnt/vast"))
	m.dies(fuseMkdir, 0)
	cmd := s.begin(t, m)
	s.check(cmd.Process.Kill())
	s.until("its end, but for the thread that hangs", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", cmd.Process.Pid))
		return err == nil && (strings.Contains(string(stat), ") Z ") || len(threads) == 1) // the first thread may be the one
	})
	code, out := s.impatient(t, "state", "abandon", "--reason", "x", "p.plan")
	if code != exitError || !strings.Contains(out, fmt.Sprintf("is held by root on testhost, pid %d", cmd.Process.Pid)) {
		t.Errorf("while the killed apply hangs: exit %d\n%s", code, out)
	}
	m.bury()
	_ = cmd.Wait()
	if code, out := s.impatient(t, "state", "abandon", "--reason", "x", "p.plan"); code != exitDone {
		t.Errorf("once it is gone: exit %d\n%s", code, out)
	}
}

// TestSecondSignalWhileACallHangs: the first signal waits for what is running; the second ends the process all the same.
func TestSecondSignalWhileACallHangs(t *testing.T) {
	t.Parallel()
	s := newService(t, "")
	s.withoutQuotas()
	m := newDeadMount(t, filepath.Join(s.dir, "mnt/vast"))
	m.dies(0, fuseMkdir)
	cmd := s.begin(t, m)
	hung := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	s.check(cmd.Process.Signal(syscall.SIGTERM))
	time.Sleep(300 * time.Millisecond)
	s.check(cmd.Process.Signal(syscall.SIGTERM))
	code := exitOf(t, cmd.Wait())
	if !hung.Stop() || code != exitInterrupted || !strings.Contains(s.log(), "apply the same plan again") {
		t.Errorf("exit %d\n%s", code, s.log())
	}
}
