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

// DirectoryObserver looks at one mount or directory at a time. It must be safe for concurrent use.
// Its calls may hang.
type DirectoryObserver interface {
	Mount(system planner.System) planner.Mount
	Observe(system planner.System, path string) planner.Directory
}

// QuotaReader reads one quota through the directory of the system. A read may hang even beyond ctx.
type QuotaReader interface {
	Get(ctx context.Context, system planner.System, id planner.Subject) planner.QuotaState
}

// Options are the parts and bounds of a [StorageObserver]. The first three are required.
type Options struct {
	// Systems are the configured systems, which targets name.
	Systems     []planner.System
	Directories DirectoryObserver
	Quotas      QuotaReader
	// Deadline is how long a mount may take to answer before it counts as hanging. Default: 10 s.
	Deadline time.Duration
	// QuotaDeadline is the same for quotas. Default: 60 s, because a Lustre server that is down costs
	// up to 16 s per quota.
	QuotaDeadline time.Duration
	// ListDeadline is the same for one list of all directory quotas of a system. Default: 10 minutes.
	ListDeadline time.Duration
	// StatWorkers and QuotaWorkers are how many calls at most run on one mount at the same time.
	// Default: 16 and [DefaultQuotaWorkers].
	StatWorkers, QuotaWorkers int
	// Progress, if not nil, is called regularly while an observation runs.
	Progress Progress
}

// DefaultQuotaWorkers is how many quotas at most are read at the same time on one mount.
const DefaultQuotaWorkers = 8

// StorageObserver reads the current state of the storage. It never changes anything. A mount that
// hangs makes only its own answers unknown and delays no other. Use one observer for the life of
// the process, because it remembers what hangs.
type StorageObserver struct {
	o       Options
	systems map[string]planner.System

	// left counts abandoned calls by target: a system's probe or a filesystem.
	left hang.Count

	mu sync.Mutex
	// mounts are the latest answers of the probes, by system.
	mounts map[string]planner.Mount
	// waking are the probes that [StorageObserver.Wake] started and nobody has waited for yet, by
	// system.
	waking map[string]chan planner.Mount
	// noList are systems whose quotas cannot be listed.
	noList map[string]bool
}

