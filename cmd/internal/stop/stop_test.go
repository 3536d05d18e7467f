package stop

import (
	"context"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// process is one process that gets signals.
type process struct {
	*testing.T
	s    *Stopper
	ctx  context.Context
	done chan struct{}
	// told is what it said last, and left means that it was ended.
	told string
	left atomic.Bool
	end  context.CancelFunc
}

func newProcess(t *testing.T) *process {
	p := &process{T: t, done: make(chan struct{})}
	p.s = New(Usual, func(format string, args ...any) { p.told = fmt.Sprintf(format, args...) },
		func() { p.left.Store(true) })
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

func (p *process) get(s syscall.Signal) { p.s.got(s, p.end, p.done) }

// is checks what has happened after a time.
func (p *process) is(after time.Duration, ended, left bool) {
	p.Helper()
	time.Sleep(after)
	synctest.Wait()
	if got := p.ctx.Err() != nil; got != ended {
		p.Errorf("the context has ended: %v, want %v", got, ended)
	}
	if p.left.Load() != left {
		p.Errorf("the process has ended: %v, want %v", p.left.Load(), left)
	}
}

// TestBeforeChanges: one signal ends what changes nothing, at once, and the process although a call hangs.
func TestBeforeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		defer p.s.WaitsFor("the proxy")()
		p.get(syscall.SIGTERM)
		p.is(0, true, false)
		p.is(Usual.Looks-1, true, false)
		p.is(2, true, true)
		if p.told != "Stopped while waiting for the proxy. Nothing on the storage was changed." {
			t.Errorf("it says %q", p.told)
		}
	})
}

// TestWithChanges: a change gets its time.
func TestWithChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		p.s.BySelf()
		p.s.WaitsFor("Waldur")()
		p.get(syscall.SIGINT)
		p.is(Usual.Changes-1, false, false)
		if !p.s.IsAsked() {
			t.Error("it was not asked to stop")
		}
		p.is(2, true, false)
		p.is(Usual.Left, true, true)
		want := "Stopped while waiting for a call that does not return. What is done is noted. To go on, apply the same plan again."
		if p.told != want {
			t.Errorf("it says %q", p.told)
		}
	})
}

// TestSecondSignal ends a change at once, and the process soon after.
func TestSecondSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		p.s.BySelf()
		p.get(syscall.SIGINT)
		p.is(time.Second, false, false)
		p.get(syscall.SIGHUP)
		p.is(0, true, false)
		p.is(Usual.Left+1, true, true)
	})
}

// TestEndedInTime: a command that has ended is not ended again.
func TestEndedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(t)
		p.get(syscall.SIGTERM)
		close(p.done)
		p.is(time.Minute, true, false)
	})
}

// TestReloads: SIGHUP is left to a command that reloads.
func TestReloads(t *testing.T) {
	s := New(Usual, t.Logf, func() { t.Error("ended") })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer s.Watch(cancel)()
	each, end := s.Reloads()
	defer end()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-each:
	case <-time.After(20 * time.Second):
		t.Fatal("the signal did not arrive")
	}
	s.got(syscall.SIGHUP, cancel, nil)
	if s.IsAsked() || ctx.Err() != nil {
		t.Error("it was asked to stop")
	}
}

// TestLooking: what changes nothing ends as soon as the process is asked to stop.
func TestLooking(t *testing.T) {
	s := New(Usual, t.Logf, func() {})
	looking, end := s.Looking(t.Context())
	defer end()
	s.Ask()
	s.Ask()
	select {
	case <-looking.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
}

// TestRealSignal: the signals of the process arrive.
func TestRealSignal(t *testing.T) {
	s := New(Usual, t.Logf, func() { t.Error("ended") })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer s.Watch(cancel)()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the signal did not arrive")
	}
}
