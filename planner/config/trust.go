package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/hcl/v2"
)

// mostLinks is how many symbolic links a path may lead through.
const mostLinks = 40

// Trusted refuses a path that anybody besides root and uid could replace. The file, each folder
// above it and each link on the way must belong to root or uid and be writable by nobody else. In a
// sticky folder, such as /tmp, nobody can replace what belongs to another user. A path that does
// not exist yet is judged by the folders above it. The error says how to fix it.
func Trusted(path string, uid uint32) error { return trusted(path, uid, 0) }

func trusted(path string, uid uint32, links int) error {
	if links > mostLinks {
		return fmt.Errorf("%s goes through more than %d links", path, mostLinks)
	}
	if above := filepath.Dir(path); above != path {
		if err := trusted(above, uid, links); err != nil {
			return err
		}
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && owner != uid {
		return fmt.Errorf("%s belongs to user %d, who could run anything as the user of cscs-sync: "+
			"chown "+
			"root %[1]s", path, owner)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		return trusted(filepath.Clean(to), uid, links+1)
	}
	if info.Mode().Perm()&0o022 != 0 && !(info.IsDir() && info.Mode()&fs.ModeSticky != 0) {
		return fmt.Errorf("others can write to %s (%s), and could run anything as the user of "+
			"cscs-sync: chmod go-w %[1]s",
			path, info.Mode())
	}
	return nil
}

// mostInterpreters is how long a chain of scripts that interpret each other may be, as in Linux.
const mostInterpreters = 5

// programPath is where cscs-sync and the programs that it runs look for others.
var programPath = []string{"/usr/bin", "/bin"}

// TrustedProgram refuses, like [Trusted], a program that anybody besides root and uid could
// replace, and a script whose interpreter is such a program.
func TrustedProgram(path string, uid uint32) error {
	for range mostInterpreters {
		if err := Trusted(path, uid); err != nil {
			return err
		}
		interpreter, err := interpreterOf(path)
		if err != nil || interpreter == "" {
			return err
		}
		path = interpreter
	}
	return fmt.Errorf("%s is a script in too long a chain of interpreters", path)
}

// interpreterOf returns the program that runs a script; empty if path is not a script or does not
// exist yet. For "env NAME" it returns NAME, once env itself is trusted.
func interpreterOf(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 4096)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	line, script := strings.CutPrefix(line, "#!")
	words := strings.Fields(line)
	if !script || len(words) == 0 {
		return "", nil
	}
	if filepath.Base(words[0]) != "env" {
		return absolute(path, words[0])
	}
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "-") || strings.Contains(word, "=") {
			continue
		}
		for _, dir := range programPath {
			if at := filepath.Join(dir, word); !strings.Contains(word, "/") && isFile(at) {
				return at, nil
			}
		}
		return absolute(path, word)
	}
	return words[0], nil
}

// absolute refuses an interpreter that would be looked for in the caller's current directory.
func absolute(script, interpreter string) (string, error) {
	if !filepath.IsAbs(interpreter) {
		return "", fmt.Errorf("%s is run by %q, which is not in %s: write its whole path", script,
			interpreter,
			strings.Join(programPath, " or "))
	}
	return interpreter, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// TrustedProgram implements [Deps].
func (osDeps) TrustedProgram(path string) error { return asRoot(path, TrustedProgram) }

// Trusted implements [Deps].
func (osDeps) Trusted(path string) error { return asRoot(path, Trusted) }

// asRoot makes the check only if the caller is root, because another caller can harm nobody else.
func asRoot(path string, trusted func(path string, uid uint32) error) error {
	if os.Geteuid() != 0 {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	return trusted(path, 0)
}

// Programs returns the programs that the configuration makes cscs-sync run.
func (c *Config) Programs() []string {
	var programs []string
	for _, system := range c.Settings.Systems {
		if system.Quota.LFS != "" && system.Quota.Client != "ioctl" {
			programs = append(programs, system.Quota.LFS)
		}
	}
	if to := c.Run.Notify; to != nil && len(to.Exec) > 0 {
		programs = append(programs, to.Exec[0])
	}
	if c.Shared != nil && len(c.Shared.Fence) > 0 {
		programs = append(programs, c.Shared.Fence[0])
	}
	slices.Sort(programs)
	return slices.Compact(programs)
}

// trustPrograms refuses programs that others could replace.
func (d *decoder) trustPrograms() {
	for _, program := range d.config.Programs() {
		if err := d.deps.TrustedProgram(program); err != nil {
			d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError,
				Summary: "A program that others can replace",
				Detail:  "cscs-sync would run it as root: " + err.Error() + "."})
		}
	}
}