// NewObserver returns an observer with defaults for the options that are not set.
func NewObserver(o Options) *StorageObserver {
	setDefault(&o.Deadline, 10*time.Second)
	setDefault(&o.QuotaDeadline, time.Minute)
	setDefault(&o.ListDeadline, 10*time.Minute)
	setDefault(&o.StatWorkers, 16)
	setDefault(&o.QuotaWorkers, DefaultQuotaWorkers)
	s := &StorageObserver{o: o, systems: map[string]planner.System{},
		mounts: map[string]planner.Mount{}, waking: map[string]chan planner.Mount{},
		noList: map[string]bool{}}
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

// Wake starts to probe all systems while the caller does something else. [StorageObserver.Mounts]
// then waits for a hung mount only for the rest of its deadline. Wake calls ended, from another
// goroutine, when each system has answered or was given up.
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

// probeAgain probes a system. A system that did not answer its wake-up probe is not probed again. A
// system that answered is, because that answer is out of date.
func (s *StorageObserver) probeAgain(ctx context.Context, system planner.System) planner.Mount {
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

// Mounts probes all systems at the same time. A system that has not answered by the deadline is
// unknown.
func (s *StorageObserver) Mounts(ctx context.Context,
	systems []planner.System) map[string]planner.Mount {
	answers := make([]planner.Mount, len(systems))
	var wait sync.WaitGroup
	for i, system := range systems {
		wait.Go(func() { answers[i] = s.probeAgain(ctx, system) })
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

// probe asks one system's directory. It starts no probe while an earlier one has not returned.
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

// Hanging returns the number of calls that were abandoned and have not returned, for metrics and
// doctor.
func (s *StorageObserver) Hanging() int { return s.left.All() }

func didNotAnswer(system string, deadline time.Duration) string {
	return fmt.Sprintf("the mount of system %s did not answer within %s", system, deadline)
}

func stillHangs(system string) string {
	return fmt.Sprintf("the mount of system %s still hangs since it was last asked, and is left "+
		"alone until it answers", system)
}

func interrupted(ctx context.Context) string {
	return fmt.Sprintf("interrupted before it was looked at: %v", context.Cause(ctx))
}

// seen returns what is known of the mounts of the named systems. It probes those that were never
// probed.
func (s *StorageObserver) seen(ctx context.Context,
	names map[string]bool) map[string]planner.Mount {
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

// Directories looks at all targets. Each mount has its own workers.
func (s *StorageObserver) Directories(ctx context.Context,
	targets planner.Targets[planner.Place]) []planner.Directory {
	mounts := s.seen(ctx, named(targets.Len(), func(i int) string { return targets.At(i).System }))
	unknown := func(why string) planner.Directory { return planner.Directory{Why: why} }
	p := pool[planner.Directory]{
		workers: s.o.StatWorkers, deadline: s.o.Deadline, unknown: unknown,
		call: func(_ context.Context, i int) planner.Directory {
			t := targets.At(i)
			return s.o.Directories.Observe(s.systems[t.System], t.Path)
		},
		alive: func(planner.Directory) bool { return true },
	}
	where := func(i int) (system, filesystem, why string) {
		system = targets.At(i).System
		m := mounts[system]
		return system, m.Filesystem, m.Problem + m.Unknown
	}
	return observe(ctx, s, "Looking at directories", targets.Len(), p, where)
}

// Quotas reads the targets' quotas. Each filesystem has its own workers. It first reads in bulk
// what can be listed, and then the rest one by one.
func (s *StorageObserver) Quotas(ctx context.Context,
	targets planner.Targets[planner.QuotaTarget]) []planner.QuotaState {
	mounts := s.seen(ctx, named(targets.Len(), func(i int) string { return targets.At(i).System }))
	p := pool[planner.QuotaState]{
		workers: s.o.QuotaWorkers, deadline: s.o.QuotaDeadline, apart: "quotas of ",
		unknown: planner.UnknownQuota,
		// A failure does not show that the mount is alive: when a metadata server is down, each call
		// fails after its own deadline.
		alive: func(q planner.QuotaState) bool { return q.LimitsWhy() == "" },
		call: func(ctx context.Context, i int) planner.QuotaState {
			t := targets.At(i)
			return s.o.Quotas.Get(ctx, s.systems[t.System], t.Subject)
		},
		bulk: func(filesystem string, of []int32, answers []planner.QuotaState) []int32 {
			return s.list(ctx, filesystem, targets, of, answers)
		},
	}
	where := func(i int) (system, filesystem, why string) {
		t := targets.At(i)
		m := mounts[t.System]
		why = m.Problem + m.Unknown
		if why == "" && t.Subject.Filesystem != m.Filesystem {
			why = fmt.Sprintf("system %s is on %q now, not on %q", t.System, m.Filesystem,
				t.Subject.Filesystem)
		}
		return t.System, m.Filesystem, why
	}
	return observe(ctx, s, "Reading quotas", targets.Len(), p, where)
}

// named returns the systems of n targets. Most targets are on the system of the one before.
func named(n int, system func(i int) string) map[string]bool {
	names, last := map[string]bool{}, ""
	for i := range n {
		if name := system(i); i == 0 || name != last {
			names[name], last = true, name
		}
	}
	return names
}

// observe gets the answers for n targets. Each filesystem has its own pool, and all pools run at
// the same time. work names the work for people. where returns a target's system and filesystem, or
// why the target is not read at all.
func observe[T any](ctx context.Context, s *StorageObserver, work string, n int, p pool[T],
	where func(i int) (system, filesystem, why string)) []T {
	answers := make([]T, n)
	groups := map[string][]int32{}
	systems := map[string]string{}
	asked := 0
	var unknown T // one for all targets of a system, whose reason is the same
	last := ""
	for i := range n {
		system, filesystem, why := where(i)
		if why != "" {
			if why != last {
				unknown, last = p.unknown(why), why
			}
			answers[i] = unknown
			continue
		}
		if groups[filesystem] == nil {
			systems[filesystem], groups[filesystem] = system, make([]int32, 0, n-i)
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

// errHangs is the cause with which calls on a hung mount are cancelled.
var errHangs = errors.New("the mount hangs")
