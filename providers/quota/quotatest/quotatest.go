// Package quotatest tests every quota backend against the same rules.
package quotatest

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// Rig is one backend that is set up for tests.
type Rig struct {
	Client quota.Client
	// Subject returns a subject that no test has used yet and on which nothing is set. Subjects come
	// in order.
	Subject func(t *testing.T) planner.Subject
	// Use makes the usage of a subject n bytes larger.
	Use func(t *testing.T, of planner.Subject, n planner.Bytes)
	// Break makes the backend fail until the returned function is called.
	Break func(t *testing.T) (restore func())
	// NoList is set if List returns [providers.ErrNoList].
	NoList bool
	// Pass lets a few seconds pass, as the backend counts them.
	Pass func()
	// Undocumented is set if the backend does not document what a change does to a running clock. Then
	// nothing is promised.
	Undocumented bool
	// Lose makes the answer to the next change get lost after the change took effect. It is nil if
	// that cannot be simulated.
	Lose func(t *testing.T)
	// Count returns how many quotas a subject has. It is nil if quotas are only set, never created.
	Count func(t *testing.T, of planner.Subject) int
}

// Run tests all rules.
func Run(t *testing.T, r Rig) {
	t.Run("limits are exact", r.exact)
	t.Run("unset is not a limit", r.unset)
	t.Run("bad limits are not sent", r.refused)
	t.Run("a list equals single reads", r.listed)
	t.Run("usage", r.usage)
	t.Run("grace clock", r.clock)
	t.Run("a failing backend is unknown", r.failing)
	t.Run("a lost answer is never a second quota", r.lost)
	t.Run("removal", r.removed)
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

// change sets limits and waits until they are set.
func (r Rig) change(t *testing.T, of planner.Subject, want planner.Limits,
	keep planner.Grace) error {
	pending, err := r.Client.Set(t.Context(), of, want, keep)
	if err != nil {
		return err
	}
	return pending.Wait(t.Context(), time.Millisecond)
}

// set sets limits and reads them back.
func (r Rig) set(t *testing.T, of planner.Subject, want planner.Limits,
	keep planner.Grace) planner.QuotaState {
	t.Helper()
	if err := r.change(t, of, want, keep); err != nil {
		t.Fatalf("set %+v: %v", want, err)
	}
	got := r.Client.Get(t.Context(), of)
	if got.LimitsWhy() != "" || got.Limits != want || got.Absent {
		t.Fatalf("set %+v, read %+v (%s)", want, got.Limits, got.LimitsWhy())
	}
	return got
}

func (r Rig) traits(t *testing.T) planner.Traits {
	t.Helper()
	traits, err := r.Client.Traits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return traits
}

func (r Rig) exact(t *testing.T) {
	s, traits := r.Subject(t), r.traits(t)
	unit := traits.Unit
	for _, q := range []planner.Limits{limits(unit, 2*unit, 1), limits(0, unit, 0),
		limits(unit, 0, 7), limits(0, 0, 0),
		limits(traits.MaxSpace, traits.MaxSpace, traits.MaxInodes), limits(3*unit, 5*unit, 0)} {
		r.set(t, s, q, planner.Grace{})
	}
}

// A subject without a quota has no limits. Its usage is a number that was read, or unknown with the
// reason.
func (r Rig) unset(t *testing.T) {
	s := r.Subject(t)
	got := r.Client.Get(t.Context(), s)
	if got.LimitsWhy() != "" || got.Limits != planner.NoLimits() ||
		got.Absent != r.traits(t).NeedsDirectory {
		t.Errorf("never set: %+v", got)
	}
	if !got.Space.Known() && got.SpaceWhy() == "" || !got.Inodes.Known() && got.InodesWhy() == "" ||
		got.Absent && got.Space.Known() {
		t.Errorf("used %+v, %+v", got.Space, got.Inodes)
	}
	if got := r.set(t, s, limits(0, 0, 0), planner.Grace{}); got.Absent ||
		(got.Handle() == "") == r.traits(t).NeedsDirectory {
		t.Errorf("set to nothing: %+v", got)
	}
}

func (r Rig) refused(t *testing.T) {
	s, traits := r.Subject(t), r.traits(t)
	unit := traits.Unit
	was := limits(unit, 2*unit, 1)
	r.set(t, s, was, planner.Grace{})
	bad := map[string]planner.Limits{
		"soft above hard": limits(3*unit, 2*unit, 0), "unknown": {},
		"too large": limits(0, traits.MaxSpace+unit, 0),
	}
	zero := limits(0, 0, 0)
	zero[planner.SpaceHard] = planner.LimitOf[planner.Bytes](0)
	bad["zero"] = zero
	if unit > 1 {
		bad["no whole unit"] = limits(0, unit+1, 0)
	}
	for name, q := range bad {
		if err := r.change(t, s, q, planner.Grace{}); !errors.Is(err, quota.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.Client.Get(t.Context(), s); got.Limits != was {
		t.Errorf("refused limits changed something: %+v", got.Limits)
	}
}

func (r Rig) listed(t *testing.T) {
	var all []planner.Subject
	for i := range 20 {
		s := r.Subject(t)
		r.set(t, s, limits(0, planner.Bytes(i+1)*r.traits(t).Unit, 0), planner.Grace{})
		all = append(all, s)
	}
	unset := r.Subject(t)
	slices.SortFunc(all, func(a, b planner.Subject) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Path, b.Path))
	})
	got, err := r.Client.List(t.Context(), append(all, unset))
	if r.NoList {
		if !errors.Is(err, providers.ErrNoList) {
			t.Errorf("listed %+v, %v", got, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		state, ok := got.Of(s)
		if one := r.Client.Get(t.Context(), s); !ok || !same(one, state) {
			t.Errorf("%v: listed %+v (%v), read %+v", s, state, ok, one)
		}
	}
	if state, ok := got.Of(unset); ok && !same(state, r.Client.Get(t.Context(), unset)) {
		t.Errorf("never set: listed %+v", state)
	}
}

// same reports whether a list and a single read say the same of a quota.
func same(a, b planner.QuotaState) bool {
	return a.Limits == b.Limits && a.LimitsWhy() == b.LimitsWhy() && a.Space == b.Space &&
		a.Inodes == b.Inodes && a.Absent == b.Absent && a.Handle() == b.Handle()
}

func (r Rig) usage(t *testing.T) {
	s := r.Subject(t)
	r.set(t, s, limits(0, 1<<30, 0), planner.Grace{})
	r.Use(t, s, 1<<20)
	if got := r.Client.Get(t.Context(), s); !got.Space.Known() || got.Space.N() < 1<<20 {
		t.Errorf("used %+v, want 1 MiB or more", got.Space)
	}
}

// A running clock is shown. With the result of [quota.Keep] it continues on every backend. Without
// it, the clock does what the traits promise. Below the soft limit no clock runs.
func (r Rig) clock(t *testing.T) {
	traits := r.traits(t)
	if !traits.Grace {
		return
	}
	const mib = 1 << 20
	s := r.Subject(t)
	r.Use(t, s, 2*mib)
	before := r.set(t, s, limits(mib, 8*mib, 0), planner.Grace{})
	first := before.Ends().Space
	if first.IsZero() {
		t.Fatal("no clock runs, although the soft limit is passed")
	}
	if !r.Undocumented {
		r.Pass()
		want := limits(mib, 16*mib, 0)
		kept := r.set(t, s, want, quota.Keep(&traits, before, want)).Ends().Space
		if !near(kept, first) {
			t.Errorf("kept: ends %v, was %v", kept, first)
		}
		r.Pass()
		again := r.set(t, s, limits(mib, 32*mib, 0), planner.Grace{}).Ends().Space
		if near(again, first) != traits.KeepsClock {
			t.Errorf("not kept: ends %v, was %v, but KeepsClock is %v", again, first,
				traits.KeepsClock)
		}
	}
	if got := r.set(t, s, limits(4*mib, 32*mib, 0), planner.Grace{}).Ends().Space; !got.IsZero() {
		t.Errorf("below the soft limit again: ends %v", got)
	}
}

func near(a, b time.Time) bool { return a.Sub(b).Abs() < 2*time.Second }

func (r Rig) failing(t *testing.T) {
	s := r.Subject(t)
	was := limits(0, r.traits(t).Unit, 0)
	r.set(t, s, was, planner.Grace{})
	restore := r.Break(t)
	got := r.Client.Get(t.Context(), s)
	if got.LimitsWhy() == "" || got.Limits.Known() || got.Space.Known() || got.Inodes.Known() ||
		got.Absent {
		t.Errorf("read %+v", got)
	}
	if all, err := r.Client.List(t.Context(), []planner.Subject{s}); err == nil {
		t.Errorf("listed %+v", all)
	}
	if err := r.change(t, s, limits(0, 0, 0), planner.Grace{}); err == nil {
		t.Error("limits were set")
	}
	restore()
	if got := r.Client.Get(t.Context(), s); got.Limits != was {
		t.Errorf("afterwards %+v", got.Limits)
	}
}

// A lost answer is neither a silent success nor a refusal, because the limits may be set. Setting
// them again makes no second quota, and removing the quota again succeeds.
func (r Rig) lost(t *testing.T) {
	if r.Lose == nil {
		return
	}
	traits := r.traits(t)
	for _, again := range []bool{false, true} {
		s := r.Subject(t)
		for _, hard := range []planner.Bytes{traits.Unit, 2 * traits.Unit} { // made, then changed
			want := limits(0, hard, 0)
			r.Lose(t)
			err := r.change(t, s, want, planner.Grace{})
			if errors.Is(err, quota.ErrRefused) {
				t.Errorf("a change that took effect counts as not sent: %v", err)
			}
			if got := r.Client.Get(t.Context(), s).Limits; err == nil && got != want {
				t.Errorf("done without an error, and the limits are %+v", got)
			}
			if err != nil || again {
				r.set(t, s, want, planner.Grace{})
			}
		}
		if r.Count != nil && r.Count(t, s) != 1 {
			t.Errorf("%d quotas", r.Count(t, s))
		}
		if traits.NeedsDirectory {
			r.Lose(t)
			r.testRemove(t, s)
		}
	}
}

// testRemove removes a quota twice. The second time it is already gone, which is no error.
func (r Rig) testRemove(t *testing.T, s planner.Subject) {
	t.Helper()
	for range 2 {
		if err := r.remove(t, s); err != nil || !r.Client.Get(t.Context(), s).Absent {
			t.Errorf("not removed: %v", err)
		}
	}
}

// remove removes a quota and waits until it is gone.
func (r Rig) remove(t *testing.T, s planner.Subject) error {
	pending, err := r.Client.Remove(t.Context(), s)
	if err != nil {
		return err
	}
	return pending.Wait(t.Context(), time.Millisecond)
}

// Limits of ids are never removed. A directory's quota is, and it is no error if there is none.
func (r Rig) removed(t *testing.T) {
	s := r.Subject(t)
	was := limits(0, r.traits(t).Unit, 0)
	r.set(t, s, was, planner.Grace{})
	if !r.traits(t).NeedsDirectory {
		err := r.remove(t, s)
		if !errors.Is(err, quota.ErrRefused) || r.Client.Get(t.Context(), s).Limits != was {
			t.Errorf("removed: %v", err)
		}
		return
	}
	r.testRemove(t, s)
}
