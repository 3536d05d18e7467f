package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/held"
)

func (a *app) heldCommand() *cobra.Command {
	return group("held", "plans that the loop holds for a person", a.heldListCommand(), a.heldShowCommand(), a.heldApproveCommand(),
		a.heldRejectCommand())
}

func (a *app) heldListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list what waits for a person, and since when", Args: arguments(0, 0)}
	asJSON := cmd.Flags().Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, _ []string) error { return a.listHeld(*asJSON) }
	return cmd
}

func (a *app) heldShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show REF", Short: "render a held plan, as show does", Args: arguments(1, 1)}
	commands := cmd.Flags().Bool("commands", false, "show the equivalent shell lines")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		path, err := a.heldPath(args[0])
		if err != nil {
			return err
		}
		o := showOptions{commands: *commands}
		return o.run(a, path)
	}
	return cmd
}

func (a *app) heldApproveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approve REF",
		Short: "approve a held plan; the loop applies it in its next round",
		Args:  arguments(1, 1),
		Long: `As approve, for a held plan. REF is its name, or the first digits of its id: see
held list.`,
	}
	var o approveOptions
	o.flags(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		path, err := a.heldPath(args[0])
		if err != nil {
			return err
		}
		return o.run(a, path)
	}
	return cmd
}

func (a *app) heldRejectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reject REF",
		Short: "remove a held plan, and do not hold it again",
		Args:  arguments(1, 1),
		Long: `Removes a held plan. The loop does not hold it again until its id changes,
which happens when something else is wanted or the storage has changed. Waldur
is told nothing: to reject an order, use plan --reject.

REF is the plan's name, or the first digits of its id: see held list. A plan
that this version can't use is named by its file, such as 0a1b2c3d4e5f.plan.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`), for the people who find it in the history")
	undo := f.Bool("undo", false, "forget a rejection: the loop may hold the plan again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *undo {
			return a.unreject(cmd.Context(), args[0])
		}
		return a.reject(cmd.Context(), args[0], strings.TrimSpace(*reason))
	}
	return cmd
}

// heldPlans reads the held plans and the rejections, and writes this node's copies of the plans.
func (a *app) heldPlans() (waiting []held.Plan, rejected []held.Rejection, err error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, nil, err
	}
	return s.Held()
}

func (a *app) listHeld(asJSON bool) error {
	waiting, rejected, err := a.heldPlans()
	if err != nil {
		return err
	}
	if asJSON {
		return a.term.PrintJSON(struct {
			Held     []held.Plan      `json:"held"`
			Rejected []held.Rejection `json:"rejected"`
		}{waiting, rejected})
	}
	return a.term.Page(held.Text(waiting, rejected))
}

// heldPath returns the path of the held plan that ref means.
func (a *app) heldPath(ref string) (string, error) {
	waiting, _, err := a.heldPlans()
	if err != nil {
		return "", err
	}
	w, err := held.Find(ref, waiting)
	return w.File, err
}

// heldArguments replaces arguments that name held plans by their paths, because every command takes
// held:REF as a plan file.
func (a *app) heldArguments(args []string) error {
	for i, arg := range args {
		if !strings.HasPrefix(arg, held.Prefix) {
			continue
		}
		path, err := a.heldPath(arg)
		if err != nil {
			return err
		}
		args[i] = path
	}
	return nil
}

// newestHeld returns the newest held plan, for show without an argument.
func (a *app) newestHeld() (string, error) {
	const how = "name a plan file, which `cscs-sync plan --out FILE` writes, or held:REF"
	if _, err := a.configuration(); err != nil {
		return "", &usageError{"show", errors.New("which plan? There is no configuration to find " +
			"held plans by: " + how)}
	}
	waiting, _, err := a.heldPlans()
	switch {
	case err != nil:
		return "", err
	case len(waiting) == 0:
		return "", &usageError{"show", errors.New("which plan? None is held: " + how)}
	}
	a.term.Tell("This is the newest of %s: %s", planner.Count(len(waiting), "held plan"), waiting[0].Name)
	return waiting[0].File, nil
}

// reject removes a held plan. It takes the lock, because an apply may be starting that plan.
func (a *app) reject(ctx context.Context, ref, reason string) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	name, unusable, err := s.Reject(ctx, ref, reason)
	if err != nil {
		return err
	}
	if unusable {
		a.term.Tell("Removed %s, which this version can't use. Its changes are held again if they are "+
			"still wanted. Nothing was changed, and Waldur was told nothing.", ref)
		return nil
	}
	a.term.Tell("Rejected %s. It is not held again until its id changes. Nothing was changed, and "+
		"Waldur was told nothing.", name)
	return nil
}

func (a *app) unreject(ctx context.Context, ref string) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	name, err := s.Unreject(ctx, ref)
	if err != nil {
		return err
	}
	a.term.Tell("%s may be held again, if it is still wanted.", name)
	return nil
}
