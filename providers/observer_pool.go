package providers

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// chunk is how many targets a worker takes at a time. Each answer is visible as soon as it is
// there.
const chunk = 64

// ticks is how often within a deadline [work.watch] looks for signs of life.
const ticks = 20

// pool describes the work of a mount's workers. call answers target i of the list of all targets.
type pool[T any] struct {
	workers  int
	deadline time.Duration
	call     func(ctx context.Context, i int) T
	unknown  func(why string) T
	// alive reports whether an answer shows that the mount is alive.
	alive func(T) bool
	// bulk, if not nil, is called before the workers start. It answers some of a mount's targets and
	// returns the others.
	bulk func(filesystem string, of []int32, answers []T) (rest []int32)
}

// work is shared by the workers of one pool. A worker that hangs keeps it even after the pool was
// abandoned. Therefore each worker writes to its own part, and hands the part over when it is
// complete and the pool still waits.
type work[T any] struct {
	// of are the indexes of this pool's targets in answers.
	of      []int32
	answers []T
	// mu guards parts, and those of the answers that belong to this pool.
	mu sync.Mutex
	// parts has each chunk that was started. A part that was handed over has no answers of its own.
	parts []*part[T]
	// next is the first target that no worker has taken. signs counts the answers that showed that the
	// mount is alive.
	next, signs atomic.Int64
	stop        atomic.Bool
}

// part holds one chunk's answers. The first done of them may be read.
type part[T any] struct {
	answers []T
	done    atomic.Int32
}

// runPool gets the answers for the targets of one mount. When no answer comes for as long as the
// deadline, or ctx ends, it abandons the workers, and missing answers are unknown.
func runPool[T any](ctx context.Context, s *StorageObserver, filesystem, system string, of []int32,
	answers []T, p pool[T], tell *tally) {
	if len(of) == 0 {
		return
	}
	w := &work[T]{of: of, answers: answers, parts: make([]*part[T], (len(of)+chunk-1)/chunk)}
	if s.left.On(filesystem) > 0 {
		w.salvage(p.unknown(stillHangs(system)))
		return
	}
	inner, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	workers := min(p.workers, len(of))
	calls := s.left.Begin(filesystem, workers)
	for range workers {
		go func() {
			w.run(inner, p, tell)
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

// run takes chunks until there are no more.
func (w *work[T]) run(ctx context.Context, p pool[T], tell *tally) {
	room := make([]T, chunk)
	for {
		from := int(w.next.Add(chunk)) - chunk
		if from >= len(w.of) {
			return
		}
		of := w.of[from:min(from+chunk, len(w.of))]
		mine := w.begin(from/chunk, room)
		for i, at := range of {
			if w.stop.Load() {
				return
			}
			answer := p.call(ctx, int(at))
			if w.stop.Load() {
				return // too late: nobody waits, and the answer may be wrong because the mount was cut off
			}
			mine.answers[i] = answer
			mine.done.Add(1)
			if p.alive(answer) {
				w.signs.Add(1)
			}
			tell.add(1)
		}
		w.handOver(of, mine)
	}
}

func (w *work[T]) begin(c int, room []T) *part[T] {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts[c] = &part[T]{answers: room}
	return w.parts[c]
}

// handOver moves a complete part to the answers. If the pool was abandoned, salvage does that
// instead.
func (w *work[T]) handOver(of []int32, mine *part[T]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop.Load() {
		return
	}
	for i, at := range of {
		w.answers[at] = mine.answers[i]
	}
	mine.answers = nil
}

// wait waits for the workers to end and returns "". Otherwise it stops them and returns why.
func (w *work[T]) wait(ctx context.Context, ended <-chan struct{}, deadline time.Duration,
	system string) string {
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
			w.waitForWorkers(ended)
			return interrupted(ctx)
		case <-look.C:
		}
		// Count ticks instead of reading the clock: the process may have been stopped for a while.
		if now := w.signs.Load(); now != last {
			last, since = now, 0
			continue
		}
		if since += tick; since >= deadline {
			return didNotAnswer(system, deadline)
		}
	}
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

// salvage takes complete answers from parts that were not handed over, and makes the other answers
// unknown. Workers may still write to the rest of those parts.
func (w *work[T]) salvage(unknown T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c, mine := range w.parts {
		of := w.of[c*chunk : min((c+1)*chunk, len(w.of))]
		if mine != nil && mine.answers == nil {
			continue
		}
		for i, at := range of {
			if mine != nil && i < int(mine.done.Load()) {
				w.answers[at] = mine.answers[i]
			} else {
				w.answers[at] = unknown
			}
		}
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
