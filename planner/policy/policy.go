// Package policy decides what may be done without a person. It is a pure function from a plan and a
// policy to what is approved and what is held, with the rule that decided for each action.
//
// Effects are determined by what is observed, not by names: lowering a limit is quota_lower whoever
// asked for it, and a mode that gives others a bit is wider_access even if it undoes drift. A limit
// below the usage needs a word of its own, below_usage, in addition to its other effect. No policy
// allows anything about a directory that is recorded but gone.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Policy is the auto_approve block.
type Policy struct {
	// Allow are effects, sorted; see [Effects].
	Allow []string
	// MaxChanges and MaxArchives limit what one apply or round may do. The rest waits for the next
	// round.
	MaxChanges  int
	MaxArchives int
	// MaxSpace limits by how much the hard space limits may grow in one round, all together; 0 for no
	// limit.
	MaxSpace planner.Bytes
	// MaxShare is the largest share of all resources, in per cent, that one round may change. If a
	// round would change more, the policy holds everything. 0 means no limit.
	MaxShare int
	// MinUsed is the share of a hard limit, in per cent, that must be used before the limit may be
	// raised. MaxRaise is the largest factor by which a limit may grow. 0 means no limit.
	MinUsed, MaxRaise int
	// Matches select the resources whose changes the policy may approve. If there are none, it may
	// approve all.
	Matches []Match
	// Windows say when the policy may approve. If any window allows, the time must be in such a
	// window. It must never be in a window that denies.
	Windows []Window
}

// Match selects resources, as in overrides.
type Match interface {
	Matches(planner.Facts) bool
	// String returns the meaning of the match. Equal matches have equal texts.
	String() string
}

