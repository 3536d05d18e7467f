package providers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// DirectoryObserver looks at mounts and directories, one at a time, from many goroutines. Its calls may hang.
type DirectoryObserver interface {
	Mount(system planner.System) planner.Mount
	Observe(system planner.System, path string) planner.Directory
}

// QuotaReader reads one quota identity, asked at the directory of the system. It may hang even beyond ctx.
type QuotaReader interface {
	Get(ctx context.Context, system planner.System, id planner.Identity) planner.QuotaState
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
	// StatWorkers and QuotaWorkers are the greatest numbers of calls at a time on one mount; 16 and 8.
	StatWorkers, QuotaWorkers int
	// Progress, if not nil, is told now and then how far an observation is, from one goroutine at a time.
	Progress func(done, total int)
}

// StorageObserver is the [Observer] of real storage. Use one for as long as the process runs: it remembers what hangs.
type StorageObserver struct {
	o       Options
	systems map[string]planner.System

	mu sync.Mutex
	// mounts are the last answers of the canaries, by system.
	mounts map[string]planner.Mount
	// left counts calls that were left behind, by mount: a system's canary, or a filesystem.
	left map[string]int
}

var _ Observer = (*StorageObserver)(nil)

// NewObserver fills in the defaults.
func NewObserver(o Options) *StorageObserver {
	setDefault(&o.Deadline, 10*time.Second)
	setDefault(&o.QuotaDeadline, time.Minute)
	setDefault(&o.StatWorkers, 16)
	setDefault(&o.QuotaWorkers, 8)
	s := &StorageObserver{o: o, systems: map[string]planner.System{}, mounts: map[string]planner.Mount{}, left: map[string]int{}}
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

// Mounts asks all systems at once; who has not answered by the deadline is unknown.
func (s *StorageObserver) Mounts(ctx context.Context, systems []planner.System) map[string]planner.Mount {
	answers := make([]planner.Mount, len(systems))
	var wait sync.WaitGroup
	for i, system := range systems {
		wait.Go(func() { answers[i] = s.canary(ctx, system) })
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

// canary asks one system's directory. A canary that has not come back is not followed by another.
func (s *StorageObserver) canary(ctx context.Context, system planner.System) planner.Mount {
	name := "canary " + system.Name
	if s.hanging(name) > 0 {
		return planner.Mount{Unknown: stillHangs(system.Name)}
	}
	done := make(chan planner.Mount, 1)
	c := s.begin(name, 1)
	go func() {
		m := s.o.Directories.Mount(system)
		c.end()
		done <- m
	}()
	late := time.NewTimer(s.o.Deadline)
	defer late.Stop()
	select {
	case m := <-done:
		return m
	case <-late.C:
		c.abandon()
		return planner.Mount{Unknown: didNotAnswer(system.Name, s.o.Deadline)}
	case <-ctx.Done():
		c.abandon()
		return planner.Mount{Unknown: interrupted(ctx)}
	}
}

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
	answers := make([]planner.Directory, len(targets))
	groups := map[string][]int{}
	for i, t := range targets {
		if m := mounts[t.System]; m.Problem+m.Unknown != "" {
			answers[i].Why = m.Problem + m.Unknown
		} else {
			groups[m.Filesystem] = append(groups[m.Filesystem], i)
		}
	}
	s.perMount(ctx, groups, func(ctx context.Context, filesystem string, of []int, tell *tally) {
		p := pool[planner.Directory]{
			workers: s.o.StatWorkers, deadline: s.o.Deadline,
			call: func(_ context.Context, i int) planner.Directory {
				t := targets[of[i]]
				return s.o.Directories.Observe(s.systems[t.System], t.Path)
			},
			unknown: func(why string) planner.Directory { return planner.Directory{Why: why} },
			alive:   func(planner.Directory) bool { return true },
		}
		for i, d := range runPool(ctx, s, filesystem, targets[of[0]].System, len(of), p, tell) {
			answers[of[i]] = d
		}
	})
	return answers
}

// Quotas reads each identity once, whoever names it.
func (s *StorageObserver) Quotas(ctx context.Context, targets []planner.QuotaTarget) map[planner.Identity]planner.QuotaState {
	unknown := func(why string) planner.QuotaState {
		return planner.QuotaState{
			LimitsWhy: why, Space: planner.Usage[planner.Bytes]{Why: why}, Inodes: planner.Usage[planner.Inodes]{Why: why},
		}
	}
	names := map[string]bool{}
	for _, t := range targets {
		names[t.System] = true
	}
	mounts := s.seen(ctx, names)
	all := make(map[planner.Identity]planner.QuotaState, len(targets))
	groups := map[string][]int{}
	for i, t := range targets {
		if _, again := all[t.Identity]; again {
			continue
		}
		m := mounts[t.System]
		switch {
		case m.Problem+m.Unknown != "":
			all[t.Identity] = unknown(m.Problem + m.Unknown)
		case t.Identity.Filesystem != m.Filesystem:
			all[t.Identity] = unknown(fmt.Sprintf("system %s is on %q now, not on %q", t.System, m.Filesystem, t.Identity.Filesystem))
		default:
			all[t.Identity] = planner.QuotaState{}
			groups[m.Filesystem] = append(groups[m.Filesystem], i)
		}
	}
	var mu sync.Mutex
	s.perMount(ctx, groups, func(ctx context.Context, filesystem string, of []int, tell *tally) {
		p := pool[planner.QuotaState]{
			workers: s.o.QuotaWorkers, deadline: s.o.QuotaDeadline, unknown: unknown,
			// A failure is no sign of life: with a metadata server away, each call fails after its own deadline.
			alive: func(q planner.QuotaState) bool { return q.LimitsWhy == "" },
			call: func(ctx context.Context, i int) planner.QuotaState {
				t := targets[of[i]]
				return s.o.Quotas.Get(ctx, s.systems[t.System], t.Identity)
			},
		}
		states := runPool(ctx, s, filesystem, targets[of[0]].System, len(of), p, tell)
		mu.Lock()
		defer mu.Unlock()
		for i, q := range states {
			all[targets[of[i]].Identity] = q
		}
	})
	return all
}

// perMount runs f for each mount's targets at the same time, and tells how far all of them are.
func (s *StorageObserver) perMount(ctx context.Context, groups map[string][]int, f func(context.Context, string, []int, *tally)) {
	total := 0
	for _, of := range groups {
		total += len(of)
	}
	tell := newTally(total, s.o.Progress)
	defer tell.end()
	var wait sync.WaitGroup
	for _, filesystem := range slices.Sorted(maps.Keys(groups)) {
		wait.Go(func() { f(ctx, filesystem, groups[filesystem], tell) })
	}
	wait.Wait()
}

// errHangs is the cause of the end of calls on a mount that hangs.
var errHangs = errors.New("the mount hangs")
