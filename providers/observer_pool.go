package providers

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// ticks is how often within a deadline [work.wait] looks for signs of life.
const ticks = 20

// pool describes the work of a mount's workers. call answers target i of the list of all targets.
type pool[T any] struct {
	workers  int
	deadline time.Duration
	call     func(ctx context.Context, i int) T
	unknown  func(why string) T
	// alive reports whether an answer shows that the mount is alive.
	alive func(T) bool
	// apart, if not empty, names calls that may hang although the mount is alive. They are counted by
	// themselves, and as long as not all workers hang, the next pool starts with the others.
	apart string
	// bulk, if not nil, is called before the workers start. It answers some of a mount's targets and
	// returns the others.
	bulk func(filesystem string, of []int32, answers []T) (rest []int32)
}

// work is shared by the workers of one pool. A worker that hangs keeps it even after the pool was
// abandoned. Therefore each worker writes an answer under its own lock, and only if the pool still
// waits.
type work[T any] struct {
	// of are the indexes of this pool's targets in answers.
	of      []int32
	answers []T
	workers []worker
	// next is the first target that no worker has taken.
	next atomic.Int64
	stop atomic.Bool
	// signs is how many answers had shown that the mount is alive, and quiet for how long no other
	// has. Only [work.wait] uses them.
	signs int
	quiet time.Duration
}

// worker is what one worker does. Its lock also guards the answer to its target.
type worker struct {
	mu sync.Mutex
	// at is the target that it asks about, and busy is false before the first and after the last.
	at   int
	busy bool
	// running is for how long its call has been running.
	running time.Duration
	// signs counts its answers that showed that the mount is alive.
	signs int
}

// runPool gets the answers for the targets of one mount. When no answer comes for as long as the
// deadline, or ctx ends, it abandons the workers, and missing answers are unknown.
func runPool[T any](ctx context.Context, s *StorageObserver, filesystem, system string, of []int32,
	answers []T, p pool[T], tell *tally) {
	if len(of) == 0 {
		return
	}
	what := p.apart + filesystem
	hang := s.left.On(what)
	w := &work[T]{of: of, answers: answers}
	if s.left.On(filesystem) > 0 || hang >= p.workers {
		w.salvage(p.unknown(stillHangs(system)))
		return
	}
	w.workers = make([]worker, min(p.workers-hang, len(of)))
	inner, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	calls := s.left.Begin(what, len(w.workers))
	for i := range w.workers {
		go func() {
			w.run(inner, p, &w.workers[i], tell)
			if calls.End() == 0 {
				close(ended)
			}
		}()
	}
	why := w.wait(ctx, ended, p.deadline, system)
	cancel(errHangs)
	if why != "" {
		calls.Abandon()
		w.salvage(p.unknown(why))
	}
}

// run answers one target after the other until there are no more.
func (w *work[T]) run(ctx context.Context, p pool[T], me *worker, tell *tally) {
	for w.take(me) {
		answer := p.call(ctx, int(w.of[me.at]))
		if !w.keep(me, &answer, p.alive(answer)) {
			return
		}
		tell.add(1)
	}
}

// take gives a worker its next target. It returns false if there is none, or if nobody waits.
func (w *work[T]) take(me *worker) bool {
	me.mu.Lock()
	defer me.mu.Unlock()
	if w.stop.Load() {
		return false
	}
	me.at, me.running = int(w.next.Add(1))-1, 0
	me.busy = me.at < len(w.of)
	return me.busy
}

// keep keeps a worker's answer. It returns false if that is too late: nobody waits, and the answer
// may be wrong because the mount was cut off.
func (w *work[T]) keep(me *worker, answer *T, alive bool) bool {
	me.mu.Lock()
	defer me.mu.Unlock()
	if w.stop.Load() {
		return false
	}
	w.answers[w.of[me.at]] = *answer
	me.busy = false
	if alive {
		me.signs++
	}
	return true
}

// wait waits for the workers to end and returns "". Otherwise it stops them and returns why.
func (w *work[T]) wait(ctx context.Context, ended <-chan struct{}, deadline time.Duration,
	system string) string {
	defer w.stop.Store(true)
	tick := max(deadline/ticks, time.Millisecond)
	look := time.NewTicker(tick)
	defer look.Stop()
	for {
		select {
		case <-ended:
			return ""
		case <-ctx.Done():
			w.stop.Store(true)
			w.waitForWorkers(ended)
			return interrupted(ctx)
		case <-look.C:
		}
		// Count ticks instead of reading the clock: the process may have been stopped for a while.
		if w.late(tick) >= deadline {
			return didNotAnswer(system, deadline)
		}
	}
}

// late returns, one tick after the last time, for how long the mount has shown no sign of life, or
// for how long every call that still runs has been running, whichever is longer.
func (w *work[T]) late(tick time.Duration) time.Duration {
	signs, all := 0, time.Duration(math.MaxInt64)
	for i := range w.workers {
		me := &w.workers[i]
		me.mu.Lock()
		signs += me.signs
		if me.busy {
			me.running += tick
			all = min(all, me.running)
		}
		me.mu.Unlock()
	}
	w.quiet += tick
	if signs != w.signs {
		w.signs, w.quiet = signs, 0
	}
	if all == math.MaxInt64 { // no call runs at this moment
		return w.quiet
	}
	return max(w.quiet, all)
}

// waitForWorkers gives workers that were told to stop up to a second to do so.
func (w *work[T]) waitForWorkers(ended <-chan struct{}) {
	moment := time.NewTimer(time.Second)
	defer moment.Stop()
	select {
	case <-ended:
	case <-moment.C:
	}
}

// salvage makes the answers that nobody has given unknown. The workers were told to stop, so once it
// has had a worker's lock, that worker takes no target and keeps no answer.
func (w *work[T]) salvage(unknown T) {
	for i := range w.workers {
		me := &w.workers[i]
		me.mu.Lock()
		if me.busy {
			w.answers[w.of[me.at]] = unknown
		}
		me.mu.Unlock()
	}
	for _, at := range w.of[min(int(w.next.Load()), len(w.of)):] {
		w.answers[at] = unknown
	}
}

// tally counts the answers of all mounts and reports progress.
type tally struct {
	done  atomic.Int64
	stop  chan struct{}
	ended chan struct{}
}

// progressInterval is the interval at which progress is reported.
const progressInterval = 100 * time.Millisecond

func newTally(work string, total int, tell Progress) *tally {
	t := &tally{stop: make(chan struct{}), ended: make(chan struct{})}
	if tell == nil || total == 0 {
		close(t.ended)
		return t
	}
	go func() {
		defer close(t.ended)
		again := time.NewTicker(progressInterval)
		defer again.Stop()
		for {
			select {
			case <-again.C:
				tell(work, int(t.done.Load()), total)
			case <-t.stop:
				tell(work, total, total)
				return
			}
		}
	}()
	return t
}

func (t *tally) add(n int64) { t.done.Add(n) }

// end reports that all targets are done and returns after that report.
func (t *tally) end() {
	close(t.stop)
	<-t.ended
}
