package main

import (
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/waldur/cscs-storage-sync/cmd/internal/pager"
)

// page writes a result that people read. On a terminal, what is longer than the screen goes through
// a pager.
func (a *app) page(s string) error {
	if a.noPager || !a.terminal(a.stdout) || !a.terminal(a.stdin) {
		return a.print(s)
	}
	args := pager.Command(a.getenv)
	if len(args) == 0 || strings.Count(s, "\n") < a.height() {
		return a.print(s)
	}
	a.graceful.Store(true) // the first interrupt is for the pager, which takes it as it likes
	if err := pager.Show(args, s, a.stdout, a.stderr, a.getenv); err != nil {
		a.tell("Warning: pager %s: %v; set CSCS_SYNC_PAGER to another one, or give --no-pager",
			args[0], err)
		return a.print(s)
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
