package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// MessageAbout returns the message that a person signs to approve a plan now.
func MessageAbout(p *planner.Plan, name string, now time.Time) approval.Message {
	return approval.Message{Plan: canonical.ID(p.Core), Context: canonical.ContextDigest(p),
		Name: name, Time: now.UTC().Truncate(time.Second)}
}

// Declaration says what a person is about to sign, and how. It refuses a message that cannot be
// signed.
func Declaration(p *planner.Plan, m approval.Message, how string) (string, error) {
	text, err := m.Text()
	if err != nil {
		return "", err
	}
	dangerous := 0
	for i := range p.Core.Actions {
		dangerous += min(len(p.Core.Actions[i].Danger), 1)
	}
	return fmt.Sprintf("You approve exactly the %s above, %d of them dangerous, and nothing "+
		"else.\n"+
		"This is signed, %s:\n\n%s", planner.Count(len(p.Core.Actions), "action"), dangerous, how,
		strings.TrimSuffix(string(text), "\n")), nil
}

// WillCount refuses an approval that an apply under these rules would not count. Otherwise the
// approver would leave and the plan would wait.
func WillCount(p *planner.Plan, block []byte, rules approval.Rules, now time.Time) error {
	if rules.Signers == nil {
		return Refuse(Configuration,
			errors.New("this site takes local approvals only, because the configuration has no "+
				"approval.allowed_signers, so nobody could tell whose key it is. Approve on the "+
				"node without --key, or add approval.allowed_signers; nothing was done"))
	}
	rules.Required = 1
	verdict, err := approval.Judge(approval.Input{Plan: canonical.ID(p.Core),
		Context: canonical.ContextDigest(p), Blocks: [][]byte{block}, Rules: rules, Now: now})
	if err != nil {
		return err
	}
	if why := verdict.Approvals[0].Why; why != "" {
		return Refuse(NotApproved, fmt.Errorf("this approval would not count: %s; nothing was done",
			why))
	}
	return nil
}

// AddApproval returns a plan file with one more approval. existing is the file as it is now: while
// a person read the plan and answered, others may have approved it too, and their approvals stay.
// If the file now has another plan, AddApproval refuses it, because that plan was not shown.
func AddApproval(existing []byte, shown *planner.Plan, block []byte) ([]byte, error) {
	file, err := planfile.Parse(existing)
	if err == nil {
		err = file.Check()
	}
	if err != nil {
		return nil, err
	}
	if file.ContextDigest() != canonical.ContextDigest(shown) {
		return nil, Refuse(Tampered, fmt.Errorf("the plan changed after it was shown: it is plan %s "+
			"now, planned %s; nothing was approved; approve it again",
			canonical.ShortID(file.ID()),
			planner.Minute(file.Plan.Context.Made)))
	}
	if n := len(file.Approvals); n >= approval.MaxBlocks {
		return nil, Refuse(Input, fmt.Errorf("it has %d approvals, and no more are checked; "+
			"nothing was added; plan again", n))
	}
	if err := file.AddApproval(block); err != nil {
		return nil, err
	}
	return file.Bytes(), nil
}

// SignedElsewhere returns the approval that ssh-keygen made by signing a message about the plan.
func SignedElsewhere(p *planner.Plan, message, signature []byte) (approval.Approval, error) {
	made, err := approval.FromSSHSIG(message, signature)
	if id := canonical.ID(p.Core); err == nil && made.Message.Plan != id {
		err = Refuse(Input, fmt.Errorf(
			"the signed message is about plan %s, not about this one, %s",
			canonical.ShortID(made.Message.Plan), canonical.ShortID(id)))
	}
	return made, err
}
