package planfile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// validate checks that a plan is consistent: lists that belong together have the same length, lists
// are sorted and have no duplicates, and this program knows every word. [Marshal] and [Parse]
// refuse all other plans.
func validate(plan *planner.Plan) error {
	checks := []func(*planner.Plan) error{checkActions, checkSelection, checkContext, checkRefusals,
		checkCounts}
	for _, check := range checks {
		if err := check(plan); err != nil {
			return err
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &FormatError{Problem: "not a valid plan: " + fmt.Sprintf(format, args...),
		Hint: freshCopy}
}

func checkActions(plan *planner.Plan) error {
	actions, details := plan.Core.Actions, plan.Context.Details
	if len(details) != len(actions) {
		return invalid("%d actions, but details of %d", len(actions), len(details))
	}
	for i := range actions {
		a := &actions[i]
		if i > 0 && compareActions(&actions[i-1], a) >= 0 {
			return invalid("actions %d and %d are not in order", i, i+1)
		}
		if err := checkAction(a, &details[i]); err != nil {
			return invalid("action %d, %s: %v", i+1, render.Quote(a.Address), err)
		}
	}
	return nil
}

func compareActions(a, b *planner.Action) int {
	return cmp.Or(cmp.Compare(a.Address, b.Address), a.Key.Compare(b.Key))
}

func checkAction(a *planner.Action, d *planner.Detail) error {
	switch {
	case !slices.Contains(planner.ActionKinds(), a.Kind) || !a.Kind.Acts():
		return fmt.Errorf("action %q is none", a.Kind)
	case !slices.Contains([]planner.Target{planner.TargetTenant, planner.TargetCustomer,
		planner.TargetProject, planner.TargetUser}, a.Target):
		return fmt.Errorf("target %q is unknown", a.Target)
	case a.Quota != nil && !a.Quota.Valid():
		return fmt.Errorf("a quota by %q of id %d and path %q is none", a.Quota.By, a.Quota.ID,
			a.Quota.Path)
	case !slices.Contains(planner.Tools(), d.Tool):
		return fmt.Errorf("tool %q is unknown", d.Tool)
	case a.Unlimit && (a.Kind != planner.Archive || a.Quota == nil ||
		a.Quota.By != planner.ByDirectory):
		return fmt.Errorf("a quota is to be removed that is not an archived directory's")
	case len(d.Notes) != len(a.Changes):
		return fmt.Errorf("%d changes, but notes to %d", len(a.Changes), len(d.Notes))
	case !ascending(a.Danger, planner.Dangers()):
		return fmt.Errorf("dangers %q are not those known, in order", a.Danger)
	case a.Retention < 0 || a.Retention > 0 && a.Kind != planner.Archive:
		return fmt.Errorf("a retention of %s is none", a.Retention)
	case a.Tag && !setsProject(a):
		return fmt.Errorf("a tree is to be tagged without a project id")
	case d.Unchanged < 0:
		return fmt.Errorf("a negative number of unchanged attributes")
	}
	for i, c := range a.Callbacks {
		if !slices.Contains(planner.PlannedCallbacks(), c) || slices.Contains(a.Callbacks[:i], c) {
			return fmt.Errorf("callback %q is unknown or there twice", c)
		}
	}
	if err := checkChanges(a, d); err != nil {
		return err
	}
	return checkKept(a, d)
}

// setsProject reports whether the action gives the directory a project id.
func setsProject(a *planner.Action) bool {
	id, ok := a.After(planner.Project)
	return ok && !id.IsAbsent()
}

// checkKept checks that the kept limits are limits of the action's quota that do not change.
func checkKept(a *planner.Action, d *planner.Detail) error {
	names := make([]planner.Attribute, len(d.Kept))
	for i, k := range d.Kept {
		names[i] = k.Attribute
		changes := slices.ContainsFunc(a.Changes,
			func(c planner.Change) bool { return c.Attribute == k.Attribute })
		_, unknown := k.Value.Unknown()
		if a.Quota == nil || !k.Attribute.IsQuota() || changes || unknown ||
			!fits(k.Attribute, k.Value) {
			return fmt.Errorf("%s can't stay %s", k.Attribute, k.Value)
		}
	}
	if !ascending(names, planner.Attributes()) {
		return fmt.Errorf("the limits that stay, %q, are not in order", names)
	}
	return nil
}

func checkChanges(a *planner.Action, d *planner.Detail) error {
	names := make([]planner.Attribute, len(a.Changes))
	for i, c := range a.Changes {
		names[i] = c.Attribute
		if !fits(c.Attribute, c.Before) || !fits(c.Attribute, c.After) {
			return fmt.Errorf("%s can't be %s or %s", c.Attribute, c.Before, c.After)
		}
		if _, unknown := c.After.Unknown(); unknown {
			return fmt.Errorf("%s is to become something unknown", c.Attribute)
		}
		if c.Attribute.IsQuota() && a.Quota == nil {
			return fmt.Errorf("%s changes, but no quota is named", c.Attribute)
		}
		known := []planner.From{planner.FromProxy, planner.FromDefault, planner.FromOverride,
			planner.FromArchive}
		if from := d.Notes[i].Provenance.From; !slices.Contains(known, from) {
			return fmt.Errorf("%s comes from %q, which is unknown", c.Attribute, from)
		}
	}
	if !ascending(names, planner.Attributes()) {
		return fmt.Errorf("attributes %q are not those known, in order", names)
	}
	if d.Usage != nil && (!fits(planner.SpaceHard, d.Usage.Space) ||
		!fits(planner.InodesHard, d.Usage.Inodes)) {
		return fmt.Errorf("what is used is no number")
	}
	return nil
}

// fits reports whether an attribute can have a value.
func fits(a planner.Attribute, v planner.Value) bool {
	if _, unknown := v.Unknown(); unknown || v.IsAbsent() {
		return true
	}
	switch a.Unit() {
	case planner.UnitMode:
		_, ok := v.Mode()
		return ok
	case planner.UnitText:
		_, ok := v.Text()
		return ok
	}
	_, number := v.Number()
	return number || a.IsQuota() && v.IsUnlimited()
}

// ascending reports whether s has only words of order, each at most once, in the same order.
func ascending[T comparable](s, order []T) bool {
	last := -1
	for _, w := range s {
		i := slices.Index(order, w)
		if i <= last {
			return false
		}
		last = i
	}
	return true
}

func checkSelection(plan *planner.Plan) error {
	s := plan.Core.Selection
	for _, list := range [][]string{s.Targets, s.Excludes, s.Restores} {
		if !strictly(list, cmp.Compare[string]) {
			return invalid("the selection is not sorted")
		}
	}
	byAddress := func(a, b planner.OrderVerdict) int { return cmp.Compare(a.Address, b.Address) }
	if !strictly(s.Rejects, byAddress) || !strictly(s.Fails, byAddress) {
		return invalid("the orders to reject or to fail are not sorted")
	}
	return nil
}

func strictly[T any](s []T, compare func(a, b T) int) bool {
	for i := 1; i < len(s); i++ {
		if compare(s[i-1], s[i]) >= 0 {
			return false
		}
	}
	return true
}

func checkContext(plan *planner.Plan) error {
	c := &plan.Context
	switch {
	case !wholeUTC(c.Made):
		return invalid("the time it was made, %s, is not UTC to the second", c.Made)
	case c.Renderer < 1:
		return invalid("it does not say which rendering rules it follows")
	case c.ValidFor < 0 || c.Overrides < 0 || c.Unobserved < 0:
		return invalid("a negative number")
	case !strictly(c.Systems, cmp.Compare[string]):
		return invalid("the systems are not sorted")
	case !strictly(c.Configuration,
		func(a, b planner.ConfigurationPart) int { return cmp.Compare(a.Name, b.Name) }):
		return invalid("the parts of the configuration are not sorted")
	case !strictly(c.Promised,
		func(a, b planner.Promise) int { return cmp.Compare(a.System, b.System) }):
		return invalid("the promises are not sorted")
	}
	for i := range c.Shared {
		if err := checkShared(&c.Shared[i]); err != nil {
			return err
		}
	}
	for _, d := range c.Drift {
		if !slices.Contains(planner.Attributes(), d.Attribute) || !fits(d.Attribute, d.Recorded) ||
			!fits(d.Attribute, d.Observed) {
			return invalid("drift of %s: %s from %s to %s", render.Quote(d.Address),
				render.Quote(d.Attribute.String()), d.Recorded, d.Observed)
		}
	}
	for _, u := range c.Undelivered {
		if !slices.Contains(planner.PlannedCallbacks(), u.Callback) || !wholeUTC(u.Since) {
			return invalid("the callback %s of %s, undelivered since %s",
				render.Quote(string(u.Callback)), render.Quote(u.Address), u.Since)
		}
	}
	return nil
}

func checkRefusals(plan *planner.Plan) error {
	acting := map[planner.Key]bool{}
	for i := range plan.Core.Actions {
		acting[plan.Core.Actions[i].Key] = true
	}
	for _, list := range [][]planner.Refusal{plan.Context.Blocked, plan.Context.Waiting} {
		for _, r := range list {
			if len(r.Reasons) == 0 {
				return invalid("%s is blocked or waiting without a reason", render.Quote(r.Address))
			}
			if r.QuotaOnly && !acting[r.Key] {
				return invalid("of %s only the quota is blocked or waiting, but nothing else "+
					"is done", render.Quote(r.Address))
			}
		}
	}
	return nil
}

// checkCounts refuses a summary whose counts differ from what the plan does.
func checkCounts(plan *planner.Plan) error {
	seen := map[planner.ActionKind]int{planner.Blocked: wholly(plan.Context.Blocked),
		planner.Waiting: wholly(plan.Context.Waiting)}
	for i := range plan.Core.Actions {
		seen[plan.Core.Actions[i].Kind]++
	}
	for _, kind := range planner.ActionKinds() {
		n := *plan.Context.Counts.Of(kind)
		switch {
		case n < 0, kind.Acts() && n != seen[kind]:
			return invalid("it counts %d to %s and has %d", n, kind, seen[kind])
		case !kind.Acts() && kind != planner.NothingToDo && n != seen[kind]:
			return invalid("it counts %d %s and has %d", n, kind, seen[kind])
		}
	}
	return nil
}

// wholly counts refusals of whole resources and leaves out those of only a quota.
func wholly(list []planner.Refusal) (n int) {
	for i := range list {
		if !list[i].QuotaOnly {
			n++
		}
	}
	return n
}

// wholeUTC reports whether a time is in UTC and in whole seconds, as plans have it. Such a time has
// only one form in JSON.
func wholeUTC(t time.Time) bool {
	return t.Location() == time.UTC && t.Nanosecond() == 0 && t.Year() >= 1 && t.Year() <= 9999
}

// checkShared refuses a quota that nobody shares.
func checkShared(q *planner.SharedQuota) error {
	if len(q.Contributions) < 2 {
		return invalid("the quota of %s %d is shared by %d", render.Quote(string(q.By)), q.ID,
			len(q.Contributions))
	}
	return nil
}
