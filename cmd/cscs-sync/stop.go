package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/engine"
)

// How long a command may take to end after the first signal. A command that changes nothing gives
// up at once. A change gets time to reach a good place; then its calls are given up, too. What
// hangs in the kernel even then is left behind, so that one signal always ends the process: within
// a second before the first change, and within ten after it. `run` ends itself before.
const (
	looksEnd    = 800 * time.Millisecond
	changesEnd  = 6 * time.Second
	changesLeft = 3 * time.Second
)

// watchSignals handles SIGINT, SIGTERM and SIGHUP alike: the first asks to stop after what is
// running, the second stops now. SIGHUP is what a lost connection sends, the usual end of an
// admin's session.
func (a *app) watchSignals(cancel context.CancelFunc) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// A reader that went away, as head does, is an error of the write and not the end of the process:
	// an apply continues.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for first := true; ; {
			select {
			case <-done:
				return
			case s := <-signals:
				switch {
				case s == syscall.SIGHUP && a.reloads.Load():
				case first:
					first = false
					a.signal.Store(&s)
					close(a.stop)
					a.endSoon(cancel, done)
				default:
					cancel()
					a.leaveAfter(changesLeft, done)
				}
			}
		}
	})
	return func() {
		signal.Stop(signals)
		signal.Stop(broken)
		close(done)
		wg.Wait()
	}
}

// endSoon sees to it that the first signal ends the process, whatever it waits for.
func (a *app) endSoon(cancel context.CancelFunc, done <-chan struct{}) {
	if !a.graceful.Load() {
		cancel()
		a.leaveAfter(looksEnd, done)
		return
	}
	time.AfterFunc(changesEnd, func() {
		cancel()
		a.leaveAfter(changesLeft, done)
	})
}

// leaveAfter ends the process after a time, unless the command has ended by then.
func (a *app) leaveAfter(d time.Duration, done <-chan struct{}) {
	time.AfterFunc(d, func() {
		select {
		case <-done:
		default:
			a.leave()
		}
	})
}

// leave ends the process although a call has not returned, because nothing can end it: the kernel
// keeps a call on a mount that hangs, and a read of a terminal or a pipe.
func (a *app) leave() {
	what := "a call that does not return"
	if w := a.waiting.Load(); w != nil {
		what = *w
	}
	after := "Nothing on the storage was changed."
	if a.graceful.Load() {
		after = "What is done is noted. To go on, apply the same plan again."
	}
	a.tell("Stopped while waiting for %s. %s", what, after)
	a.exit(exitInterrupted)
}

// waitsFor notes what the command waits for, until ended is called.
func (a *app) waitsFor(what string) (ended func()) {
	before := a.waiting.Swap(&what)
	return func() { a.waiting.Store(before) }
}

// interrupted is the error of a command that was asked to stop while it waited for something.
func interrupted(what string) error {
	return &outcome{exitInterrupted, errors.New("interrupted while waiting for " + what + "; " +
		"nothing was done")}
}

// looking is ctx for what changes nothing: it ends also as soon as the process is asked to stop.
// Changes continue until they are at a good place.
func (a *app) looking(ctx context.Context) (context.Context, func()) {
	return engine.Looking(ctx, a.stop)
}

// stopped reports whether the process was asked to stop.
func (a *app) stopped() bool {
	select {
	case <-a.stop:
		return true
	default:
		return false
	}
}
