package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// capabilities are those that the documents and the unit speak of.
var capabilities = map[string]int{"CAP_CHOWN": unix.CAP_CHOWN, "CAP_DAC_OVERRIDE": unix.CAP_DAC_OVERRIDE, "CAP_FOWNER": unix.CAP_FOWNER, "CAP_FSETID": unix.CAP_FSETID,
	"CAP_SYS_ADMIN": unix.CAP_SYS_ADMIN, "CAP_SYS_RESOURCE": unix.CAP_SYS_RESOURCE}

// withCapabilities becomes another program that can have no other capabilities than these, as a unit's
// CapabilityBoundingSet leaves them to it.
func withCapabilities(names []string, args []string) error {
	runtime.LockOSThread()
	for c := range unix.CAP_LAST_CAP + 1 {
		if !slices.ContainsFunc(names, func(n string) bool { return capabilities[n] == c }) {
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil {
				return err
			}
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return syscall.Exec(args[0], args, os.Environ())
}

// limited is a command with these capabilities and no others. The test binary drops the rest, then becomes the command.
func (s *service) limited(names []string, args ...string) *exec.Cmd {
	cmd := s.fixed([]string{"CSCS_TEST_CAPABILITIES=" + strings.Join(names, " ")}, args...)
	return cmd
}

// TestRights: root with the capabilities of the systemd unit does everything; each that the documents call necessary is.
func TestRights(t *testing.T) {
	unit := unitCapabilities(t)
	const owned = "override \"owned\" {\n  match { path = \"/capstor/**/new\" }\n  owner  = 4711\n  reason = \"not root's\"\n}\n"
	s := newService(t, owned)
	code, out := s.work(t, unit)
	if code != exitDone {
		t.Errorf("with %v: exit %d\n%s", unit, code, out)
	}
	want := "capstor/store/cscs/uzh/bothdgrwxrwx---0:30613 capstor/store/cscs/eth/newdgrwxrwx---4711:30501"
	for part := range strings.SplitSeq(want, " ") {
		if !strings.Contains(strings.ReplaceAll(s.tree(), " ", ""), part) {
			t.Errorf("with %v there is no %s:\n%s", unit, part, s.tree())
		}
	}
	for _, lacking := range []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"} {
		t.Run("without "+lacking, func(t *testing.T) {
			s := newService(t, owned)
			code, out := s.work(t, slices.DeleteFunc(slices.Clone(unit), func(n string) bool { return n == lacking }))
			if code == exitDone {
				t.Errorf("everything is done without it:\n%s", out)
			}
		})
	}
}

// work applies, with these capabilities, a plan with every kind of change: creates, undone drift, a removal of what belongs
// to somebody else.
func (s *service) work(t *testing.T, names []string) (int, string) {
	t.Helper()
	s.withoutQuotas()
	s.active("both", 30613)
	s.active("old", 30602)
	s.settle()
	s.check(os.Chown(s.real("both"), 5, 6))
	s.check(os.Chmod(s.real("both"), 0o700))
	s.check(os.Chown(s.real("old"), 5, 6))
	s.check(os.Chmod(s.real("old"), 0o500))
	s.check(os.Chown(filepath.Join(s.dir, "mnt/capstor/store/cscs/uzh"), 7, 7)) // a customer's own
	s.check(os.Chmod(filepath.Join(s.dir, "mnt/capstor/store/cscs/uzh"), 0o755))
	s.terminate("old")
	s.create("new", 30501)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	cmd := s.limited(names, "apply", "p.plan")
	out, err := cmd.CombinedOutput()
	return exitOf(t, err), string(out)
}

// TestUnits: systemd finds nothing wrong with the units and the drop-in of examples/ha, and gives them
// a good mark for what they shut out.
func TestUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	dir := t.TempDir()
	const program = "/usr/local/bin/cscs-sync"
	for _, unit := range []string{"cscs-sync.service", "cscs-sync-once.service", "cscs-sync-once.timer"} {
		text, err := os.ReadFile("../../examples/systemd/" + unit)
		if err != nil {
			t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(text), program, "/bin/true") // it wants to see a program there
		if err := os.WriteFile(filepath.Join(dir, unit), []byte(installed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dropIn, err := os.ReadFile("../../examples/ha/cscs-sync.service.d/two-nodes.conf")
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "cscs-sync.service.d")
	if err := errors.Join(os.Mkdir(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "two-nodes.conf"), dropIn, 0o644)); err != nil {
		t.Fatal(err)
	}
	analyzed := func(unit string, args ...string) {
		cmd := exec.Command(analyze, append(args, filepath.Join(dir, unit))...)
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
		if out, err := cmd.CombinedOutput(); err != nil || args[0] == "verify" && len(out) > 0 {
			t.Errorf("systemd-analyze %s %s: %v\n%s", args[0], unit, err, out)
		}
	}
	analyzed("cscs-sync.service", "verify", "--man=no")
	analyzed("cscs-sync-once.timer", "verify", "--man=no")
	for _, unit := range []string{"cscs-sync.service", "cscs-sync-once.service"} {
		analyzed(unit, "security", "--offline=true", "--no-pager", "--threshold=32") // of 100; nothing shut out is 96
	}
}

// unitCapabilities is what both units leave, which must be the same.
func unitCapabilities(t *testing.T) []string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.*)$`)
	var sets []string
	for _, name := range []string{"cscs-sync.service", "cscs-sync-once.service"} {
		text, err := os.ReadFile("../../examples/systemd/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\nMemoryMax=") {
			t.Errorf("%s bounds no memory", name)
		}
		m := line.FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s bounds no capabilities", name)
		}
		sets = append(sets, string(m[1]))
	}
	if sets[0] != sets[1] {
		t.Errorf("the units leave %q and %q", sets[0], sets[1])
	}
	return strings.Fields(sets[0])
}

// TestSetgidThatDoesNotStick: without CAP_FSETID the kernel drops setgid without a word. A new directory is left closed, an
// old one no wider than it was; the next plan knows the new one as ours, and finishes it.
func TestSetgidThatDoesNotStick(t *testing.T) {
	s := newService(t, "")
	unit := unitCapabilities(t)
	code, out := s.work(t, slices.DeleteFunc(slices.Clone(unit), func(n string) bool { return n == "CAP_FSETID" }))
	if code != exitPartial || !strings.Contains(out, "eth/new: failed") || !strings.Contains(out, "the filesystem set 0770 instead") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	for _, want := range []string{"capstor/store/cscs/eth/new drwx------ 0:0", "capstor/store/cscs/uzh/both drwx------ 0:30613"} {
		if !strings.Contains(s.tree(), want) {
			t.Errorf("there is no %s:\n%s", want, s.tree())
		}
	}
	if list := s.ok("state", "list"); !strings.Contains(list, "unfinished") {
		t.Errorf("state list does not say that it is unfinished:\n%s", list)
	}
	out = s.ok("plan", "--out", "p.plan")
	if !strings.Contains(out, "eth/new will be created") || !strings.Contains(out, "could not finish it") || strings.Contains(out, "will be adopted") {
		t.Errorf("the next plan:\n%s", out)
	}
	s.ok("approve", "p.plan")
	s.ok("apply", "p.plan")
	if want := "capstor/store/cscs/eth/new dgrwxrwx--- 0:30501"; !strings.Contains(s.tree(), want) {
		t.Errorf("there is no %s:\n%s", want, s.tree())
	}
	if list := s.ok("state", "list"); strings.Contains(list, "unfinished") || !strings.Contains(list, "eth/new") {
		t.Errorf("recorded are\n%s", list)
	}
}

// TestACustomerLeftClosed: a customer's directory whose mode does not stick is left closed. The next plan finishes it, before
// the resources in it.
func TestACustomerLeftClosed(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 31000)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	strace := s.strace([]string{"-qq", "-P", filepath.Join(s.dir, "mnt/capstor/store/cscs/eth"), "-e", "trace=fchmod",
		"-e", "inject=fchmod:error=EIO:when=1"}, "apply", "p.plan")
	out, err := strace.CombinedOutput()
	if code := exitOf(t, err); code != exitPartial || !strings.Contains(string(out), "cscs/eth: failed") || s.exists("capstor/store/cscs/eth/bio")() {
		t.Fatalf("exit %d\n%s\n%s", code, out, s.tree())
	}
	if want := "capstor/store/cscs/eth drwx------ 0:0"; !strings.Contains(s.tree(), want) {
		t.Errorf("there is no %s:\n%s", want, s.tree())
	}
	plan := s.ok("plan", "--out", "p.plan")
	if strings.Count(plan, "will be created") != 2 || !strings.Contains(plan, "could not finish it") {
		t.Errorf("the next plan:\n%s", plan)
	}
	s.ok("approve", "p.plan")
	s.ok("apply", "p.plan")
	for _, want := range []string{"capstor/store/cscs/eth drwxrwxr-x 0:0", "capstor/store/cscs/eth/bio dgrwxrwx--- 0:31000"} {
		if !strings.Contains(s.tree(), want) {
			t.Errorf("there is no %s:\n%s", want, s.tree())
		}
	}
	if list := s.ok("state", "list"); strings.Contains(list, "unfinished") {
		t.Errorf("recorded are\n%s", list)
	}
}

// TestDoctorOnProjectIDs: doctor asks for no right that apply does without, and passes nothing that an ext4 does not show.
func TestDoctorOnProjectIDs(t *testing.T) {
	s := newService(t, "")
	s.edit(`quota "lustre" {`, "quota \"lustre\" {\n    by = \"project\"\n    project_ids = \"70000-79999\"")
	most := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_SYS_ADMIN"}
	out, _ := s.limited(most, "doctor").CombinedOutput()
	if text := string(out); strings.Contains(text, "CAP_SYS_RESOURCE") || !strings.Contains(text, "may change owners") {
		t.Errorf("without CAP_SYS_RESOURCE, which only a Lustre needs:\n%s", text)
	}
	var fs unix.Statfs_t
	s.check(unix.Statfs(filepath.Join(s.dir, "mnt/capstor"), &fs))
	if text := string(out); fs.Type == unix.EXT4_SUPER_MAGIC && (strings.Contains(text, "the filesystem has project ids") || !strings.Contains(text, "dumpe2fs -h DEVICE")) {
		t.Errorf("on an ext4:\n%s", text)
	}
}
