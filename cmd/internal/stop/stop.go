// Package stop ends a process at a signal, even if a call hangs.
//
// The first SIGINT, SIGTERM or SIGHUP asks the command to stop. The second ends its context at once.
// A command that changes nothing stops at once. A change gets time to reach a safe point; then its
// calls are given up, too. Whatever still hangs in the kernel is abandoned, so that one signal always
// ends the process: within a second before the first change, and within ten seconds after it.
package stop

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/engine"
)

// Times says how long a command may take to end.
type Times struct {
	// Looks is from the first signal to the end of the process, before the first change.
	Looks time.Duration
	// Changes is from the first signal until the calls of a change are given up, and Left from then,
	// or from the second signal, to the end of the process.
	Changes, Left time.Duration
}

// Usual are the times that the program uses.
var Usual = Times{Looks: 800 * time.Millisecond, Changes: 6 * time.Second, Left: 3 * time.Second}

// Stopper knows how far the process has been asked to stop.
type Stopper struct {
	times Times
	// tell writes a remark for people, and exit ends the process as interrupted.
	tell func(format string, args ...any)
	exit func()

	asked chan struct{}
	// once is the first signal's.
	once sync.Once
	// graceful means that the command stops by itself once it is asked to: its context then ends only
	// later, or at the second signal.
	graceful atomic.Bool
	// reloads means that SIGHUP means something else than stop to the command.
	reloads atomic.Bool
	// waiting is what the command is waiting for.
	waiting atomic.Pointer[string]
}

// New returns a Stopper that nobody has asked to stop yet. tell writes a remark for people, and
// exit ends the process as interrupted.
func New(times Times, tell func(format string, args ...any), exit func()) *Stopper {
	return &Stopper{times: times, tell: tell, exit: exit, asked: make(chan struct{})}
}

// Asked returns a channel that is closed once the process is asked to stop.
func (s *Stopper) Asked() <-chan struct{} { return s.asked }

// IsAsked reports whether the process was asked to stop.
func (s *Stopper) IsAsked() bool {
	select {
	case <-s.asked:
		return true
	default:
		return false
	}
}

// Ask asks the command to stop, as the first signal does.
func (s *Stopper) Ask() { s.once.Do(func() { close(s.asked) }) }

// BySelf notes that the command stops by itself when it is asked to, because it changes something.
func (s *Stopper) BySelf() { s.graceful.Store(true) }

// Reloads leaves SIGHUP to the command, which gets each until end is called.
func (s *Stopper) Reloads() (each <-chan os.Signal, end func()) {
	reloads := make(chan os.Signal, 1)
	s.reloads.Store(true)
	signal.Notify(reloads, syscall.SIGHUP)
	return reloads, func() { signal.Stop(reloads) }
}

// WaitsFor notes what the command waits for, until ended is called.
func (s *Stopper) WaitsFor(what string) (ended func()) {
	before := s.waiting.Swap(&what)
	return func() { s.waiting.Store(before) }
}

// Looking returns a context for work that changes nothing. It also ends when the process is asked
// to stop. Changes continue until they reach a safe point.
func (s *Stopper) Looking(ctx context.Context) (context.Context, func()) {
	return engine.Looking(ctx, s.asked)
}

// Watch handles the signals, and calls cancel where a command has to end now, until the function
// that it returns is called. SIGHUP is what a lost connection sends, the usual end of an admin's
// session.
func (s *Stopper) Watch(cancel context.CancelFunc) (end func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// A reader that went away, as head does, is an error of the write and not the end of the process:
	// an apply continues.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case got := <-signals:
				s.got(got, cancel, done)
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

// got handles a signal.
func (s *Stopper) got(sig os.Signal, cancel context.CancelFunc, done <-chan struct{}) {
	switch {
	case sig == syscall.SIGHUP && s.reloads.Load():
	case s.IsAsked():
		cancel()
		s.leaveAfter(s.times.Left, done)
	default:
		s.Ask()
		s.endSoon(cancel, done)
	}
}

// endSoon makes sure that the first signal ends the process, whatever it is waiting for.
func (s *Stopper) endSoon(cancel context.CancelFunc, done <-chan struct{}) {
	if !s.graceful.Load() {
		cancel()
		s.leaveAfter(s.times.Looks, done)
		return
	}
	time.AfterFunc(s.times.Changes, func() {
		cancel()
		s.leaveAfter(s.times.Left, done)
	})
}

// leaveAfter ends the process after a time, unless the command has ended by then.
func (s *Stopper) leaveAfter(d time.Duration, done <-chan struct{}) {
	time.AfterFunc(d, func() {
		select {
		case <-done:
		default:
			s.leave()
		}
	})
}

// leave ends the process although a call has not returned. Nothing can end a call on a hung mount,
// or a read of a terminal or a pipe.
func (s *Stopper) leave() {
	what := "a call that does not return"
	if w := s.waiting.Load(); w != nil {
		what = *w
	}
	after := "Nothing on the storage was changed."
	if s.graceful.Load() {
		after = "What is done is noted. To go on, apply the same plan again."
	}
	s.tell("Stopped while waiting for %s. %s", what, after)
	s.exit()
}

// InterruptedError reports that a command was asked to stop while it was waiting.
type InterruptedError struct{ For string }

// Error says what the command was waiting for.
func (e *InterruptedError) Error() string {
	return "interrupted while waiting for " + e.For + "; nothing was done"
}
