package main

import (
	"context"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/terminal"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "find problems before they stop a plan or an apply",
		Args:  arguments(0, 0),
		Long: `Checks the configuration, rights, the storage, lfs, the proxy, Waldur, the clock
and the state. Changes nothing. A Lustre client cannot see everything, such as
whether quotas are enforced: doctor names what you have to check yourself.

Exit codes: 0 no failure, perhaps warnings; 1 at least one failure.`,
	}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print the findings as a JSON array")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), *asJSON) }
	return cmd
}

func (a *app) doctor(ctx context.Context, asJSON bool) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	path, err := a.configuration()
	if err != nil {
		return err
	}
	findings := doctor.Examine(ctx, doctor.Input{Config: s.Config, ConfigPath: path, State: s.Store,
		Files: s.Store.Files(), Site: s.Site(), Transport: a.transport(), Signers: a.readSigners,
		Markers:  func(id string) (doctor.Markers, error) { return s.Markers(id) },
		Database: s.Database(), Node: s.Node(), UID: a.uid, Now: a.now})
	if asJSON {
		err = a.term.PrintJSON(findings)
	} else {
		err = a.term.Print(doctor.Text(findings, a.term.Width, a.verdict))
	}
	if err == nil && doctor.Failed(findings) {
		return ended(exitError)
	}
	return err
}

// verdict returns a verdict in its colour.
func (a *app) verdict(v doctor.Verdict) string {
	paints := map[doctor.Verdict][]color.Attribute{doctor.Pass: a.term.Palette.Green(),
		doctor.Warn: a.term.Palette.Yellow(), doctor.Fail: a.term.Palette.Red()}
	return terminal.Paint(a.term.Colored(a.term.Out), string(v), paints[v]...)
}
