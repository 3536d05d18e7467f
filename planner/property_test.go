package planner_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"pgregory.net/rapid"
)

// drawItem draws a resource, good or bad, out of a few names, groups and paths, so that they collide.
func drawItem(t *rapid.T, i int) planner.Item {
	name := fmt.Sprintf("p%d", rapid.IntRange(0, 5).Draw(t, "name"))
	it := project(name, int64(rapid.SampledFrom([]int{30500, 30501, 30502, 30503, 0, 999}).Draw(t, "gid")))
	it.Key.Item = id(fmt.Sprintf("i%d", i))
	if rapid.IntRange(0, 9).Draw(t, "nested") == 0 {
		it.MountPath += "/inner"
	}
	if rapid.Bool().Draw(t, "vast") {
		it.Key.System, it.MountPath = "vast", "/vast"+it.MountPath[len("/capstor"):]
	}
	it.Permission = rapid.SampledFrom([]string{"2770", "770", "2775", "0700", "rwx"}).Draw(t, "mode")
	if rapid.Bool().Draw(t, "no quotas") {
		it.Quotas = nil
	} else {
		it.Quotas = quotas(rapid.SampledFrom([]string{"10.0", "0.0", "20.5"}).Draw(t, "soft"), rapid.SampledFrom([]string{"20.5", "10.0", "0.0"}).Draw(t, "hard"))
	}
	it.NewQuotas = it.Quotas
	status := rapid.SampledFrom([]planner.Status{"pending", "active", "updating", "removing", "removed", "error"}).Draw(t, "status")
	it.Status = status
	if rapid.Bool().Draw(t, "acts") && status != planner.StatusActive {
		ordered(status)(&it)
		it.URLs = orderURLs(fmt.Sprintf("o%d", i), planner.Approve, planner.SetStateDone, planner.SetBackendID)
	}
	return it
}

func drawWorld(t *rapid.T) (*planner.World, *model) {
	w := &planner.World{Settings: testSettings(), Items: tree(), Complete: true}
	w.Settings.Systems[0].Quota.Shared = rapid.SampledFrom([]planner.SharedPolicy{planner.SharedRefuse, planner.SharedSum, planner.SharedMax}).Draw(t, "shared")
	for i := range rapid.IntRange(0, 8).Draw(t, "items") {
		w.Items = append(w.Items, drawItem(t, i))
	}
	m := newModel()
	for range rapid.IntRange(0, 6).Draw(t, "dirs") {
		sys := rapid.SampledFrom([]string{"capstor", "vast"}).Draw(t, "on")
		for _, up := range []string{"/store", "/store/cscs", "/store/cscs/eth"} {
			m.put(sys+up, 0, 0o775)
		}
		m.put(fmt.Sprintf("%s/store/cscs/eth/p%d", sys, rapid.IntRange(0, 5).Draw(t, "dir")), 30500, rapid.SampledFrom([]planner.Mode{0o2770, 0o700}).Draw(t, "dirmode"))
	}
	return w, m
}

// settled is what the proxy lists once all callbacks of a plan have been sent: orders are done.
func settled(w *planner.World, p *planner.Plan) []planner.Item {
	done := map[planner.Key]planner.ActionKind{}
	for _, a := range p.Core.Actions {
		if len(a.Callbacks) > 0 {
			done[a.Key] = a.Kind
		}
	}
	items := make([]planner.Item, len(w.Items))
	copy(items, w.Items)
	for i := range items {
		it := &items[i]
		if _, ok := done[it.Key]; !ok {
			continue
		}
		if it.Status == planner.StatusRemoving {
			it.Status = planner.StatusRemoved
		} else {
			it.Status = planner.StatusActive
		}
		if it.NewQuotas != nil {
			it.Quotas = it.NewQuotas
		}
		it.URLs = nil
	}
	return items
}

// changing are the actions that touch the storage or Waldur; orders that stay held are not among them.
func changing(p *planner.Plan) []planner.Action {
	var as []planner.Action
	for _, a := range p.Core.Actions {
		if len(a.Changes)+len(a.Callbacks) > 0 {
			as = append(as, a)
		}
	}
	return as
}

// TestApplyThenPlanIsEmpty: what a plan does leaves nothing to do.
func TestApplyThenPlanIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		first, _ := plan(w, m)
		m.apply(first)
		again := *w
		again.Items = settled(w, first)
		second, _ := plan(&again, m)
		for _, a := range changing(second) {
			if blockedBefore(first, a.Key) {
				continue // a finished order frees a path or an identity for somebody who waited
			}
			t.Fatalf("after applying %+v\nthere is still %+v", first.Core.Actions, a)
		}
	})
}

func blockedBefore(p *planner.Plan, k planner.Key) bool {
	for _, r := range append(p.Context.Blocked, p.Context.Waiting...) {
		if r.Key == k {
			return true
		}
	}
	for _, a := range p.Core.Actions {
		if a.Key == k {
			return false
		}
	}
	return sharedBefore(p)
}

// sharedBefore tells whether a plan removed something: then the claims on an identity may come to something else after it.
func sharedBefore(p *planner.Plan) bool {
	for _, a := range p.Core.Actions {
		if a.Kind == planner.Archive || a.Kind == planner.Report || len(a.Callbacks) > 0 {
			return true
		}
	}
	return false
}

// TestInputOrderNeverMatters: shuffled items give the same plan, byte for byte.
func TestInputOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		first, _ := plan(w, m)
		shuffled := *w
		shuffled.Items = rapid.Permutation(w.Items).Draw(t, "order")
		second, _ := plan(&shuffled, m)
		a, _ := json.Marshal(first)
		b, _ := json.Marshal(second)
		if string(a) != string(b) {
			t.Fatalf("another order gives another plan:\n%s\n%s", a, b)
		}
	})
}

// TestOnlyTheMarkedIsArchived: no plan archives what the proxy does not list as removing or in error, with an order.
func TestOnlyTheMarkedIsArchived(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, m := drawWorld(t)
		p, _ := plan(w, m)
		status := map[planner.Key]planner.Status{}
		for _, it := range w.Items {
			status[it.Key] = it.Status
		}
		for i, a := range p.Core.Actions {
			if a.Kind == planner.Archive && (status[a.Key] != planner.StatusRemoving || a.Order == "") {
				t.Fatalf("archives %+v, whose status is %s", a, status[a.Key])
			}
			if len(p.Context.Details[i].Notes) != len(a.Changes) {
				t.Fatalf("%d notes for %d changes", len(p.Context.Details[i].Notes), len(a.Changes))
			}
			for _, c := range a.Changes {
				if _, unknown := c.After.Unknown(); unknown {
					t.Fatalf("%s would become unknown in %+v", c.Attribute, a)
				}
			}
		}
	})
}
