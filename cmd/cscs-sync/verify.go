package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// defaultValidity is approval.valid_for if there is no configuration.
const defaultValidity = 7 * 24 * time.Hour

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
		Long: `Also works on another machine: with --allowed-signers it needs no
configuration. With neither, it lists the approvals but cannot judge them.

Exit codes: 0 everything holds; 1 error; 3 something does not.`,
	}
	f := cmd.Flags()
	var o verifyOptions
	f.BoolVar(&o.json, "json", false, "print the checks as JSON")
	f.StringArrayVar(&o.approvals, "approval", nil, "also count the detached approval in `FILE`")
	f.StringVar(&o.signers, "allowed-signers", "", "judge signatures by `FILE` instead of the "+
		"configuration's")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return o.run(a, args[0]) }
	return cmd
}

func (o *verifyOptions) run(a *app, path string) error {
	v, err := o.verify(a, path)
	if err != nil {
		return err
	}
	if o.json {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		err = a.term.Print(string(render.EscapeJSON(b)) + "\n")
		if err != nil {
			return err
		}
	} else if err := a.term.Print(v.Text(a.term.Width)); err != nil {
		return err
	}
	if !v.OK {
		return ended(exitRefused)
	}
	return nil
}

func (o *verifyOptions) verify(a *app, path string) (*engine.Verification, error) {
	file, err := a.readPlan(path)
	var format *planfile.FormatError
	var foreign *planfile.ForeignError
	switch {
	case errors.As(err, &format), errors.As(err, &foreign):
		return engine.Damaged(err), nil
	case err != nil:
		return nil, err
	}
	v := engine.Intact(file)
	if !v.OK {
		return v, nil
	}
	rules, node, err := o.rules(a)
	if err != nil {
		return nil, err
	}
	blocks, err := detached(file.Approvals, o.approvals)
	if err != nil {
		return nil, err
	}
	verifier := engine.Verifier{Rules: rules, Now: a.now()}
	if node != nil {
		verifier.Node = node.Engine()
	}
	p := engine.InFile(file, path)
	p.Blocks = blocks
	return v, verifier.Verify(v, p)
}

// rules returns the rules from --allowed-signers, or from the configuration. With a configuration,
// this machine counts as the node.
func (o *verifyOptions) rules(a *app) (approval.Rules, *session.Session, error) {
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
	rules, err := s.Rules()
	return rules, s, err
}

// detached adds approvals from separate files.
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
