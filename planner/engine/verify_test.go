package engine_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// planFile writes a plan, and reads the file.
func planFile(t *testing.T, p *planner.Plan) (*planfile.File, []byte) {
	t.Helper()
	data, err := planfile.Marshal(p, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := planfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f, data
}

// signer returns a person with a key, and the rules of a site that knows only that key.
func signer(t *testing.T, name string) (ssh.Signer, approval.Rules) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	line := name + " " + string(ssh.MarshalAuthorizedKey(s.PublicKey()))
	signers, err := approval.ParseSigners([]byte(line), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s, approval.Rules{Required: 1, ValidFor: 24 * time.Hour, Signers: signers}
}

// approve signs a plan an hour after it was made.
func approve(t *testing.T, p *planner.Plan, name string, key ssh.Signer) []byte {
	t.Helper()
	m := engine.MessageAbout(p, name, plantest.Made().Add(time.Hour))
	made, err := approval.SSH(rand.Reader, m, key)
	if err != nil {
		t.Fatal(err)
	}
	block, err := made.Block()
	if err != nil {
		t.Fatal(err)
	}
	return block
}

// state is a state in which a plan has begun, ended or neither.
type state struct {
	ledger.Store
	ledger.Tx
	known      map[string]ledger.Plan
	superseded []ledger.Supersession
	broken     error
}

func (s *state) View(f func(ledger.Tx) error) error { return f(s) }
func (s *state) Plan(id string) (p ledger.Plan, known bool, err error) {
	p, known = s.known[id]
	return p, known, s.broken
}

func (s *state) Superseded(ledger.PlanStart) ([]ledger.Supersession, error) {
	return s.superseded, nil
}

func (s *state) ApprovalUsed(string, ledger.Approval) (used bool, at time.Time, err error) {
	return false, time.Time{}, nil
}

func (s *state) HoldsInForce(time.Time) ([]planner.Hold, error) { return nil, s.broken }

// marks returns the checks of a verification: "intact+ approved-".
func marks(v *engine.Verification) string {
	var all []string
	for _, c := range v.Checks {
		mark := "-"
		if c.OK {
			mark = "+"
		}
		all = append(all, c.Name+mark)
	}
	return strings.Join(all, " ")
}

// TestVerify: a file is intact, current, unused and approved, or the verification says which of
// these it is not.
func TestVerify(t *testing.T) {
	t.Parallel()
	plan := plantest.Mixed()
	file, _ := planFile(t, plan)
	anna, rules := signer(t, "anna")
	stranger, _ := signer(t, "anna")
	now := plantest.Made().Add(2 * time.Hour)
	good, bad := approve(t, plan, "anna", anna), approve(t, plan, "anna", stranger)
	other := approve(t, plantest.Base(), "anna", anna)
	id := canonical.ID(plan.Core)
	settings := &planner.Settings{Fingerprint: plan.Core.Configuration}
	for name, c := range map[string]struct {
		block []byte
		node  *state
		now   time.Time
		want  string
		says  string
	}{
		"off the node":    {good, nil, now, "intact+ approved+", "1 of 1 needed"},
		"by a stranger":   {bad, nil, now, "intact+ approved-", "not counted: "},
		"of another plan": {other, nil, now, "intact+ approved-", "approval 1: "},
		"late":            {good, nil, now.AddDate(0, 0, 9), "intact+ approved-", "0 of 1 needed"},
		"on the node": {good, &state{}, now, "intact+ current+ unused+ approved+",
			"has run yet"},
		"begun": {good, &state{known: map[string]ledger.Plan{id: {Begun: now}}}, now,
			"intact+ current+ unused+ approved+", "apply resumes it"},
		"done": {good, &state{known: map[string]ledger.Plan{id: {Result: ledger.Done,
			EndedSeq: 9}}}, now,
			"intact+ current+ unused- approved+", "unused"},
	} {
		v := engine.Intact(file)
		verifier := engine.Verifier{Rules: rules, Now: c.now}
		if c.node != nil {
			verifier.Node = &engine.Engine{Store: c.node, Settings: settings,
				Now: func() time.Time { return c.now }}
		}
		p := &engine.Proposal{Plan: plan, ID: v.ID, Path: "p.plan", Blocks: [][]byte{c.block}}
		if err := verifier.Verify(v, p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, text := marks(v), v.Text(500)
		if got != c.want || !strings.Contains(text, c.says) || v.OK == strings.Contains(got, "-") {
			t.Errorf("%s: %s (ok %t), want %s and %q in\n%s", name, got, v.OK, c.want, c.says, text)
		}
	}
	broken := &engine.Engine{Store: &state{broken: errors.New("disk")}, Settings: settings}
	v := engine.Intact(file)
	if err := (&engine.Verifier{Node: broken}).Verify(v, &engine.Proposal{Plan: plan,
		ID: id}); err == nil {
		t.Error("a state that cannot be read was not missed")
	}
}

// TestVerifyDamaged: a file that is not a plan is not verified, and the verification says why.
func TestVerifyDamaged(t *testing.T) {
	t.Parallel()
	v := engine.Damaged(errors.New("cut off"))
	if v.OK || v.ID != "" || marks(v) != "intact-" || !strings.Contains(v.Text(80), "cut off") {
		t.Errorf("%+v", v)
	}
}

// TestWillCount: an approval that would not count is refused, so that nobody leaves with one.
func TestWillCount(t *testing.T) {
	t.Parallel()
	plan := plantest.Mixed()
	anna, rules := signer(t, "anna")
	stranger, _ := signer(t, "anna")
	now := plantest.Made().Add(2 * time.Hour)
	if err := engine.WillCount(plan, approve(t, plan, "anna", anna), rules, now); err != nil {
		t.Error(err)
	}
	rules.Required = 2 // one of two counts all the same
	if err := engine.WillCount(plan, approve(t, plan, "anna", anna), rules, now); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"a stranger": engine.WillCount(plan, approve(t, plan, "anna", stranger), rules, now),
		"local rules only": engine.WillCount(plan, approve(t, plan, "anna", anna), approval.Rules{},
			now),
	} {
		if !engine.IsRefused(err) || !strings.Contains(fmt.Sprint(err), "nothing was done") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAddApproval: approvals of others stay, and another plan is not approved.
func TestAddApproval(t *testing.T) {
	t.Parallel()
	plan := plantest.Mixed()
	_, data := planFile(t, plan)
	var blocks []string
	for _, name := range []string{"anna", "bea"} {
		key, _ := signer(t, name)
		block := approve(t, plan, name, key)
		blocks = append(blocks, string(block))
		var err error
		if data, err = engine.AddApproval(data, plan, block); err != nil {
			t.Fatal(err)
		}
	}
	f, err := planfile.Parse(data)
	if err != nil || len(f.Approvals) != 2 || string(f.Approvals[0]) != blocks[0] ||
		f.Check() != nil {
		t.Errorf("%v, %d approvals", err, len(f.Approvals))
	}
	_, another := planFile(t, plantest.Base())
	if out, err := engine.AddApproval(another, plan, []byte(blocks[0])); out != nil ||
		!engine.IsRefused(err) {
		t.Errorf("another plan was approved: %v", err)
	}
	for len(f.Approvals) < approval.MaxBlocks {
		f.Approvals = append(f.Approvals, []byte(blocks[0]))
	}
	full := f.Bytes()
	if out, err := engine.AddApproval(full, plan, []byte(blocks[1])); out != nil || err == nil {
		t.Errorf("an approval that nobody would look at was added: %v", err)
	}
	if out, err := engine.AddApproval([]byte("nothing"), plan, []byte(blocks[0])); out != nil ||
		err == nil {
		t.Errorf("an approval was added to nothing: %v", err)
	}
}

// TestDeclaration: people read how much they sign, and how dangerous it is, before they sign.
func TestDeclaration(t *testing.T) {
	t.Parallel()
	plan := plantest.Mixed()
	m := engine.MessageAbout(plan, "anna", plantest.Made())
	text, err := engine.Declaration(plan, m, "with a key")
	want := fmt.Sprintf("exactly the %d actions above, ", len(plan.Core.Actions))
	if err != nil || !strings.Contains(text, want) || !strings.Contains(text, "\nplan "+m.Plan) ||
		strings.HasSuffix(text, "\n") {
		t.Errorf("%v\n%s", err, text)
	}
	m.Comment = "a\x1b[2J"
	if text, err := engine.Declaration(plan, m, "with a key"); err == nil {
		t.Errorf("control characters are to be signed: %q", text)
	}
}
