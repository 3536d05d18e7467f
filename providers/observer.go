package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/hang"
)

// DirectoryObserver looks at mounts and directories, one at a time, from many goroutines. Its calls may hang.
type DirectoryObserver interface {
	Mount(system planner.System) planner.Mount
	Observe(system planner.System, path string) planner.Directory
}

// QuotaReader reads one quota identity, asked at the directory of the system. It may hang even beyond ctx.
type QuotaReader interface {
	Get(ctx context.Context, system planner.System, id planner.Subject) planner.QuotaState
}

// Options are the parts and bounds of a [StorageObserver]. Only the first three have no default.
type Options struct {
	// Systems are the configured systems, which targets name.
	Systems     []planner.System
	Directories DirectoryObserver
	Quotas      QuotaReader
	// Deadline is how long a mount may give no answer before it counts as hanging; 10 s.
	Deadline time.Duration
	// QuotaDeadline is the same for quotas, for one of which a server that is away costs up to 16 s; 60 s.
	QuotaDeadline time.Duration
	// ListDeadline is the same for one list of all directory quotas of a system; 10 minutes.
	ListDeadline time.Duration
	// StatWorkers and QuotaWorkers are the greatest numbers of calls at a time on one mount; 16 and 8.
	StatWorkers, QuotaWorkers int
	// Progress, if not nil, is told now and then how far an observation is.
	Progress Progress
}

// StorageObserver sees what the storage has now. It never changes anything; a mount that hangs makes its own answers unknown
// and delays no other. Use one for as long as the process runs: it remembers what hangs.
type StorageObserver struct {
	o       Options
	systems map[string]planner.System

	// left are calls that were left behind, by mount: a system's probe, or a filesystem.
	left hang.Count

	mu sync.Mutex
	// mounts are the last answers of the probes, by system.
	mounts map[string]planner.Mount
	// waking are probes that [StorageObserver.Wake] has sent and nobody has waited for, by system.
	waking map[string]chan planner.Mount
	// noList are systems whose quotas cannot be listed.
	noList map[string]bool
}

// NewObserver fills in the defaults.
func NewObserver(o Options) *StorageObserver {
	setDefault(&o.Deadline, 10*time.Second)
	setDefault(&o.QuotaDeadline, time.Minute)
	setDefault(&o.ListDeadline, 10*time.Minute)
	setDefault(&o.StatWorkers, 16)
	setDefault(&o.QuotaWorkers, 8)
	s := &StorageObserver{o: o, systems: map[string]planner.System{}, mounts: map[string]planner.Mount{},
		waking: map[string]chan planner.Mount{}, noList: map[string]bool{}}
	for _, system := range o.Systems {
		s.systems[system.Name] = system
	}
	return s
}

func setDefault[N int | time.Duration](n *N, to N) {
	if *n <= 0 {
		*n = to
	}
}

// Wake begins to ask all systems, while there is something else to do: [StorageObserver.Mounts] then has to wait for a mount
// that hangs only for the rest of its deadline. It calls ended, from another goroutine, when each has answered or is given up.
func (s *StorageObserver) Wake(ctx context.Context, systems []planner.System, ended func()) {
	var wait sync.WaitGroup
	for _, system := range systems {
		answer := make(chan planner.Mount, 1)
		s.mu.Lock()
		s.waking[system.Name] = answer
		s.mu.Unlock()
		wait.Go(func() { answer <- s.probe(ctx, system) })
	}
	go func() {
		wait.Wait()
		ended()
	}()
}

// woken asks a system. One that was woken in vain is not asked again; one that answered is, since that was a while ago.
func (s *StorageObserver) woken(ctx context.Context, system planner.System) planner.Mount {
	s.mu.Lock()
	answer := s.waking[system.Name]
	delete(s.waking, system.Name)
	s.mu.Unlock()
	if answer != nil {
		if m := <-answer; m.Unknown != "" {
			return m
		}
	}
	return s.probe(ctx, system)
}

// Mounts asks all systems at once; who has not answered by the deadline is unknown.
func (s *StorageObserver) Mounts(ctx context.Context, systems []planner.System) map[string]planner.Mount {
	answers := make([]planner.Mount, len(systems))
	var wait sync.WaitGroup
	for i, system := range systems {
		wait.Go(func() { answers[i] = s.woken(ctx, system) })
	}
	wait.Wait()
	all := make(map[string]planner.Mount, len(systems))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, system := range systems {
		all[system.Name], s.mounts[system.Name] = answers[i], answers[i]
	}
	return all
}

// probe asks one system's directory. A probe that has not come back is not followed by another.
func (s *StorageObserver) probe(ctx context.Context, system planner.System) planner.Mount {
	m, err := hang.Ask(ctx, &s.left, "probe "+system.Name, s.o.Deadline, func() planner.Mount {
		return s.o.Directories.Mount(system)
	})
	switch {
	case errors.Is(err, hang.ErrHangs):
		return planner.Mount{Unknown: stillHangs(system.Name)}
	case errors.Is(err, hang.ErrTimeout):
		return planner.Mount{Unknown: didNotAnswer(system.Name, s.o.Deadline)}
	case err != nil:
		return planner.Mount{Unknown: interrupted(ctx)}
	}
	return m
}

// Hanging counts the calls that were left behind and have not come back, for metrics and doctor.
func (s *StorageObserver) Hanging() int { return s.left.All() }

