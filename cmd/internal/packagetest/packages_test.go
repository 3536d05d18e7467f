//go:build packages

package packagetest

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

const folder = "../../../bin/packages"

// file returns the only package whose name has this end.
func file(t *testing.T, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%d packages end in %s: run `make packages`", len(found), suffix)
	}
	path, err := filepath.Abs(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs a program that must succeed, and returns what it prints.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The .deb installs, starts nothing, works, and can be removed. It leaves only configuration and
// state.
func TestDebianPackage(t *testing.T) {
	before := files(t)
	run(t, "dpkg", "-i", file(t, "_"+runtime.GOARCH+".deb"))
	t.Cleanup(func() { _ = exec.Command("dpkg", "--purge", "cscs-sync").Run() })

	if out := run(t, "/usr/bin/cscs-sync", "version"); !strings.HasPrefix(out, "cscs-sync ") ||
		!strings.Contains(out, "commit ") {
		t.Errorf("version: %s", out)
	}
	for _, page := range []string{"cscs-sync", "cscs-sync-plan", "cscs-sync-state-list", "cscs-sync.hcl", "cscs-sync-runbook"} {
		if out := run(t, "man", "-w", page); !strings.Contains(out, "/usr/share/man/man") {
			t.Errorf("man -w %s: %s", page, out)
		}
	}
	run(t, "systemd-analyze", "verify", "/usr/lib/systemd/system/cscs-sync.service", "/usr/lib/systemd/system/cscs-sync-once.service",
		"/usr/lib/systemd/system/cscs-sync-once.timer")
	if out := run(t, "bash", "-c", `source /usr/share/bash-completion/bash_completion
		source /usr/share/bash-completion/completions/cscs-sync
		COMP_LINE="cscs-sync state h"; COMP_POINT=${#COMP_LINE}; COMP_WORDS=(cscs-sync state h); COMP_CWORD=2
		__start_cscs-sync; echo "${COMPREPLY[*]}"`); !strings.Contains(out, "history") {
		t.Errorf("bash completes state h to %q", out)
	}
	if out := run(t, "fish", "-c", `complete -C "cscs-sync state h"`); !strings.HasPrefix(out, "history") {
		t.Errorf("fish completes state h to %q", out)
	}
	for path, mode := range map[string]fs.FileMode{
		"/etc/cscs-sync": 0o750, "/etc/cscs-sync/cscs-sync.hcl.example": 0o640, "/var/lib/cscs-sync": 0o700, "/usr/bin/cscs-sync": 0o755,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", path, info, err, mode)
		}
	}
	if out, err := exec.Command("/usr/bin/cscs-sync", "--config", "/etc/cscs-sync",
		"validate").CombinedOutput(); err == nil {
		t.Errorf("the example is taken for a configuration:\n%s", out)
	}

	state := "/var/lib/cscs-sync/state.db"
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "dpkg", "--remove", "cscs-sync")
	for path := range files(t) {
		if !before[path] && !strings.HasPrefix(path, "/etc/cscs-sync") && !strings.HasPrefix(path, "/var/lib/cscs-sync") {
			t.Errorf("%s was left", path)
		}
	}
	if _, err := os.Stat(state); err != nil {
		t.Errorf("removing the package removed the state: %v", err)
	}
	if err := os.Remove(state); err != nil {
		t.Error(err)
	}
	run(t, "dpkg", "--purge", "cscs-sync")
	if _, err := os.Stat("/etc/cscs-sync"); err == nil {
		t.Error("purging the package left /etc/cscs-sync")
	}
}

// files returns all files that a package could have installed.
func files(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, root := range []string{"/etc", "/usr/bin", "/usr/sbin", "/usr/lib/systemd", "/usr/share/man", "/usr/share/doc", "/usr/share/bash-completion",
		"/usr/share/zsh", "/usr/share/fish", "/usr/share/cscs-sync", "/var/lib/cscs-sync"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.Contains(path, "cscs-sync") {
				found[path] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// extractBelow makes rpmlint's cpio extract below its own folder. Otherwise, a package whose files
// have absolute paths would be extracted over this machine.
func extractBelow(t *testing.T) {
	t.Helper()
	cpio := strings.TrimSpace(run(t, "which", "cpio"))
	dir := t.TempDir()
	script := "#!/bin/sh\nexec " + cpio + " --no-absolute-filenames \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "cpio"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

func TestRPM(t *testing.T) {
	extractBelow(t)
	before := files(t)
	for _, arch := range []string{"x86_64", "aarch64"} {
		list := run(t, "rpm", "-qlp", file(t, "."+arch+".rpm"))
		for _, path := range []string{"/usr/bin/cscs-sync\n", "/usr/share/man/man1/cscs-sync-plan.1.gz\n", "/usr/share/man/man5/cscs-sync.hcl.5.gz\n",
			"/usr/lib/systemd/system/cscs-sync.service\n", "/etc/cscs-sync\n", "/var/lib/cscs-sync\n", "/usr/share/cscs-sync/alerts.yml\n"} {
			if !strings.Contains(list, path) {
				t.Errorf("%s lacks %s", arch, path)
			}
		}
		run(t, "rpmlint", "-c", "../../../examples/packages/rpmlint.toml", file(t, "."+arch+".rpm"))
	}
	if after := files(t); !maps.Equal(before, after) {
		t.Errorf("looking at the package changed this machine: %v, was %v", after, before)
	}
}

// The package for the other architecture has that architecture's program.
func TestEachPackageHasItsOwnProgram(t *testing.T) {
	for arch, machine := range map[string]string{"amd64": "x86-64", "arm64": "aarch64"} {
		out := run(t, "file", "../../../bin/tree/"+arch+"/usr/bin/cscs-sync")
		if !strings.Contains(out, machine) || !strings.Contains(out, "statically linked") {
			t.Errorf("%s: %s", arch, out)
		}
	}
}

// Two releases of one commit, built in different folders, are identical.
func TestReleaseIsReproducible(t *testing.T) {
	top := strings.TrimSpace(run(t, "git", "rev-parse", "--show-toplevel"))
	var sums []string
	for range 2 {
		dir := filepath.Join(t.TempDir(), "clone")
		run(t, "git", "clone", "-q", top, dir)
		run(t, "git", "-C", dir, "tag", "v99.0.0")
		run(t, "make", "-C", dir, "release")
		sum, err := os.ReadFile(filepath.Join(dir, "bin/release/SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(sum))
		if out := run(t, filepath.Join(dir, "bin/tree/"+runtime.GOARCH+"/usr/bin/cscs-sync"),
			"version"); !strings.HasPrefix(out, "cscs-sync 99.0.0\ncommit ") {
			t.Errorf("version: %s", out)
		}
	}
	if sums[0] != sums[1] {
		t.Errorf("two releases of one commit differ:\n%s\n%s", sums[0], sums[1])
	}
	if n := strings.Count(sums[0], "\n"); n != 7 {
		t.Errorf("%d files in a release, want 2 .deb, 2 .rpm, 2 .tar.gz and the bill of materials:\n%s",
			n, sums[0])
	}
}
