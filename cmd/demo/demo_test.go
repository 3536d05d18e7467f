package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the demo, so that it can run as another user.
func TestMain(m *testing.M) {
	if os.Getenv("CSCS_DEMO_RUN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// wants are texts that readers must find in the demo's output.
var wants = []string{
	"1 to create, 1 to update, 1 to archive, 1 blocked, 1 waiting.",
	"climate headroom", "[ARCHIVES DATA]", "is not approved",
	"Apply complete! 3 done (1 created, 1 updated, 1 archived).", "Plan: 1 blocked, 1 waiting.",
	"order Create: done", "order Update: done", "order Terminate: done", "in capstor/.trash/",
}

// TestDemo runs the demo as the caller and, if that is root, also as another user.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	build := exec.Command("go", "build", "-o", bin+"/", "../cscs-sync", "../waldur-sim", "../lfs-sim")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var out string
	t.Run("caller", func(t *testing.T) { out = check(t, demoCommand(t, bin, filepath.Join(dir, "site"))) })
	if os.Geteuid() != 0 {
		return
	}
	t.Run("README", func(t *testing.T) { inREADME(t, out) })
	t.Run("not root", func(t *testing.T) {
		for up := dir; up != "/" && up != os.TempDir(); up = filepath.Dir(up) {
			if err := os.Chmod(up, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		home := filepath.Join(dir, "home")
		if err := os.Mkdir(home, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(home, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		exe, err := os.ReadFile(os.Args[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "demo.test"), exe, 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := demoCommand(t, bin, filepath.Join(home, "demo"))
		cmd.Path, cmd.Dir = filepath.Join(dir, "demo.test"), home
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
		check(t, cmd)
	})
}

func demoCommand(t *testing.T, bin, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-dir", dir, "-bin", bin)
	cmd.Env = append(os.Environ(), "CSCS_DEMO_RUN=1")
	return cmd
}

// inREADME checks that the plan in the README is the demo's plan, except for omissions (…) and the
// inode.
func inREADME(t *testing.T, out string) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(readme), "## What a plan looks like\n\n```text\n")
	shown, _, ok := strings.Cut(shown, "```")
	if !ok {
		t.Fatal("README.md shows no plan")
	}
	inode := regexp.MustCompile(`inode [0-9]+`)
	out = inode.ReplaceAllString(out, "inode N")
	for line := range strings.Lines(inode.ReplaceAllString(shown, "inode N")) {
		_, rest, found := strings.Cut(out, line)
		switch {
		case strings.TrimSpace(line) == "" || strings.TrimSpace(line) == "…":
		case !found:
			t.Errorf("README.md shows a line that the demo does not, or not there: %q", line)
		default:
			out = rest
		}
	}
}

// check runs a demo and returns its output.
func check(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, w := range wants {
		if !strings.Contains(out.String(), w) {
			t.Errorf("the output lacks %q:\n%s", w, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b[") {
		t.Error("there are colours in a pipe")
	}
	return out.String()
}

// TestAfterAFailure: a demo that could not start leaves a folder that the next one clears.
func TestAfterAFailure(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	for range 2 {
		err := run([]string{"-dir", dir, "-bin", t.TempDir()}, &bytes.Buffer{})
		if err == nil || !strings.Contains(err.Error(), "lfs-sim") {
			t.Fatalf("without its programs: %v", err)
		}
	}
}

// A folder that no demo created is left as it is, whatever the names of its files.
func TestClearLeavesWhatIsNotOurs(t *testing.T) {
	dir := t.TempDir()
	theirs := filepath.Join(dir, "scenario.json")
	if err := os.WriteFile(theirs, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&demo{dir: dir}).clear(); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(theirs, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&demo{dir: dir}).clear(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(theirs); !os.IsNotExist(err) {
		t.Errorf("an earlier demo is still there: %v", err)
	}
}
