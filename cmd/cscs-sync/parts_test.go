package main

import (
	"strings"
	"testing"
)

// TestListBySystem: with the simulated proxy, the plan of a long listing is the same by system and whole; and what is of a
// system that is not configured is seen.
func TestListBySystem(t *testing.T) {
	s := newService(t, "")
	s.check(s.sim.Generate(1500, 10))
	summary := func() (text string, narrowed int) {
		s.sim.ClearRequests()
		_, out := s.here("plan", "--compact")
		for _, q := range s.sim.Requests() {
			if strings.Contains(q.Path, "storage_system") {
				narrowed++
			}
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		for _, l := range lines {
			if strings.HasPrefix(l, "Plan: ") {
				text = l
			}
		}
		if text == "" {
			t.Fatalf("no plan: %s", out)
		}
		return text, narrowed
	}
	parts, narrowed := summary()
	if narrowed != 6 {
		t.Errorf("%d requests by system, want 6", narrowed)
	}
	s.edit(`system "vast" {`, `system "warp" {`)
	s.edit(`system "iopsstor" {`, `system "other" {`)
	_, narrowed = summary()
	if narrowed != 3 {
		t.Errorf("%d requests by system before the whole, want 3", narrowed)
	}
	s.edit(`system "warp" {`, `system "vast" {`)
	s.edit(`system "other" {`, `system "iopsstor" {`)
	if again, _ := summary(); again != parts {
		t.Errorf("by system %q, then %q", parts, again)
	}
}
