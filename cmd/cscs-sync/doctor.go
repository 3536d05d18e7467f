package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers/doctor"
)

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "look for what would go wrong, before it does",
		Args:  arguments(0, 0),
		Long: `Checks the configuration, rights, the storage, lfs, the proxy, Waldur, the clock
and the state. Changes nothing. What a client of Lustre cannot see (whether
quotas are enforced) it can only name.

Exit codes: 0 nothing is wrong, perhaps with warnings; 1 something is.`,
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
	findings := doctor.Examine(ctx, doctor.Input{Config: s.cfg, ConfigPath: path, State: s.store,
		Files: s.store.Files(), Site: s.site(), Transport: a.transport(), Signers: a.readSigners,
		Markers:  func(id string) (doctor.Markers, error) { return s.markers(id) },
		Database: database(s.cfg.Shared), Node: s.cfg.Node(a.host), UID: a.uid, Now: a.now})
	failed, text := a.findings(findings)
	if asJSON {
		err = a.printJSON(findings)
	} else {
		err = a.print(text)
	}
	if err == nil && failed {
		return ended(exitError)
	}
	return err
}

// checkWidth is where the text of a finding begins.
const checkWidth = 24

// findings lists findings and counts the verdicts; failed reports whether one is a failure.
func (a *app) findings(findings []doctor.Finding) (failed bool, text string) {
	paints := map[doctor.Verdict][]color.Attribute{doctor.Pass: a.palette.Green(),
		doctor.Warn: a.palette.Yellow(), doctor.Fail: a.palette.Red()}
	counts := map[doctor.Verdict]int{}
	var b strings.Builder
	for _, f := range findings {
		counts[f.Verdict]++
		lines := render.Wrap(f.Text, a.width-checkWidth)
		verdict := a.paint(a.stdout, string(f.Verdict), paints[f.Verdict]...)
		fmt.Fprintf(&b, "%s  %-*s%s\n", verdict, checkWidth-6, f.Check+" ", lines[0])
		for _, line := range lines[1:] {
			fmt.Fprintf(&b, "%*s%s\n", checkWidth, "", line)
		}
	}
	fmt.Fprintf(&b, "\n%d passed, %s, %s.\n", counts[doctor.Pass],
		planner.Count(counts[doctor.Warn], "warning"), planner.Count(counts[doctor.Fail], "failure"))
	return counts[doctor.Fail] > 0, b.String()
}
