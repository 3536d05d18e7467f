package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// pagers are where the default pager is looked for. PATH does not count: root may page what a user asked for.
var pagers = []string{"/usr/bin/less", "/bin/less"}

// page writes a result that people read. On a terminal, what is longer than the screen goes through a pager.
func (a *app) page(s string) error {
	args := a.pager()
	if len(args) == 0 || strings.Count(s, "\n") < a.height() {
		return a.print(s)
	}
	a.graceful.Store(true) // the first interrupt is for the pager, which takes it as it likes
	err := a.throughPager(args, s)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) || errors.Is(err, syscall.EPIPE):
		return nil // it has begun; people leave a pager as they like
	case err != nil:
		a.tell("Warning: pager %s: %v; set CSCS_SYNC_PAGER to another one, or give --no-pager", args[0], err)
		return a.print(s)
	}
	return nil
}

// pager is the pager's command line; empty for none. No shell reads it: words are what blanks separate.
func (a *app) pager() []string {
	if a.noPager || !a.terminal(a.stdout) || !a.terminal(a.stdin) {
		return nil
	}
	if kind, _ := a.getenv("TERM"); kind == "dumb" {
		return nil
	}
	if set, ok := a.getenv("CSCS_SYNC_PAGER"); ok {
		if args := strings.Fields(set); len(args) > 0 && args[0] != "cat" {
			return args
		}
		return nil
	}
	for _, path := range pagers {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return []string{path}
		}
	}
	return nil
}

// height is how many lines the terminal has.
func (a *app) height() int {
	if f, ok := a.stdout.(*os.File); ok {
		if _, h, err := term.GetSize(int(f.Fd())); err == nil && h > 0 {
			return h
		}
	}
	return 24
}

// throughPager has a pager show s. Less gets no commands that run programs: whoever may read a plan as root need not be root.
func (a *app) throughPager(args []string, s string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return errors.Unwrap(err)
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Env = append(os.Environ(), "LESSSECURE=1")
	if _, set := a.getenv("LESS"); !set {
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	cmd.Stdout, cmd.Stderr = a.stdout, a.stderr
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
	_, wrote := io.WriteString(in, s)
	closed := in.Close()
	if err := cmd.Wait(); err != nil {
		return err
	}
	if wrote != nil {
		return wrote
	}
	return closed
}
