package approval

import (
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// MaxAhead is how far an approval's time may be ahead of the judge's clock. More than that means a
// wrong clock or a lie.
const MaxAhead = 5 * time.Minute

// MaxBlocks is how many approvals a plan may have.
const MaxBlocks = 100

// Rules are what the configuration requires of approvals.
type Rules struct {
	// Required is approval.required: how many different people. More than one needs Signers.
	Required int
	// ValidFor is approval.valid_for, counted from each approval's own time.
	ValidFor time.Duration
	// Signers is approval.allowed_signers. If it is nil, only local approvals count.
	Signers *Signers
	// LocalKey is the node's approval key. Without it, off the node, approvals with a MAC do not
	// count.
	LocalKey LocalKey
	// Policy is the digest ("sha256:…") of the policy whose approval counts. Only a caller that has
	// just asked that policy about every action of the plan sets it; if it is empty, no policy's
	// approval counts. One approval of a policy is enough.
	Policy string
}

// Input is what [Judge] decides about.
type Input struct {
	// Plan is the plan's id, and Context is the digest of the machine's part, as in [Message].
	Plan    string
	Context string
	// File is the plan file's name as the user gave it, for the commands in reasons.
	File string
	// Blocks are the file's approvals followed by detached ones, each as [Parse] accepts it.
	Blocks [][]byte
	Rules  Rules
	Now    time.Time
	// Used reports whether an approval was used by an apply that began earlier, and when. It is nil if
	// nobody knows.
	Used func(Judged) (at time.Time, used bool)
	// Started reports whether the plan has begun. If so, times and the policy in force were judged
	// before and are not judged again. Signatures and signers still are.
	Started bool
}

// Judged is one approval, and whether it counts.
type Judged struct {
	// ID identifies the approval, whatever its encoding. It depends on what was signed and with which
	// key.
	ID      string    `json:"-"`
	Kind    Kind      `json:"kind"`
	Name    string    `json:"name"`
	Login   string    `json:"login,omitempty"`
	Key     string    `json:"key,omitempty"`
	Time    time.Time `json:"time"`
	Ticket  string    `json:"ticket,omitempty"`
	Comment string    `json:"comment,omitempty"`
	Counted bool      `json:"counted"`
	// Why says why it is not counted; empty if it is.
	Why string `json:"why,omitempty"`
	// ContextDiffers reports whether the approver saw the same plan with another context, for example
	// made at another time. Such an approval counts.
	ContextDiffers bool `json:"context_differs,omitempty"`
}

// Verdict is what [Judge] found, in the order of the blocks.
type Verdict struct {
	Approvals []Judged
	// Required and Counted are numbers of different people.
	Required int
	Counted  int
	// ByPolicy reports whether the policy's approval counts.
	ByPolicy bool
	Enough   bool
	// Expired reports whether an approval is out of date.
	Expired bool
	// Reasons say why the approvals are not enough, and which command helps.
	Reasons []string
}

// BlockError refuses a whole plan file because of one of its approvals, which was tampered with, is
// damaged, or belongs to another plan.
type BlockError struct {
	// Number is the number of the block, from 1.
	Number int
	Err    error
}

// Error names the block and says what to do.
func (e *BlockError) Error() string {
	return fmt.Sprintf("approval %d: %v; the file is refused: get it again from the person who "+
		"approved it, or plan again", e.Number, e.Err)
}

// Unwrap returns the reason.
func (e *BlockError) Unwrap() error { return e.Err }

// genuine is an approval whose proof is valid.
type genuine struct {
	approval Approval
	id       string
	key      ssh.PublicKey // of a signed one
	unknown  bool          // its MAC could not be checked, because the key is elsewhere
}

// Judge decides whether the approvals are enough. An error refuses the file. It is a *[BlockError],
// unless the input itself is wrong.
func Judge(in Input) (Verdict, error) {
	if err := in.check(); err != nil {
		return Verdict{}, err
	}
	all := make([]genuine, len(in.Blocks))
	for i, block := range in.Blocks {
		g, err := in.verify(block)
		if err != nil {
			return Verdict{}, &BlockError{Number: i + 1, Err: err}
		}
		all[i] = g
	}
	v := Verdict{Required: in.Rules.Required, Approvals: make([]Judged, len(all))}
	for i, g := range all {
		v.Approvals[i] = in.judged(g)
		v.Expired = v.Expired || in.expired(g)
	}
	in.count(&v, all)
	v.Enough = v.ByPolicy || v.Counted >= v.Required
	if !v.Enough {
		v.Reasons = in.reasons(v)
	}
	return v, nil
}

func (in Input) check() error {
	if err := checkDigest("plan", in.Plan); err != nil {
		return err
	}
	if err := checkDigest("context", in.Context); err != nil {
		return err
	}
	if n := len(in.Blocks); n > MaxBlocks {
		return &BlockError{Number: MaxBlocks + 1,
			Err: fmt.Errorf("there are %d, and at most %d are checked", n, MaxBlocks)}
	}
	r := in.Rules
	if r.Required < 1 {
		return fmt.Errorf("judge approvals: approval.required is %d, want at least 1", r.Required)
	}
	if r.Required > 1 && r.Signers == nil {
		return fmt.Errorf("judge approvals: approval.required is %d, and telling people apart "+
			"needs approval.allowed_signers", r.Required)
	}
	if r.ValidFor <= 0 {
		return fmt.Errorf("judge approvals: approval.valid_for is %s, want more than nothing",
			r.ValidFor)
	}
	return nil
}

// verify checks everything that refuses the whole file if it fails.
func (in Input) verify(block []byte) (genuine, error) {
	a, err := Parse(block)
	if err != nil {
		return genuine{}, err
	}
	if a.Message.Plan != in.Plan {
		return genuine{}, fmt.Errorf("it approves plan %s, but this is plan %s", a.Message.Plan, in.Plan)
	}
	g := genuine{approval: a}
	if a.Kind == KindSSH {
		g.key, err = a.verifySSH()
	} else if in.Rules.LocalKey.set {
		err = in.Rules.LocalKey.verifyMAC(a)
	} else {
		g.unknown = true
	}
	if err != nil {
		return genuine{}, fmt.Errorf("by %q: %w", a.Message.Name, err)
	}
	if ahead := a.Message.Time.Sub(in.Now); ahead > MaxAhead && !in.Started {
		return genuine{}, fmt.Errorf(
			"by %q: its time %s is more than 5 minutes ahead of %s; check the clocks of both "+
				"machines",
			a.Message.Name, showTime(a.Message.Time), showTime(in.Now))
	}
	g.id, err = g.approval.identity(g.key)
	return g, err
}

// judged fills in what does not depend on the other approvals. If Why is empty, the approval may
// still not count.
func (in Input) judged(g genuine) Judged {
	m := g.approval.Message
	j := Judged{
		ID: g.id, Kind: g.approval.Kind, Name: m.Name, Login: g.approval.Login, Time: m.Time,
		Ticket:         m.Ticket,
		Comment:        m.Comment,
		ContextDiffers: m.Context != in.Context,
	}
	if g.key != nil {
		j.Key = Fingerprint(g.key)
	}
	j.Why = in.whyNot(g, j)
	return j
}

// expired reports whether an approval is out of date. An approval of a plan that has begun never
// is.
func (in Input) expired(g genuine) bool {
	return !in.Started && in.Now.After(g.approval.Message.Time.Add(in.Rules.ValidFor))
}

// whyNot says why a genuine approval does not count; empty if it does.
func (in Input) whyNot(g genuine, j Judged) string {
	if in.expired(g) {
		return fmt.Sprintf("expired: given %s, valid for %s, and it is %s now",
			showTime(g.approval.Message.Time),
			showDuration(in.Rules.ValidFor), showTime(in.Now))
	}
	if in.Used != nil && !in.Started {
		if at, used := in.Used(j); used {
			return fmt.Sprintf("used already: the apply that it was given for began %s, "+
				"and an approval is for "+
				"one apply", showTime(at))
		}
	}
	if g.unknown {
		return "made on the node that applies, and can be checked only there"
	}
	switch g.approval.Kind {
	case KindSSH:
		return in.whyNotSigned(g)
	case KindLocal:
		if in.Rules.Signers != nil {
			return "it is not signed: with approval.allowed_signers only signatures count"
		}
	case KindPolicy:
		if !in.Started && g.approval.Message.Name != PolicyPrefix+in.Rules.Policy {
			return "a policy's approval counts only while the run that gave it begins the plan, " +
				"under the same policy"
		}
	}
	return ""
}

func (in Input) whyNotSigned(g genuine) string {
	if in.Rules.Signers == nil {
		return "cannot tell whose key it is: approval.allowed_signers is not configured"
	}
	if err := in.Rules.Signers.allows(g.approval.Message.Name, g.key,
		g.approval.Message.Time); err != nil {
		return err.Error()
	}
	return ""
}