// Digest names the policy in approvals: "sha256:" and the SHA-256 of everything that it says.
func (p Policy) Digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "allow %q\nmax_changes %d\nmax_archives %d\nmax_space %d\nmax_share %d\n",
		p.Allow, p.MaxChanges,
		p.MaxArchives, p.MaxSpace, p.MaxShare)
	if p.MinUsed > 0 || p.MaxRaise > 0 {
		fmt.Fprintf(h, "min_used %d\nmax_raise %d\n", p.MinUsed, p.MaxRaise)
	}
	for _, m := range p.Matches {
		fmt.Fprintf(h, "match %s\n", m)
	}
	for _, w := range p.Windows {
		fmt.Fprintf(h, "window %s\n", w)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Decision is the policy's answer about one action.
type Decision struct {
	// Index is the index of the action in the core.
	Index    int
	Approved bool
	// Code is the kind of rule that decided, and Rule is the rule itself, for people.
	Code Code
	Rule string
}

// Code is the kind of rule that decides.
type Code string

// The kinds of rules. Allowed approves; all others hold.
const (
	Allowed       Code = "allowed"
	NotAllowed    Code = "not_allowed"
	OutsideWindow Code = "outside_window"
	OverLimit     Code = "over_limit"
	NextRound     Code = "next_round"
	// Backoff is set by callers: an action that failed is tried again later.
	Backoff Code = "backoff"
)

// Later reports whether a rule of this kind stops holding by itself, so that no person is needed.
func (c Code) Later() bool { return c == NextRound || c == OutsideWindow || c == Backoff }

// Input is what [Decide] decides about.
type Input struct {
	Plan   *planner.Plan
	Policy Policy
	Now    time.Time
	// Facts returns what a match sees of a resource.
	Facts func(planner.Key) planner.Facts
	// Resources is the number of all resources, for max_share.
	Resources int
}

// Decide decides about every action, in the order of the plan. A rule about one action holds that
// action. A closed window or a share that is too large holds everything. What exceeds the limits of
// a round waits for the next round.
func Decide(in Input) []Decision {
	p, policy := in.Plan, in.Policy
	decisions := make([]Decision, len(p.Core.Actions))
	approved := 0
	window := closed(policy.Windows, in.Now)
	for i := range p.Core.Actions {
		d := &decisions[i]
		d.Index, d.Code = i, NotAllowed
		d.Rule = in.held(&p.Core.Actions[i], &p.Context.Details[i])
		switch {
		case d.Rule != "":
		case window != "":
			d.Code, d.Rule = OutsideWindow, window
		default:
			d.Approved, d.Code = true, Allowed
			d.Rule = "auto_approve allows " +
				strings.Join(Effects(&p.Core.Actions[i], &p.Context.Details[i]), ", ")
			approved++
		}
	}
	if policy.MaxShare > 0 && in.Resources > 0 && approved*100 > policy.MaxShare*in.Resources {
		holdAll(decisions, OverLimit,
			fmt.Sprintf("%d of %d resources would change, and max_share is %d%%", approved,
				in.Resources, policy.MaxShare))
	}
	in.holdBelow(decisions)
	in.bound(decisions)
	return decisions
}

// holdBelow holds actions that need a tenant's or customer's directory that is dangerous to make.
// Such a directory is made together with the actions that need it, so this keeps it out of the
// approved group.
func (in *Input) holdBelow(decisions []Decision) {
	actions := in.Plan.Core.Actions
	for i := range actions {
		above := &actions[i]
		if decisions[i].Approved || !above.Target.IsBranch() || above.Kind != planner.Create ||
			len(above.Danger) == 0 {
			continue
		}
		for j := range decisions {
			if decisions[j].Approved && strings.HasPrefix(actions[j].Storage, above.Storage+"/") {
				decisions[j] = Decision{j, false, NotAllowed,
					"it needs " + above.Address + ", which is held: " + decisions[i].Rule}
			}
		}
	}
}

func holdAll(decisions []Decision, code Code, rule string) {
	for i := range decisions {
		if decisions[i].Approved {
			decisions[i] = Decision{decisions[i].Index, false, code, rule}
		}
	}
}

// bound approves no more than one round may do.
func (in *Input) bound(decisions []Decision) {
	changes, archives, space := 0, 0, planner.Bytes(0)
	for i := range decisions {
		d, a := &decisions[i], &in.Plan.Core.Actions[i]
		grows, endless := growth(a, &in.Plan.Context.Details[i])
		switch {
		case !d.Approved:
		case in.Policy.MaxChanges == 0:
			*d = Decision{i, false, NotAllowed, "max_changes is 0"}
		case a.Kind == planner.Archive && archives >= in.Policy.MaxArchives:
			*d = Decision{i, false, NotAllowed, fmt.Sprintf("max_archives is %d",
				in.Policy.MaxArchives)}
		case changes >= in.Policy.MaxChanges:
			*d = Decision{i, false, NextRound,
				fmt.Sprintf("max_changes is %d: the rest runs in the next round",
					in.Policy.MaxChanges)}
		case in.Policy.MaxSpace > 0 && endless:
			*d = Decision{i, false, OverLimit,
				fmt.Sprintf("its space would then have no limit, and max_space is %v", in.Policy.MaxSpace)}
		case in.Policy.MaxSpace > 0 && grows > in.Policy.MaxSpace:
			*d = Decision{i, false, OverLimit,
				fmt.Sprintf("it alone grows by %v, and max_space is %v", grows, in.Policy.MaxSpace)}
		case in.Policy.MaxSpace > 0 && grows > in.Policy.MaxSpace-space:
			*d = Decision{i, false, NextRound,
				fmt.Sprintf("max_space is %v a round: the rest runs in the next",
					in.Policy.MaxSpace)}
		default:
			changes, space = changes+1, space+grows
			if a.Kind == planner.Archive {
				archives++
			}
		}
	}
}

// growth returns by how much an action raises the hard space limit. endless reports whether there
// is no limit afterwards. A quota that was never set grows from nothing.
func growth(a *planner.Action, d *planner.Detail) (by planner.Bytes, endless bool) {
	if gives(d, reason.UnlimitedSpace) {
		return 0, true
	}
	for _, c := range a.Changes {
		if c.Attribute != planner.SpaceHard {
			continue
		}
		after, ok := c.After.Number()
		if before, _ := c.Before.Number(); ok && after > before {
			return planner.Bytes(after - before), false
		}
		return 0, c.After.IsUnlimited()
	}
	return 0, false
}

// held returns the rule that holds an action by itself; empty if none does.
func (in *Input) held(a *planner.Action, d *planner.Detail) string {
	if slices.Contains(a.Danger, planner.DangerMissing) && a.Kind != planner.Restore {
		return "the policy never deals with a directory that is gone"
	}
	if slices.Contains(a.Danger, planner.DangerReplaced) {
		return "the policy never deals with a directory that is not the recorded one"
	}
	if slices.Contains(a.Danger, planner.DangerTakenOver) {
		return "the policy never brings data under a group or quota that others use"
	}
	if slices.Contains(a.Danger, planner.DangerOvercommit) {
		return "the policy never approves what promises more than overcommit allows"
	}
	if gives(d, reason.ErrorTerminate) {
		return "the policy never approves the end of a resource whose status is error"
	}
	// a directory above resources is made for those below it, and they are matched
	above := a.Target.IsBranch() && a.Kind == planner.Create
	if len(in.Policy.Matches) > 0 && !above {
		f := in.Facts(a.Key)
		if !slices.ContainsFunc(in.Policy.Matches, func(m Match) bool { return m.Matches(f) }) {
			return "no match block of auto_approve matches it"
		}
	}
	effects := slices.DeleteFunc(Effects(a, d),
		func(e string) bool { return slices.Contains(in.Policy.Allow, e) })
	if len(effects) > 0 {
		return "auto_approve does not allow " + strings.Join(effects, ", ")
	}
	return in.raise(a, d)
}

// gives reports whether an action has a reason with this code.
func gives(d *planner.Detail, code reason.Code) bool {
	return slices.ContainsFunc(d.Reasons, func(r planner.Reason) bool { return r.Code == code })
}

// Effects returns what an action does, in the words of auto_approve.allow.
func Effects(a *planner.Action, d *planner.Detail) []string {
	effects := ofDangers(a)
	switch a.Kind {
	case planner.Create:
		effects = append([]string{"create"}, append(effects, lowered(a, d)...)...)
		return effects
	case planner.Archive, planner.Restore, planner.Report, planner.RejectOrder, planner.FailOrder:
		return append([]string{string(a.Kind)}, effects...)
	case planner.Adopt:
		effects = append(effects, "adopt")
	}
	for i, c := range a.Changes {
		effects = append(effects, effectOf(c, d, i))
		if c.Attribute.IsQuota() && lower(c, d) {
			effects = append(effects, "quota_lower")
		}
	}
	slices.Sort(effects)
	return slices.Compact(effects)
}

// ofDangers returns the dangers of an action that are also effects with the same word, whatever its
// kind.
func ofDangers(a *planner.Action) (effects []string) {
	for _, d := range []planner.Danger{planner.DangerBelowUsage, planner.DangerWiderAccess,
		planner.DangerUnlimited} {
		if slices.Contains(a.Danger, d) {
			effects = append(effects, string(d))
		}
	}
	return effects
}

// lowered returns what a new directory's quota takes away from a group that already has a quota.
func lowered(a *planner.Action, d *planner.Detail) (effects []string) {
	if slices.ContainsFunc(a.Changes, func(c planner.Change) bool {
		return c.Attribute.IsQuota() && !c.Before.IsAbsent() && lower(c, d)
	}) {
		effects = append(effects, "quota_lower")
	}
	return effects
}

func effectOf(c planner.Change, d *planner.Detail, i int) string {
	if drift := d.Notes[i].Drift; drift || !c.Attribute.IsQuota() || !lower(c, d) {
		return c.Attribute.Effect(drift)
	}
	return "quota_lower"
}

// lower reports whether a change takes a limit away. A limit of the default quota that reads as
// unlimited counts as no limit: releases of lfs say only that the default covers it, not what it
// is.
func lower(c planner.Change, d *planner.Detail) bool {
	after, ok := c.After.Number()
	if !ok {
		return false
	}
	before, ok := c.Before.Number()
	if !ok {
		return !d.Usage.DefaultCovers(c.Attribute)
	}
	return after < before
}
