package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// verifyOptions are the flags of verify.
type verifyOptions struct {
	json      bool
	approvals []string
	signers   string
}

func (a *app) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify PLAN",
		Short: "check that a plan file is intact, approved and in date",
		Args:  arguments(1, 1),
		Long: `Works off the node: with --allowed-signers it needs no configuration. Without
both, approvals are listed but cannot be judged.

Exit codes: 0 everything holds; 1 error; 3 something does not.`,
	}
	f := cmd.Flags()
	var o verifyOptions
	f.BoolVar(&o.json, "json", false, "print the checks as JSON")
	f.StringArrayVar(&o.approvals, "approval", nil, "count a detached approval in `FILE` too")
	f.StringVar(&o.signers, "allowed-signers", "", "judge signatures by `FILE`, in place of the configuration's")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return o.run(a, args[0]) }
	return cmd
}

// check is one line of verify's answer.
type check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// verification is verify's answer as JSON.
type verification struct {
	ID        string            `json:"id"`
	OK        bool              `json:"ok"`
	Checks    []check           `json:"checks"`
	Approvals []approval.Judged `json:"approvals"`
}

func (v *verification) add(name string, ok bool, text string) {
	v.Checks = append(v.Checks, check{name, ok, text})
	v.OK = v.OK && ok
}

func (o *verifyOptions) run(a *app, path string) error {
	v := &verification{OK: true, Approvals: []approval.Judged{}}
	file, err := a.readPlan(path)
	var format *planfile.FormatError
	var foreign *planfile.ForeignError
	switch {
	case errors.As(err, &format), errors.As(err, &foreign):
		v.add("intact", false, err.Error())
	case err != nil:
		return err
	default:
		if err := o.verify(a, path, file, v); err != nil {
			return err
		}
	}
	if err := o.show(a, v); err != nil {
		return err
	}
	if !v.OK {
		return ended(exitRefused)
	}
	return nil
}

func (o *verifyOptions) verify(a *app, path string, file *planfile.File, v *verification) error {
	v.ID = canonical.ID(file.Plan.Core)
	if err := file.Check(); err != nil {
		v.add("intact", false, err.Error())
		return nil
	}
	v.add("intact", true, "the text is exactly the rendering of the plan in it")
	rules, node, err := o.rules(a)
	if err != nil {
		return err
	}
	blocks, err := detached(file.Approvals, o.approvals)
	if err != nil {
		return err
	}
	var verdict approval.Verdict
	if node != nil {
		p := &engine.Proposal{Plan: file.Plan, ID: v.ID, Path: path, Blocks: blocks}
		started, err := o.onNode(node, p, v)
		if err != nil {
			return err
		}
		verdict, err = node.engine().Verdict(p, rules, started)
		if err != nil {
			v.add("approved", false, err.Error())
			return nil
		}
	} else if verdict, err = approval.Judge(approval.Input{Plan: v.ID, Context: canonical.ContextDigest(file.Plan), File: path, Blocks: blocks,
		Rules: rules, Now: a.now()}); err != nil {
		v.add("approved", false, err.Error())
		return nil
	}
	v.Approvals = append(v.Approvals, verdict.Approvals...)
	text := fmt.Sprintf("%d of %d needed", verdict.Counted, verdict.Required)
	if !verdict.Enough {
		text += ": " + strings.Join(verdict.Reasons, "; ")
	}
	v.add("approved", verdict.Enough, text)
	return nil
}

// onNode checks what only the node knows: whether the plan was made under this configuration, has run, or was superseded.
func (o *verifyOptions) onNode(s *session, p *engine.Proposal, v *verification) (begun bool, err error) {
	if err := p.ConfigurationChanged(&s.cfg.Settings); err != nil {
		v.add("current", false, err.Error())
	} else {
		v.add("current", true, "systems, storage, approval and waldur.url are as when it was made; apply compares overrides and what the proxy lists")
	}
	err = s.store.View(func(tx ledger.Tx) (err error) {
		var at time.Time
		begun, at, err = p.Standing(tx)
		switch {
		case begun:
			v.add("unused", true, "it has begun "+planner.Minute(at)+"; apply resumes it")
		case engine.IsRefused(err):
			v.add("unused", false, err.Error())
			err = nil
		case err == nil:
			v.add("unused", true, "it has not run yet, nor has a later one for its resources")
		}
		return err
	})
	return begun, err
}

// rules come from --allowed-signers, or from the configuration where there is one: then this is taken for the node.
func (o *verifyOptions) rules(a *app) (approval.Rules, *session, error) {
	if o.signers != "" {
		signers, err := a.readSigners(o.signers)
		return approval.Rules{Required: 1, ValidFor: defaultValidity, Signers: signers}, nil, err
	}
	if _, err := a.configuration(); err != nil {
		return approval.Rules{Required: 1, ValidFor: defaultValidity}, nil, nil
	}
	s, err := a.open(config.Skip)
	if err != nil {
		return approval.Rules{}, nil, err
	}
	rules, err := s.rules()
	return rules, s, err
}

// detached adds approvals that came in files of their own.
func detached(blocks [][]byte, files []string) ([][]byte, error) {
	for _, path := range files {
		data, err := state.ReadFile(path, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("read approval: %w", err)
		}
		block, err := approval.Detached(data)
		if err != nil {
			return nil, engine.Refuse(engine.Tampered, fmt.Errorf("approval %s: %w", path, err))
		}
		blocks = append(blocks[:len(blocks):len(blocks)], block)
	}
	return blocks, nil
}

func (o *verifyOptions) show(a *app, v *verification) error {
	if o.json {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return a.print(string(render.EscapeJSON(b)) + "\n")
	}
	var b strings.Builder
	if v.ID != "" {
		fmt.Fprintf(&b, "Plan %s\n", v.ID)
	}
	for _, c := range v.Checks {
		mark := "PASS"
		if !c.OK {
			mark = "FAIL"
		}
		lines := render.Wrap(c.Text, a.width-18)
		fmt.Fprintf(&b, "  %s  %-9s %s\n", mark, c.Name, strings.Join(lines, "\n"+strings.Repeat(" ", 18)))
	}
	for _, x := range v.Approvals {
		text := fmt.Sprintf("%s approval by %s, %s, ", x.Kind, render.Quote(x.Name), planner.Minute(x.Time))
		if x.Counted {
			text += "counts"
		} else {
			text += "not counted: " + x.Why
		}
		if x.ContextDiffers {
			text += "; it was given for the same plan with another context (made at another time), and holds"
		}
		b.WriteString("  " + strings.Join(render.Wrap(text, a.width-6), "\n      ") + "\n")
	}
	return a.print(b.String())
}
