package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// sharedState is a state in which another node has begun a plan.
type sharedState struct{ *state }

func (s sharedState) View(f func(ledger.Tx) error) error { return f(s) }

func (sharedState) Head() (uint64, string)                        { return 0, "" }
func (sharedState) RecordCount() uint64                           { return 0 }
func (sharedState) Recorded() (r planner.Recorded, err error)     { return r, nil }
func (sharedState) Holds(time.Time) (h []planner.Hold, err error) { return h, nil }

// nothing is a proxy that lists nothing, and a storage that shows nothing.
type nothing struct{ engine.Storage }

func (nothing) Name() string                    { return "nothing" }
func (nothing) Wake(context.Context, int) error { return nil }
func (nothing) List(context.Context, []planner.Status) ([]planner.Item, error) {
	return nil, nil
}
func (n nothing) Observer(context.Context, int) (engine.Observer, func(), error) {
	return n, func() {}, nil
}
func (nothing) Mounts(context.Context, []planner.System) map[string]planner.Mount { return nil }
func (nothing) Directories(context.Context,
	planner.Targets[planner.Place]) []planner.Directory {
	return nil
}
func (nothing) Quotas(context.Context,
	planner.Targets[planner.QuotaTarget]) []planner.QuotaState {
	return nil
}
func (nothing) Find(context.Context, []planner.Lost) map[planner.Place]string { return nil }

// TestTakeOverAsksThePolicy: what the database says is not enough to continue the plan of another
// node. The plan must have begun under this policy, and the policy must still allow each action; if
// it only puts one off, the plan continues.
func TestTakeOverAsksThePolicy(t *testing.T) {
	t.Parallel()
	plan := plantest.Mixed()
	id := canonical.ID(plan.Core)
	everything := policy.Policy{MaxChanges: 100, MaxArchives: 100}
	for i := range plan.Core.Actions {
		everything.Allow = append(everything.Allow,
			policy.Effects(&plan.Core.Actions[i], &plan.Context.Details[i])...)
	}
	little, closed := everything, everything
	little.Allow = []string{"create"}
	closed.Windows = []policy.Window{{From: 0, To: 24 * 60, Zone: time.UTC, Deny: true}}
	for name, c := range map[string]struct {
		policy  policy.Policy
		by      string
		approve bool
		says    string
	}{
		"allowed":            {everything, everything.Digest(), true, ""},
		"put off":            {closed, closed.Digest(), true, ""},
		"forbidden":          {little, little.Digest(), false, "the policy does not allow"},
		"by another policy":  {everything, little.Digest(), false, ""},
		"by nobody":          {everything, "", false, ""},
		"forbidden archives": {without(everything, "archive"), without(everything, "archive").Digest(), false, "/old: "},
	} {
		t.Run(name, func(t *testing.T) {
			known := map[string]ledger.Plan{id: {Begun: plantest.Made()}}
			if c.by != "" {
				p := known[id]
				p.Approvals = []ledger.Approval{{Kind: string(approval.KindPolicy), Name: approval.PolicyPrefix + c.by}}
				known[id] = p
			}
			e := &engine.Engine{Settings: &planner.Settings{}, Policy: c.policy,
				Store: sharedState{&state{known: known}}, Storage: nothing{}, Who: "root",
				Rules: func() (approval.Rules, error) { return approval.Rules{Required: 1, ValidFor: time.Hour}, nil },
				Key:   func() (approval.LocalKey, error) { return approval.NewLocalKey([]byte(strings.Repeat("k", 32))) },
				Now:   plantest.Made}
			block, err := e.TakeOver(t.Context(), &engine.Proposal{Plan: plan, ID: id,
				Policy: c.policy.Digest(), Ask: &engine.Request{Source: nothing{}}})
			if (block != nil) != c.approve {
				t.Errorf("approved: %v", block != nil)
			}
			if (err != nil) != (c.says != "") || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("it says %v, want %q", err, c.says)
			}
		})
	}
}

// without returns the policy that does not allow an effect.
func without(p policy.Policy, effect string) policy.Policy {
	var allow []string
	for _, e := range p.Allow {
		if e != effect {
			allow = append(allow, e)
		}
	}
	p.Allow = allow
	return p
}
