// Package policy decides what may be done without a person: one pure function from a plan and a policy to what is
// approved and what is held, with the rule that decided for each action.
//
// Effects are judged against what is observed, not by names: lowering a limit is quota_lower whoever asked for it, and a
// mode that gives others a bit is access_wider also when it undoes drift. Some things no policy allows: a directory that
// is missing although it is recorded, a limit below what is used, and removing what is in error in Waldur.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Policy is auto_approve.
type Policy struct {
	// Allow are effects, sorted; see [Effects].
	Allow []string `json:"allow"`
	// MaxChanges and MaxArchives bound what one apply or round may do.
	MaxChanges  int `json:"max_changes"`
	MaxArchives int `json:"max_archives"`
}

// Digest names the policy in approvals: "sha256:" and the SHA-256 of its JSON.
func (p Policy) Digest() string {
	b, _ := json.Marshal(p) // a struct of strings and numbers always marshals
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Decision is what the policy says of one action.
type Decision struct {
	// Index is the action's in the core.
	Index    int
	Approved bool
	// Rule is the rule that decided, for people.
	Rule string
}

// Judge decides on every action, in the plan's order. Routine changes beyond a bound are held for the next round.
func Judge(p *planner.Plan, policy Policy) []Decision {
	decisions := make([]Decision, len(p.Core.Actions))
	changes, archives := 0, 0
	for i := range p.Core.Actions {
		a := &p.Core.Actions[i]
		d := Decision{Index: i}
		d.Rule = held(a, &p.Context.Details[i], policy)
		switch {
		case d.Rule != "":
		case a.Kind == planner.Archive && archives >= policy.MaxArchives:
			d.Rule = fmt.Sprintf("max_archives is %d", policy.MaxArchives)
		case changes >= policy.MaxChanges:
			d.Rule = fmt.Sprintf("max_changes is %d: the rest runs in the next round", policy.MaxChanges)
		default:
			d.Approved, d.Rule = true, "auto_approve allows it"
			changes++
			if a.Kind == planner.Archive {
				archives++
			}
		}
		decisions[i] = d
	}
	return decisions
}

// held is the rule that holds an action; empty if none does.
func held(a *planner.Action, d *planner.Detail, policy Policy) string {
	for _, never := range []struct {
		danger planner.Danger
		rule   string
	}{{planner.DangerMissing, "a directory that is gone is never dealt with by policy"}, {planner.DangerBelowUsage, "a limit below what is used is never set by policy"}} {
		if slices.Contains(a.Danger, never.danger) && a.Kind != planner.Restore {
			return never.rule
		}
	}
	for _, e := range Effects(a, d) {
		if !slices.Contains(policy.Allow, e) {
			return fmt.Sprintf("auto_approve does not allow %s", e)
		}
	}
	return ""
}

// Effects are what an action does, in the words of auto_approve.allow.
func Effects(a *planner.Action, d *planner.Detail) []string {
	switch a.Kind {
	case planner.Create, planner.Archive, planner.Restore, planner.Report:
		return []string{string(a.Kind)}
	case planner.RejectOrder, planner.FailOrder:
		return []string{string(a.Kind)}
	}
	var effects []string
	if a.Kind == planner.Adopt {
		effects = append(effects, "adopt")
	}
	if slices.Contains(a.Danger, planner.DangerWiderAccess) {
		effects = append(effects, "access_wider")
	}
	for i, c := range a.Changes {
		effects = append(effects, effectOf(c, d.Notes[i].Drift))
	}
	slices.Sort(effects)
	return slices.Compact(effects)
}

func effectOf(c planner.Change, drift bool) string {
	switch {
	case c.Attribute.IsQuota() && drift:
		return "drift_quota"
	case c.Attribute.IsQuota() && lower(c):
		return "quota_lower"
	case c.Attribute.IsQuota():
		return "quota_raise"
	case c.Attribute == planner.ModeAttr && drift:
		return "drift_mode"
	case c.Attribute == planner.ModeAttr:
		return "mode"
	case drift:
		return "drift_ownership"
	}
	return "group"
}

func lower(c planner.Change) bool {
	after, ok := c.After.Number()
	if !ok {
		return false
	}
	before, ok := c.Before.Number()
	return !ok || after < before
}
