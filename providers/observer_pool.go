package providers

import (
	"context"
	"sync/atomic"
	"time"
)

// chunk is how many targets a worker takes at a time. It finishes them one by one, each visible at once.
const chunk = 64

// ticks is how many times within a deadline a pool is looked at.
const ticks = 20

// pool is what a mount's workers do.
type pool[T any] struct {
	workers  int
	deadline time.Duration
	call     func(ctx context.Context, i int) T
	unknown  func(why string) T
	// alive tells whether an answer shows that the mount answers.
	alive func(T) bool
}

// work is shared by the workers of one pool. Workers that hang keep it after the pool was left behind, so nobody reads
// answers beyond what done says, and nobody else writes.
type work[T any] struct {
	answers []T
	// done[c] counts the answers of chunk c that are complete.
	done []atomic.Int32
	// next is the first target that nobody has taken; signs counts the answers that showed the mount alive.
	next, signs atomic.Int64
	stop        atomic.Bool
}

// runPool gets the answers to n targets on a mount, in order. When no answer comes for as long as the deadline, or ctx
// ends, the workers are left behind, and what is missing is unknown.
func runPool[T any](ctx context.Context, s *StorageObserver, filesystem, system string, n int, p pool[T], tell *tally) []T {
	if s.hanging(filesystem) > 0 {
		return fill(n, p.unknown(stillHangs(system)))
	}
	calls, cancel := context.WithCancelCause(ctx)
	w := &work[T]{answers: make([]T, n), done: make([]atomic.Int32, (n+chunk-1)/chunk)}
	ended := make(chan struct{})
	workers := min(p.workers, n)
	c := s.begin(filesystem, workers)
	for range workers {
		go func() {
			w.run(calls, p, tell)
			if c.end() == 0 {
				close(ended)
			}
		}()
	}
	why := w.watch(ctx, ended, p.deadline, system)
	cancel(errHangs)
	if why == "" {
		return w.answers
	}
	c.abandon()
	return w.salvage(p.unknown(why))
}

func fill[T any](n int, with T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = with
	}
	return all
}

// run takes chunks until there are none.
func (w *work[T]) run(ctx context.Context, p pool[T], tell *tally) {
	for {
		from := int(w.next.Add(chunk)) - chunk
		if from >= len(w.answers) {
			return
		}
		for i := from; i < min(from+chunk, len(w.answers)); i++ {
			if w.stop.Load() {
				return
			}
			answer := p.call(ctx, i)
			if w.stop.Load() {
				return // too late: nobody waits for it, and it may be about a mount that was cut off
			}
			w.answers[i] = answer
			w.done[from/chunk].Add(1)
			if p.alive(answer) {
				w.signs.Add(1)
			}
			tell.add(1)
		}
	}
}

// watch waits for the workers to end. Otherwise it stops them, and says why they are left behind.
func (w *work[T]) watch(ctx context.Context, ended <-chan struct{}, deadline time.Duration, system string) string {
	defer w.stop.Store(true)
	tick := max(deadline/ticks, time.Millisecond)
	look := time.NewTicker(tick)
	defer look.Stop()
	last, since := int64(0), time.Duration(0)
	for {
		select {
		case <-ended:
			return ""
		case <-ctx.Done():
			w.stop.Store(true)
			w.linger(ended)
			return interrupted(ctx)
		case <-look.C:
		}
		// Counting ticks instead of reading the clock bears with a process that was stopped for a while.
		if now := w.signs.Load(); now != last {
			last, since = now, 0
			continue
		}
		if since += tick; since >= deadline {
			return didNotAnswer(system, deadline)
		}
	}
}

// linger gives workers that were told to stop a moment to do so.
func (w *work[T]) linger(ended <-chan struct{}) {
	moment := time.NewTimer(time.Second)
	defer moment.Stop()
	select {
	case <-ended:
	case <-moment.C:
	}
}

// salvage copies what is complete, and has the rest unknown. The workers may still be writing elsewhere.
func (w *work[T]) salvage(unknown T) []T {
	all := fill(len(w.answers), unknown)
	for c := range w.done {
		n := int(w.done[c].Load())
		copy(all[c*chunk:c*chunk+n], w.answers[c*chunk:])
	}
	return all
}

// tally counts over all mounts, and tells.
type tally struct {
	done  atomic.Int64
	total int
	tell  func(done, total int)
	stop  chan struct{}
	ended chan struct{}
}

// howOften is how often progress is told.
const howOften = 100 * time.Millisecond

func newTally(total int, tell func(done, total int)) *tally {
	t := &tally{total: total, tell: tell, stop: make(chan struct{}), ended: make(chan struct{})}
	if tell == nil || total == 0 {
		close(t.ended)
		return t
	}
	go func() {
		defer close(t.ended)
		again := time.NewTicker(howOften)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				tell(int(t.done.Load()), total)
			case <-t.stop:
				tell(total, total)
				return
			}
		}
	}()
	return t
}

func (t *tally) add(n int64) { t.done.Add(n) }

// end tells the last and waits until it was told.
func (t *tally) end() {
	close(t.stop)
	<-t.ended
}
