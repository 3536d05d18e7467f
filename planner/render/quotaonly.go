package render

import (
	"slices"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
)

// quotaCounts counts what is done without its quota: the refusals of only a quota, whose resource
// has an action.
type quotaCounts struct {
	Blocked int `json:"quota_blocked"`
	Waiting int `json:"quota_waiting"`
	// Bare counts the directories that are made, adopted or restored without their quota.
	Bare int `json:"without_quota"`
}

func countQuotas(plan *planner.Plan) (n quotaCounts) {
	bare := map[planner.Key]bool{}
	for list, count := range map[*[]planner.Refusal]*int{&plan.Context.Blocked: &n.Blocked,
		&plan.Context.Waiting: &n.Waiting} {
		for i := range *list {
			if r := &(*list)[i]; r.QuotaOnly {
				*count++
				bare[r.Key] = true
			}
		}
	}
	for i := range plan.Core.Actions {
		a := &plan.Core.Actions[i]
		if bare[a.Key] && (a.Kind == planner.Create || a.Kind == planner.Adopt ||
			a.Kind == planner.Restore) {
			n.Bare++
		}
	}
	return n
}

// of returns how many quotas are blocked or waiting.
func (n quotaCounts) of(kind planner.ActionKind) int {
	switch kind {
	case planner.Blocked:
		return n.Blocked
	case planner.Waiting:
		return n.Waiting
	}
	return 0
}

// words returns the counts for the last line. The numbers have no commas, because scripts read
// them.
func (n quotaCounts) words() (words []string) {
	for _, w := range []struct {
		n         int
		one, more string
	}{{n.Blocked, "quota blocked", "quotas blocked"},
		{n.Waiting, "quota waiting", "quotas waiting"},
		{n.Bare, "directory without its quota", "directories without their quota"}} {
		switch {
		case w.n == 1:
			words = append(words, "1 "+w.one)
		case w.n > 1:
			words = append(words, strconv.Itoa(w.n)+" "+w.more)
		}
	}
	return words
}

// hasWhole reports whether a list has a refusal of a whole resource, and hasQuotaOnly whether it
// has one of only a quota.
func hasWhole(list []planner.Refusal) bool {
	return slices.ContainsFunc(list, func(r planner.Refusal) bool { return !r.QuotaOnly })
}

func hasQuotaOnly(list []planner.Refusal) bool {
	return slices.ContainsFunc(list, func(r planner.Refusal) bool { return r.QuotaOnly })
}
