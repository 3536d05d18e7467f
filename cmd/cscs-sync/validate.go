package main

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

func (a *app) validateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "check the configuration and its overrides, offline",
		Args:  arguments(0, 0),
		Long: `Checks everything that can be checked without the proxy and the storage: syntax,
values, overrides, and whether secrets exist and are protected. Shows all
findings at once.

Exit codes: 0 valid; 1 there are errors.`,
	}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print the findings as a JSON array")
	without := f.Bool("no-secrets", false, "do not look at secrets: for a machine that has none, "+
		"such as CI")
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		secrets := config.CheckOnly
		if *without {
			secrets = config.Skip
		}
		return a.validate(*asJSON, secrets)
	}
	return cmd
}

func (a *app) validate(asJSON bool, secrets config.SecretMode) error {
	path, err := a.configuration()
	if err != nil {
		return err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: secrets,
		Variables: a.variables})
	if !diags.HasErrors() && cfg.Approval.AllowedSigners != "" {
		if _, err := a.readSigners(cfg.Approval.AllowedSigners); err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError,
				Summary: "Unusable allowed_signers", Detail: err.Error()})
		}
	}
	if asJSON {
		err = config.WriteJSON(a.term.Out, diags)
	} else {
		err = a.term.WriteDiagnostics(a.term.Err, diags, cfg.Sources)
	}
	if err != nil {
		return err
	}
	if diags.HasErrors() {
		return ended(exitError)
	}
	if asJSON {
		return nil
	}
	return a.term.Print(fmt.Sprintf("Success! The configuration is valid: %s, %s.\n",
		planner.Count(len(cfg.Settings.Systems), "system"),
		planner.Count(len(cfg.Overrides), "override")))
}
