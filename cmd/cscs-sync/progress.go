package main

import (
	"io"

	"github.com/waldur/cscs-storage-sync/cmd/internal/progress"
)

// showProgress shows progress on stderr, until the function that it returns is called.
func (a *app) showProgress() (stop func()) {
	kind, _ := a.getenv("TERM")
	return a.follow(&progress.Progress{Out: a.stderr, Now: a.now, Width: progress.WidthOf(a.stderr),
		Terminal: a.terminal(a.stderr) && kind != "dumb"})
}

// streamProgress writes progress to stdout as events, until the function that it returns is called.
func (a *app) streamProgress() (stop func()) {
	return a.follow(&progress.Progress{Out: a.stdout, Events: true, Now: a.now})
}

// follow shows a progress until the function that it returns is called.
func (a *app) follow(p *progress.Progress) (stop func()) {
	a.statusLine.Store(p)
	end := p.Follow()
	return func() {
		a.statusLine.Store(nil)
		end()
	}
}

// tellProgress says how far some work is. Where no progress is shown, nobody hears it.
func (a *app) tellProgress(work string, done, total int) {
	a.statusLine.Load().Tell(work, done, total)
}

// besideProgress writes to a stream without breaking into the status line.
type besideProgress struct {
	a   *app
	out io.Writer
}

func (w besideProgress) Write(b []byte) (int, error) {
	return w.a.statusLine.Load().Write(w.out, b)
}
