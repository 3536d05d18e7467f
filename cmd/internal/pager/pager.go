// Package pager shows long texts page by page.
package pager

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Getenv looks up an environment variable, like [os.LookupEnv].
type Getenv func(string) (string, bool)

// defaults returns where to look for the default pager. PATH is ignored, because root may be paging
// what a user asked for.
func defaults() []string { return []string{"/usr/bin/less", "/bin/less"} }

// Command returns the pager's command line, or nil for no pager. It is not read by a shell: words
// are separated by blanks.
func Command(getenv Getenv) []string {
	if kind, _ := getenv("TERM"); kind == "dumb" {
		return nil
	}
	if set, ok := getenv("CSCS_SYNC_PAGER"); ok {
		if args := strings.Fields(set); len(args) > 0 && args[0] != "cat" {
			return args
		}
		return nil
	}
	for _, path := range defaults() {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return []string{path}
		}
	}
	return nil
}

// Show shows a text in a pager. An error means that the pager showed nothing; how people leave a
// pager that has started does not matter. Less may not run commands, because a user who may read a
// plan as root need not be allowed to become root.
func Show(args []string, text string, out, problems io.Writer, getenv Getenv) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return errors.Unwrap(err)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Env = append(os.Environ(), "LESSSECURE=1")
	if _, set := getenv("LESS"); !set {
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	cmd.Stdout, cmd.Stderr = out, problems
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			return at.Err
		}
		return err
	}
	_, wrote := io.WriteString(in, text)
	closed := in.Close()
	err = cmd.Wait()
	var left *exec.ExitError
	if errors.As(err, &left) {
		return nil
	}
	for _, err := range []error{err, wrote, closed} {
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			return err
		}
	}
	return nil
}
