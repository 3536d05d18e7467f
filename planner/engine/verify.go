package engine

import (
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Verification says whether a plan file is intact, approved and in date.
type Verification struct {
	ID string `json:"id"`
	// OK reports whether all checks pass.
	OK        bool              `json:"ok"`
	Checks    []Check           `json:"checks"`
	Approvals []approval.Judged `json:"approvals"`
}

// Check is one of the checks of a plan file.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// The names of the checks.
const (
	checkIntact   = "intact"
	checkCurrent  = "current"
	checkUnused   = "unused"
	checkApproved = "approved"
)

func (v *Verification) add(name string, err error, holds string) {
	c := Check{name, err == nil, holds}
	if err != nil {
		c.Text = err.Error()
	}
	v.Checks = append(v.Checks, c)
	v.OK = v.OK && c.OK
}

// Damaged returns the verification of a file that is not a plan file, or whose id cannot be read.
func Damaged(err error) *Verification {
	v := &Verification{OK: true, Approvals: []approval.Judged{}}
	v.add(checkIntact, err, "")
	return v
}

// Verifier checks plan files.
type Verifier struct {
	Rules approval.Rules
	Now   time.Time
	// Node is the engine of the node that would apply the plan and knows which plans have run. It is
	// nil on other machines.
	Node *Engine
}

// Intact begins the verification of a plan file: it checks whether the text says what the plan
// says.
func Intact(file *planfile.File) *Verification {
	v := &Verification{ID: file.ID(), OK: true, Approvals: []approval.Judged{}}
	v.add(checkIntact, file.Check(), "the text is exactly the rendering of the plan in the file")
	return v
}

// Verify continues the verification of an intact file: it checks whether the plan is in date and
// approved. An error means that this could not be checked.
func (c *Verifier) Verify(v *Verification, p *Proposal) (err error) {
	started := false
	if c.Node != nil {
		if started, err = c.Node.current(p, v); err != nil {
			return err
		}
	}
	verdict, err := c.verdict(p, started)
	needed := fmt.Sprintf("%d of %d needed", verdict.Counted, verdict.Required)
	if err == nil && !verdict.Enough {
		err = fmt.Errorf("%s: %s", needed, strings.Join(verdict.Reasons, "; "))
	}
	v.Approvals = append(v.Approvals, verdict.Approvals...)
	v.add(checkApproved, err, needed)
	return nil
}

// verdict judges the approvals. On the node it also uses what the state knows about them.
func (c *Verifier) verdict(p *Proposal, started bool) (approval.Verdict, error) {
	if c.Node != nil {
		return c.Node.verdict(p, c.Rules, started)
	}
	return approval.Judge(approval.Input{Plan: p.ID, Context: p.contextDigest(),
		File: p.Path, Blocks: p.Blocks, Rules: c.Rules, Now: c.Now})
}

// current checks what only the node knows: whether the plan was made under this configuration, has
// run, or was superseded.
func (e *Engine) current(p *Proposal, v *Verification) (begun bool, err error) {
	v.add(checkCurrent, p.configurationChanged(e.Settings),
		"systems, storage, approval and waldur.url are as they were when it was planned; "+
			"apply also compares overrides and what the proxy lists")
	err = e.Store.View(func(tx ledger.Tx) (err error) {
		var at time.Time
		begun, at, err = p.standing(tx)
		switch {
		case begun:
			v.add(checkUnused, nil, "it has begun "+planner.Minute(at)+"; apply resumes it")
		case IsRefused(err):
			v.add(checkUnused, err, "")
			err = nil
		case err == nil:
			v.add(checkUnused, nil, "neither it nor a later plan for its resources has run yet")
		}
		return err
	})
	return begun, err
}

// Text formats the verification for people, in lines of the given width.
func (v *Verification) Text(width int) string {
	const indent = 18
	var b strings.Builder
	if v.ID != "" {
		fmt.Fprintf(&b, "Plan %s\n", v.ID)
	}
	for _, c := range v.Checks {
		mark := "PASS"
		if !c.OK {
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "  %s  %-9s %s\n", mark, c.Name, strings.Join(
			render.Wrap(c.Text, width-indent), "\n"+strings.Repeat(" ", indent)))
	}
	for _, x := range v.Approvals {
		text := fmt.Sprintf("%s approval by %s, %s, ", x.Kind, render.Quote(x.Name),
			planner.Minute(x.Time))
		if x.Counted {
			text += "counts"
		} else {
			text += "not counted: " + x.Why
		}
		if x.ContextDiffers {
			text += "; it was given for the same plan with another context (made at another " +
				"time), and holds"
		}
		b.WriteString("  " + strings.Join(render.Wrap(text, width-6), "\n      ") + "\n")
	}
	return b.String()
}
