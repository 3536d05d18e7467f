// Setup installs what the tests need besides Go. As root on Debian or Ubuntu, it installs what is
// missing. Elsewhere it prints which tests have to be skipped, and the command that installs what
// they need. In CI, nothing may be missing.
//
//	go run ./cmd/internal/setup [-kind test|kernel|packages]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tool is a program that some tests run.
type tool struct {
	// program is a name, or a pattern of paths. deb is Debian's package that contains the program.
	program, deb string
	// kind is the group of tests. tests says which tests are skipped without the program.
	kind, tests string
}

func tools() []tool {
	return []tool{
		{"gcc", "gcc libc6-dev", "test", "all with the race detector"},
		{"git", "git", "test", "those of the version"},
		{"ssh-keygen", "openssh-client", "test", "those of signatures by the stock ssh-keygen"},
		{"ssh-agent", "openssh-client", "test", "those of approvals by an agent"},
		{"strace", "strace", "test", "those of what is synced when, and the scripts that inject errors"},
		{"mkfs.xfs", "xfsprogs", "test", "those of project ids on a real XFS"},
		{"setfacl", "acl", "test", "those of ACLs that setfacl sets"},
		{"systemd-analyze", "systemd", "test", "those of what systemd says of the units"},
		{"fish", "fish", "test", "completion in fish"},
		{"zsh", "zsh", "test", "completion in zsh"},
		{"dot", "graphviz", "test", "the picture of graph --format svg"},
		{"chromium", "chromium fonts-dejavu-core", "test", "those of pages in a real browser"},
		{"/usr/lib/postgresql/*/bin/initdb", "postgresql", "test",
			"those of a state that nodes share, on a real PostgreSQL"},
		{"qemu-system-x86_64", "qemu-system-x86", "kernel", "make test-kernel: quotas of XFS and ext4"},
		{"mkfs.ext4", "e2fsprogs", "kernel", "make test-kernel: quotas of ext4"},
		{"dpkg-deb", "dpkg", "kernel", "make test-kernel: the kernel is unpacked with it"},
		{"man", "man-db", "packages", "make test-packages: manual pages"},
		{"rpmlint", "cpio python3-magic rpm rpmlint", "packages", "make test-packages: the .rpm"},
		{"systemd-analyze", "systemd", "packages", "make test-packages: the units"},
		{"file", "file", "packages", "make test-packages: what each package holds"},
		{"/usr/share/bash-completion/bash_completion", "bash-completion", "packages",
			"make test-packages: completion in bash"},
	}
}

func main() {
	kind := flag.String("kind", "test", "which tests to prepare for: test, kernel or packages")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Minute)
	defer cancel()
	_, ci := os.LookupEnv("CI")
	if err := run(ctx, *kind, ci, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kind string, ci bool, out io.Writer) error {
	missing := lacking(kind)
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() == 0 && isInstalled("apt-get") {
		if err := install(ctx, missing, out); err != nil {
			return err
		}
		if missing = lacking(kind); len(missing) == 0 {
			return nil
		}
	}
	for _, m := range missing {
		fmt.Fprintf(out, "skipped, because %s is missing: %s\n", m.program, m.tests)
	}
	fmt.Fprintf(out, "to run them, too: sudo apt-get install %s\n",
		strings.Join(packages(missing), " "))
	if ci {
		return fmt.Errorf("%d programs are missing, and in CI no test may be skipped", len(missing))
	}
	return nil
}

func lacking(kind string) []tool {
	return slices.DeleteFunc(tools(),
		func(n tool) bool { return n.kind != kind || isInstalled(n.program) })
}

func isInstalled(program string) bool {
	if strings.HasPrefix(program, "/") {
		found, err := filepath.Glob(program)
		return err == nil && len(found) > 0
	}
	_, err := exec.LookPath(program)
	return err == nil
}

func packages(missing []tool) []string {
	var all []string
	for _, m := range missing {
		all = append(all, strings.Fields(m.deb)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// install installs Debian's packages. It first reads the lists of packages, which a new machine
// does not have.
func install(ctx context.Context, missing []tool, out io.Writer) error {
	names := packages(missing)
	fmt.Fprintf(out, "installing what the tests need: %s\n", strings.Join(names, " "))
	for _, args := range [][]string{{"update", "-qq"}, append([]string{"install", "-y", "-qq", "--no-install-recommends"}, names...)} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, text)
		}
	}
	return nil
}
