// Package quotatest holds every quota backend to the same rules.
package quotatest

import (
	"context"
	"errors"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Rig is one backend, set up for tests. Subjects are numbers that the rig turns into ids or paths of its own.
type Rig struct {
	Traits planner.Traits
	// Subject returns a subject that no test used yet, and on which nothing is set.
	Subject func(t *testing.T) int
	Get     func(ctx context.Context, subject int) planner.QuotaState
	// Set sets limits, and waits until they are.
	Set  func(ctx context.Context, subject int, want planner.Limits) error
	List func(ctx context.Context) (map[int]planner.QuotaState, error)
	// NoList is set where List says [providers.ErrNoList].
	NoList bool
	// Use uses space below a subject.
	Use func(t *testing.T, subject int, n planner.Bytes)
	// Break makes the backend fail until the returned function is called.
	Break func(t *testing.T) (restore func())
}

// Run runs all rules.
func Run(t *testing.T, r Rig) {
	t.Run("limits are exact", r.exact)
	t.Run("bad limits are not sent", r.refused)
	t.Run("a list equals single reads", r.listed)
	t.Run("usage", r.usage)
	t.Run("a failing backend is unknown", r.failing)
}

func limits(soft, hard planner.Bytes, inodes planner.Inodes) planner.Limits {
	q := planner.NoLimits()
	if soft > 0 {
		q[planner.SpaceSoft] = planner.LimitOf(soft)
	}
	if hard > 0 {
		q[planner.SpaceHard] = planner.LimitOf(hard)
	}
	if inodes > 0 {
		q[planner.InodesHard] = planner.LimitOf(inodes)
	}
	return q
}

func (r Rig) set(t *testing.T, subject int, q planner.Limits) {
	t.Helper()
	if err := r.Set(t.Context(), subject, q); err != nil {
		t.Fatalf("set %+v: %v", q, err)
	}
	if got := r.Get(t.Context(), subject); got.LimitsWhy != "" || got.Limits != q {
		t.Fatalf("set %+v, read %+v (%s)", q, got.Limits, got.LimitsWhy)
	}
}

func (r Rig) exact(t *testing.T) {
	s, unit := r.Subject(t), r.Traits.Unit
	for _, q := range []planner.Limits{limits(unit, 2*unit, 1), limits(0, unit, 0), limits(unit, 0, 7), limits(0, 0, 0),
		limits(r.Traits.MaxSpace, r.Traits.MaxSpace, r.Traits.MaxInodes), limits(3*unit, 5*unit, 0)} {
		r.set(t, s, q)
	}
}

func (r Rig) refused(t *testing.T) {
	s, unit := r.Subject(t), r.Traits.Unit
	was := limits(unit, 2*unit, 1)
	r.set(t, s, was)
	bad := map[string]planner.Limits{
		"soft above hard": limits(3*unit, 2*unit, 0), "too large": limits(0, r.Traits.MaxSpace+unit, 0), "unknown": {},
	}
	if unit > 1 {
		bad["no whole unit"] = limits(0, unit+1, 0)
	}
	for name, q := range bad {
		if err := r.Set(t.Context(), s, q); !errors.Is(err, quota.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.Get(t.Context(), s); got.Limits != was {
		t.Errorf("refused limits changed something: %+v", got.Limits)
	}
}

func (r Rig) listed(t *testing.T) {
	want := map[int]bool{}
	for i := range 20 {
		s := r.Subject(t)
		r.set(t, s, limits(0, planner.Bytes(i+1)*r.Traits.Unit, 0))
		want[s] = true
	}
	all, err := r.List(t.Context())
	if r.NoList {
		if !errors.Is(err, providers.ErrNoList) {
			t.Errorf("listed %d, %v", len(all), err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for s := range want {
		state, ok := all[s]
		if got := r.Get(t.Context(), s); !ok || got.Limits != state.Limits || got.Space != state.Space || got.Inodes != state.Inodes {
			t.Errorf("subject %d: listed %+v (%v), read %+v", s, state, ok, got)
		}
	}
}

func (r Rig) usage(t *testing.T) {
	s := r.Subject(t)
	r.set(t, s, limits(0, 1<<30, 0))
	r.Use(t, s, 1<<20)
	if got := r.Get(t.Context(), s); !got.Space.Known || got.Space.N < 1<<20 {
		t.Errorf("used %+v, want 1 MiB or more", got.Space)
	}
}

func (r Rig) failing(t *testing.T) {
	s := r.Subject(t)
	was := limits(0, r.Traits.Unit, 0)
	r.set(t, s, was)
	restore := r.Break(t)
	if got := r.Get(t.Context(), s); got.LimitsWhy == "" || got.Limits.Known() || got.Space.Known || got.Inodes.Known {
		t.Errorf("read %+v", got)
	}
	if all, err := r.List(t.Context()); err == nil {
		t.Errorf("listed %d", len(all))
	}
	if err := r.Set(t.Context(), s, limits(0, 0, 0)); err == nil {
		t.Error("limits were set")
	}
	restore()
	if got := r.Get(t.Context(), s); got.Limits != was {
		t.Errorf("afterwards %+v", got.Limits)
	}
}
