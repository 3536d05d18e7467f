package postgres

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// A term lasts for leaseTime by the server's clock and is renewed this often in that time. The
// holder's own deadline is earlier by one part in margins: it counts from before the holder asked,
// on a clock that runs while the node sleeps.
const (
	leaseTime = 30 * time.Second
	renewals  = 3
	margins   = 30
)

// term is a right that ends unless it is renewed: the right to change the storage, or to lead.
type term struct {
	state string
	// lasts is how long it lasts by the holder's own clock, and every how often it is renewed.
	lasts, every time.Duration
	stop, done   chan struct{}

	mu sync.Mutex
	// deadline is a time on CLOCK_BOOTTIME.
	deadline time.Duration
	// lost says why the right is no longer held, or is nil.
	lost error
}

func newTerm(e *Engine) *term {
	return &term{state: e.Name(), lasts: e.options.Lease - e.options.Lease/margins,
		every: e.options.Lease / renewals, stop: make(chan struct{}), done: make(chan struct{})}
}

// sinceBoot returns CLOCK_BOOTTIME. Nobody can set this clock, and it counts while the node is
// suspended.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 1<<63 - 1 // without a clock every deadline has passed
	}
	return time.Duration(t.Nano())
}

// begin starts the first term, which was requested at the given time since boot, and keeps renewing
// it.
func (t *term) begin(asked time.Duration, renew func() error) {
	t.deadline = asked + t.lasts
	go t.keep(renew)
}

// keep renews the term until the end, or until the right is lost. It retries a renewal that failed,
// because the right may still be ours.
func (t *term) keep(renew func() error) {
	defer close(t.done)
	pause := t.every
	for {
		select {
		case <-t.stop:
			return
		case <-time.After(pause):
		}
		asked := sinceBoot()
		err := renew()
		pause = t.every
		switch {
		case err == nil:
			t.extend(asked + t.lasts)
		case kv.IsElsewhere(err):
			t.lose(err)
			return
		default:
			pause = min(time.Second, t.every)
		}
	}
}

func (t *term) extend(deadline time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil && sinceBoot() < t.deadline { // what has stopped stays stopped
		t.deadline = deadline
	}
}

func (t *term) lose(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil {
		t.lost = why
	}
}

// check returns an error once the right is lost or has expired.
func (t *term) check() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost == nil && sinceBoot() >= t.deadline {
		t.lost = &kv.LostError{State: t.state}
	}
	return t.lost
}

// end stops the renewals, and waits for one that is running.
func (t *term) end() {
	close(t.stop)
	<-t.done
}

// isLost reports whether an error means that another node has the lease.
func isLost(err error) bool { return errors.As(err, new(*kv.LostError)) }