func didNotAnswer(system string, deadline time.Duration) string {
	return fmt.Sprintf("the mount of system %s did not answer within %s", system, deadline)
}

func stillHangs(system string) string {
	return fmt.Sprintf("the mount of system %s still hangs since it was last asked, and is left alone until it answers", system)
}

func interrupted(ctx context.Context) string {
	return fmt.Sprintf("interrupted before it was looked at: %v", context.Cause(ctx))
}

// seen is what is known of the mounts of the named systems; those never asked are asked now.
func (s *StorageObserver) seen(ctx context.Context, names map[string]bool) map[string]planner.Mount {
	found, ask := map[string]planner.Mount{}, []planner.System(nil)
	s.mu.Lock()
	for name := range names {
		system, configured := s.systems[name]
		switch m, asked := s.mounts[name]; {
		case asked:
			found[name] = m
		case configured:
			ask = append(ask, system)
		default:
			found[name] = planner.Mount{Problem: fmt.Sprintf("system %q is not configured", name)}
		}
	}
	s.mu.Unlock()
	maps.Copy(found, s.Mounts(ctx, ask))
	return found
}

// Directories looks at all targets, each mount's by its own workers.
func (s *StorageObserver) Directories(ctx context.Context, targets []planner.Place) []planner.Directory {
	names := map[string]bool{}
	for i := range targets {
		if i == 0 || targets[i].System != targets[i-1].System {
			names[targets[i].System] = true
		}
	}
	mounts := s.seen(ctx, names)
	unknown := func(why string) planner.Directory { return planner.Directory{Why: why} }
	p := pool[planner.Directory]{
		workers: s.o.StatWorkers, deadline: s.o.Deadline, unknown: unknown,
		call: func(_ context.Context, i int) planner.Directory {
			return s.o.Directories.Observe(s.systems[targets[i].System], targets[i].Path)
		},
		alive: func(planner.Directory) bool { return true },
	}
	return observe(ctx, s, "Looking at directories", len(targets), p, func(i int) (system, filesystem, why string) {
		m := mounts[targets[i].System]
		return targets[i].System, m.Filesystem, m.Problem + m.Unknown
	})
}

// Quotas reads the identities, each filesystem's by its own workers: first in bulk where that can be done, the rest one by
// one.
func (s *StorageObserver) Quotas(ctx context.Context, targets []planner.QuotaTarget) []planner.QuotaState {
	names := map[string]bool{}
	for _, t := range targets {
		names[t.System] = true
	}
	mounts := s.seen(ctx, names)
	p := pool[planner.QuotaState]{
		workers: s.o.QuotaWorkers, deadline: s.o.QuotaDeadline,
		unknown: unknownQuota,
		// A failure is no sign of life: with a metadata server away, each call fails after its own deadline.
		alive: func(q planner.QuotaState) bool { return q.LimitsWhy == "" },
		call: func(ctx context.Context, i int) planner.QuotaState {
			return s.o.Quotas.Get(ctx, s.systems[targets[i].System], targets[i].Subject)
		},
		bulk: func(filesystem string, of []int32, answers []planner.QuotaState) []int32 {
			return s.list(ctx, filesystem, targets, of, answers)
		},
	}
	return observe(ctx, s, "Reading quotas", len(targets), p, func(i int) (system, filesystem, why string) {
		t := &targets[i]
		m := mounts[t.System]
		why = m.Problem + m.Unknown
		if why == "" && t.Subject.Filesystem != m.Filesystem {
			why = fmt.Sprintf("system %s is on %q now, not on %q", t.System, m.Filesystem, t.Subject.Filesystem)
		}
		return t.System, m.Filesystem, why
	})
}

// observe gets the answers to n targets, by work that people know by its name: those of each filesystem by a pool of their
// own, all at the same time. Where tells a target's system and filesystem, or why it is not asked at all.
func observe[T any](ctx context.Context, s *StorageObserver, work string, n int, p pool[T],
	where func(i int) (system, filesystem, why string)) []T {
	answers := make([]T, n)
	groups := map[string][]int32{}
	systems := map[string]string{}
	asked := 0
	for i := range n {
		system, filesystem, why := where(i)
		if why != "" {
			answers[i] = p.unknown(why)
			continue
		}
		if groups[filesystem] == nil {
			systems[filesystem] = system
		}
		groups[filesystem] = append(groups[filesystem], int32(i))
		asked++
	}
	tell := newTally(work, asked, s.o.Progress)
	defer tell.end()
	var wait sync.WaitGroup
	for filesystem, of := range groups {
		wait.Go(func() {
			rest := of
			if p.bulk != nil {
				rest = p.bulk(filesystem, of, answers)
				tell.add(int64(len(of) - len(rest)))
			}
			runPool(ctx, s, filesystem, systems[filesystem], rest, answers, p, tell)
		})
	}
	wait.Wait()
	return answers
}

// unknownQuota is the state of a quota of which nothing is known.
func unknownQuota(why string) planner.QuotaState {
	return planner.QuotaState{
		LimitsWhy: why, Space: planner.Usage[planner.Bytes]{Why: why}, Inodes: planner.Usage[planner.Inodes]{Why: why},
	}
}

// errHangs is the cause of the end of calls on a mount that hangs.
var errHangs = errors.New("the mount hangs")
