package approval

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// person returns a signer whose key follows from a word, so that tests are the same each time.
func person(t testing.TB, word string) ssh.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte(word))
	s, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func public(t testing.TB, word string) string {
	return string(ssh.MarshalAuthorizedKey(person(t, word).PublicKey()))
}

// by makes a signed block: a name, with a key, at a time after the test's.
func by(t testing.TB, name, key string, after time.Duration) []byte {
	t.Helper()
	m := testMessage()
	m.Name, m.Time = name, testTime.Add(after)
	return mustBlock(t, signedBy(t, m, person(t, key)), nil)
}

func rules(t testing.TB, required int, lines ...string) Rules {
	t.Helper()
	return Rules{Required: required, ValidFor: 7 * 24 * time.Hour,
		Signers: parseSigners(t, strings.Join(lines, ""))}
}

func judge(t testing.TB, r Rules, now time.Time, blocks ...[]byte) Verdict {
	t.Helper()
	v, err := Judge(Input{Plan: testPlan, Context: testContext, File: "my plan", Blocks: blocks,
		Rules: r, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDifferentPeople(t *testing.T) {
	lines := []string{
		"anna " + public(t, "1"), "anna " + public(t, "2"), "bea " + public(t, "2"),
		"bea " + public(t, "3"),
		"carl " + public(t, "4"), "CARL,dora " + public(t, "5"),
		"ſam " + public(t, "6"), "Sam " + public(t, "7"),
	}
	for name, c := range map[string]struct {
		blocks  [][]byte
		counted int
	}{
		"nobody": {nil, 0},
		"one":    {[][]byte{by(t, "anna", "1", 0)}, 1},
		"two":    {[][]byte{by(t, "anna", "1", 0), by(t, "carl", "4", 0)}, 2},
		"three": {[][]byte{by(t, "anna", "1", 0), by(t, "carl", "4", 0),
			by(t, "bea", "3", 0)}, 3},
		"the same block twice": {[][]byte{by(t, "anna", "1", 0), by(t, "anna", "1", 0)}, 1},
		"the same person twice": {[][]byte{by(t, "anna", "1", 0),
			by(t, "anna", "1", time.Minute)}, 1},
		"two keys of one name": {[][]byte{by(t, "anna", "1", 0), by(t, "anna", "2", 0)}, 1},
		"two names of one key": {[][]byte{by(t, "anna", "2", 0), by(t, "bea", "2", 0)}, 1},
		"by way of a third": {[][]byte{by(t, "anna", "1", 0), by(t, "bea", "3", 0),
			by(t, "anna", "2", 0), by(t, "bea", "2", 0)}, 1},
		"the same, links first": {[][]byte{by(t, "bea", "2", 0), by(t, "anna", "2", 0),
			by(t, "bea", "3", 0), by(t, "anna", "1", 0)}, 1},
		"one name in two cases":   {[][]byte{by(t, "carl", "4", 0), by(t, "CARL", "5", 0)}, 1},
		"old letters, new ones":   {[][]byte{by(t, "ſam", "6", 0), by(t, "Sam", "7", 0)}, 1},
		"one no longer listed":    {[][]byte{by(t, "anna", "1", 0), by(t, "carl", "gone", 0)}, 1},
		"a name of somebody else": {[][]byte{by(t, "anna", "1", 0), by(t, "carl", "1", 0)}, 1},
		"unlisted links no people": {[][]byte{by(t, "anna", "1", 0), by(t, "carl", "4", 0),
			by(t, "anna", "4", 0)}, 2},
	} {
		for required := 1; required <= 3; required++ {
			v := judge(t, rules(t, required, lines...), testTime, c.blocks...)
			if v.Counted != c.counted || v.Enough != (c.counted >= required) {
				t.Errorf("%s: counted %d, want %d; required %d, enough %v", name, v.Counted,
					c.counted, required, v.Enough)
			}
			if v.Enough == (len(v.Reasons) > 0) {
				t.Errorf("%s: enough %v, reasons %q", name, v.Enough, v.Reasons)
			}
			for _, j := range v.Approvals {
				if j.Counted == (j.Why != "") {
					t.Errorf("%s: counted %v, why %q", name, j.Counted, j.Why)
				}
			}
		}
	}
}

func TestReasonsNameTheNextCommand(t *testing.T) {
	r := rules(t, 2, "anna "+public(t, "1"))
	v := judge(t, r, testTime, by(t, "anna", "1", 0), by(t, "anna", "1", time.Minute),
		by(t, "bea", "2", 0))
	got := strings.Join(v.Reasons, "\n")
	want := "approved by 1 of 2 different people; somebody else must approve too\n" +
		`approval 2 by "anna" is not counted: by a person who is already counted: "anna"` + "\n" +
		`approval 3 by "bea" is not counted: allowed_signers does not give ` +
		Fingerprint(person(t, "2").PublicKey()) + ` the name "bea"` + "\n" +
		"next: cscs-sync approve --key KEY 'my plan'"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	local := Rules{Required: 1, ValidFor: time.Hour}
	if got := strings.Join(judge(t, local, testTime).Reasons,
		"\n"); got != "one approval is needed\nnext: cscs-sync approve 'my plan'" {
		t.Errorf("local: %s", got)
	}
}

// An approval that was used for one apply does not count for another. A plan that has begun
// continues with it.
func TestUsedApprovals(t *testing.T) {
	r := rules(t, 1, "anna "+public(t, "1"))
	old, fresh := by(t, "anna", "1", 0), by(t, "anna", "1", time.Minute)
	served := judge(t, r, testTime, old).Approvals[0].ID
	in := Input{Plan: testPlan, Context: testContext, Blocks: [][]byte{old}, Rules: r,
		Now:  testTime.Add(time.Hour),
		Used: func(j Judged) (time.Time, bool) { return testTime, j.ID == served }}
	v, err := Judge(in)
	if err != nil || v.Enough || !strings.Contains(v.Approvals[0].Why,
		"used already: the apply that it was given for began 2026-11-22 21:40:03 UTC") {
		t.Errorf("%+v, %v", v, err)
	}
	in.Started = true
	if v, err := Judge(in); err != nil || !v.Enough {
		t.Errorf("begun: %+v, %v", v, err)
	}
	in.Started, in.Blocks = false, [][]byte{old, fresh}
	if v, err := Judge(in); err != nil || !v.Enough || v.Approvals[0].Counted ||
		!v.Approvals[1].Counted {
		t.Errorf("with a fresh one: %+v, %v", v, err)
	}
}

func TestTimes(t *testing.T) {
	r := rules(t, 1, "anna "+public(t, "1"))
	block, week := by(t, "anna", "1", 0), 7*24*time.Hour
	if v := judge(t, r, testTime.Add(week), block); !v.Enough {
		t.Errorf("at its last second: %q", v.Reasons)
	}
	v := judge(t, r, testTime.Add(week+time.Second), block)
	if v.Enough || !strings.Contains(v.Approvals[0].Why,
		"expired: given 2026-11-22 21:40:03 UTC, valid for 7d, and it is 2026-11-29 21:40:04 "+
			"UTC now") {
		t.Errorf("after that: %+v", v.Approvals)
	}
	if v := judge(t, r, testTime.Add(week+time.Second), block,
		by(t, "anna", "1", time.Hour)); !v.Enough || v.Approvals[0].Counted {
		t.Errorf("approved again: %+v", v)
	}
	if v := judge(t, r, testTime.Add(-MaxAhead), block); !v.Enough {
		t.Errorf("five minutes ahead: %q", v.Reasons)
	}
	in := Input{Plan: testPlan, Context: testContext, Blocks: [][]byte{block}, Rules: r,
		Now: testTime.Add(-MaxAhead - time.Second)}
	var refused *BlockError
	if _, err := Judge(in); !errors.As(err, &refused) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("more than that: %v", err)
	}
}

func TestBegunPlanIsNotJudgedByTimeAgain(t *testing.T) {
	in := Input{Plan: testPlan, Context: testContext, Started: true,
		Blocks: [][]byte{by(t, "anna", "1", 0)},
		Rules:  rules(t, 1, "anna "+public(t, "1"))}
	for _, now := range []time.Time{testTime.AddDate(1, 0, 0), testTime.AddDate(-1, 0, 0)} {
		in.Now = now
		if v, err := Judge(in); err != nil || !v.Enough {
			t.Errorf("at %s: %v %q", now, err, v.Reasons)
		}
	}
	in.Rules = rules(t, 1, "bea "+public(t, "2"))
	if v, err := Judge(in); err != nil || v.Enough {
		t.Errorf("enough by somebody no longer listed, or %v", err)
	}
	a := signedBy(t, testMessage(), person(t, "1"))
	a.Message.Comment = "something else"
	in.Blocks = [][]byte{mustBlock(t, a, nil)}
	if _, err := Judge(in); err == nil {
		t.Error("signatures are no longer checked")
	}
}

func TestWhatRefusesTheFile(t *testing.T) {
	r := rules(t, 1, "anna "+public(t, "1"))
	r.LocalKey = testKey(t)
	good := by(t, "anna", "1", 0)
	signed := signedBy(t, testMessage(), person(t, "1"))
	local, err := Local(testMessage(), "anna", testKey(t))
	if err != nil {
		t.Fatal(err)
	}
	changed := func(a Approval, change func(*Approval)) []byte {
		a.Proof = bytes.Clone(a.Proof)
		change(&a)
		return mustBlock(t, a, nil)
	}
	for name, c := range map[string]struct {
		bad  []byte
		want string
	}{
		"rubbish":       {[]byte("rubbish"), "PEM"},
		"empty":         {nil, "PEM"},
		"not canonical": {append(bytes.Clone(good), '\n'), "canonical"},
		"another plan, signed": {mustBlock(t, signedBy(t, forPlan(testContext), person(t, "1")),
			nil), "it approves plan " + testContext},
		"message changed": {changed(signed, func(a *Approval) { a.Message.Name = "bea" }),
			"does not fit the message"},
		"plan changed": {changed(signed,
			func(a *Approval) { a.Message.Plan = testContext }), "it approves plan"},
		"context changed": {changed(signed,
			func(a *Approval) { a.Message.Context = testPlan }), "does not fit the message"},
		"signature changed": {changed(signed,
			func(a *Approval) { a.Proof[len(a.Proof)-1] ^= 1 }), "does not fit the message"},
		"local, message changed": {changed(local, func(a *Approval) { a.Message.Name = "bea" }),
			"MAC"},
		"local, login changed": {changed(local, func(a *Approval) { a.Login = "bea" }), "MAC"},
		"local, MAC changed":   {changed(local, func(a *Approval) { a.Proof[0] ^= 1 }), "MAC"},
	} {
		_, err := Judge(Input{Plan: testPlan, Context: testContext, Blocks: [][]byte{good, c.bad},
			Rules: r, Now: testTime})
		var refused *BlockError
		if !errors.As(err, &refused) || refused.Number != 2 || !strings.Contains(err.Error(),
			c.want) {
			t.Errorf("%s: got %v, want an error on block 2 with %q", name, err, c.want)
		}
	}
}

func forPlan(plan string) Message {
	m := testMessage()
	m.Plan = plan
	return m
}

func TestAnotherContextHoldsAndIsSaid(t *testing.T) {
	m := testMessage()
	m.Name, m.Context = "anna", testPlan
	v := judge(t, rules(t, 1, "anna "+public(t, "1")), testTime,
		mustBlock(t, signedBy(t, m, person(t, "1")), nil))
	if !v.Enough || !v.Approvals[0].ContextDiffers {
		t.Errorf("got %+v", v)
	}
	v = judge(t, rules(t, 1, "anna "+public(t, "1")), testTime, by(t, "anna", "1", 0))
	if v.Approvals[0].ContextDiffers {
		t.Error("the same context differs")
	}
}

func TestLocalApprovals(t *testing.T) {
	key := testKey(t)
	a, err := Local(testMessage(), "root", key)
	local := mustBlock(t, a, err)
	r := Rules{Required: 1, ValidFor: time.Hour, LocalKey: key}
	v := judge(t, r, testTime, local)
	if !v.Enough || v.Approvals[0].Login != "root" || v.Approvals[0].Name != "anna@example.com" ||
		v.Approvals[0].Kind != KindLocal {
		t.Errorf("got %+v", v)
	}
	for name, c := range map[string]struct {
		rules Rules
		block []byte
		want  string
	}{
		"off the node": {Rules{Required: 1, ValidFor: time.Hour}, local,
			"can be checked only there"},
		"signatures required": {Rules{Required: 1, ValidFor: time.Hour, LocalKey: key,
			Signers: new(Signers)}, local, "only signatures count"},
		"signed, no list":      {r, by(t, "anna", "1", 0), "allowed_signers is not configured"},
		"signed, list empty":   {rules(t, 1), by(t, "anna", "1", 0), "does not give"},
		"by an unknown policy": {r, policyBlock(t, testPlan), "a policy's approval counts only"},
	} {
		v := judge(t, c.rules, testTime, c.block)
		if v.Enough || !strings.Contains(v.Approvals[0].Why, c.want) {
			t.Errorf("%s: %+v", name, v.Approvals[0])
		}
	}
}

func policyBlock(t *testing.T, digest string) []byte {
	t.Helper()
	a, err := Policy(testMessage(), digest, "root", testKey(t))
	return mustBlock(t, a, err)
}

func TestPolicyApprovals(t *testing.T) {
	r := rules(t, 2, "anna "+public(t, "1"))
	r.LocalKey, r.Policy = testKey(t), testPlan
	v := judge(t, r, testTime, policyBlock(t, testPlan))
	if !v.Enough || !v.ByPolicy || v.Counted != 0 {
		t.Errorf("the policy in force: %+v", v)
	}
	if v := judge(t, r, testTime, policyBlock(t, testContext), by(t, "anna", "1", 0)); v.Enough ||
		v.Counted != 1 {
		t.Errorf("another policy and one of two people: %+v", v)
	}
	r.Policy = ""
	in := Input{Plan: testPlan, Context: testContext, Blocks: [][]byte{policyBlock(t, testPlan)},
		Rules: r, Now: testTime}
	if v, err := Judge(in); err != nil || v.Enough {
		t.Errorf("without asking the policy: %+v, %v", v, err)
	}
	in.Started = true
	if v, err := Judge(in); err != nil || !v.Enough {
		t.Errorf("begun under a policy that changed since: %+v, %v", v, err)
	}
	in.Rules.LocalKey = LocalKey{}
	if v, err := Judge(in); err != nil || v.Enough {
		t.Errorf("unchecked: %+v, %v", v, err)
	}
}

func TestRulesThatMakeNoSense(t *testing.T) {
	good := Input{Plan: testPlan, Context: testContext, Rules: rules(t, 1), Now: testTime}
	for name, change := range map[string]func(*Input){
		"nobody required":     func(in *Input) { in.Rules.Required = 0 },
		"two without signers": func(in *Input) { in.Rules.Required, in.Rules.Signers = 2, nil },
		"valid for nothing":   func(in *Input) { in.Rules.ValidFor = 0 },
		"no plan":             func(in *Input) { in.Plan = "" },
		"no context":          func(in *Input) { in.Context = "sha256:" },
	} {
		in := good
		change(&in)
		var block *BlockError
		if v, err := Judge(in); err == nil || errors.As(err, &block) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// TestTooManyApprovals: a file with more approvals than are checked is refused, like other invalid
// files.
func TestTooManyApprovals(t *testing.T) {
	in := Input{Plan: testPlan, Context: testContext, Rules: rules(t, 1), Now: testTime,
		Blocks: make([][]byte, MaxBlocks+1)}
	for i := range in.Blocks {
		in.Blocks[i] = by(t, "anna", "1", time.Duration(i)*time.Second)
	}
	var block *BlockError
	if _, err := Judge(in); !errors.As(err, &block) || !strings.Contains(err.Error(),
		"there are 101, and at most 100 are checked") {
		t.Errorf("%v", err)
	}
	in.Blocks = in.Blocks[:MaxBlocks]
	if v, err := Judge(in); err != nil || len(v.Approvals) != MaxBlocks {
		t.Errorf("%d, %v", len(v.Approvals), err)
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"week.plan": "week.plan", "/srv/a b": "'/srv/a b'", "it's": `'it'\''s'`, "-x": "'./-x'",
		"a\nb": "PLAN", "$(x)": "'$(x)'", "größer": "'größer'",
	} {
		if got := quote(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
