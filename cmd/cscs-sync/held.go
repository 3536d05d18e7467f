package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
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
because something else is wanted or the storage is otherwise. Waldur is told
nothing: to reject an order, use plan --reject.

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
	var unusable []held.Unusable
	err = s.store.View(func(tx ledger.Tx) error {
		var failed error
		waiting, unusable, err = held.Waiting(tx, s.store.Dir())
		rejected, failed = held.Rejected(tx)
		return errors.Join(err, failed)
	})
	if err != nil {
		return nil, nil, err
	}
	for _, u := range unusable {
		a.term.Tell("Warning: held plan %s can't be used: %v. To remove it, run `cscs-sync held reject %s`.",
			render.Quote(u.File), u.Why, filepath.Base(u.File))
	}
	a.copyHeld(s.store)
	return waiting, rejected, nil
}

// copyHeld writes this node's copies of held plans. Without them people have nothing to read with
// less; every command reads the state.
func (a *app) copyHeld(store *state.Store) {
	changed, err := store.Files().Copy(loop.PendingFolder(store.Dir()))
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		a.term.Tell("Warning: the copies of held plans on this node: %v", err)
	}
	for _, path := range changed {
		a.term.Tell("Warning: %s was not the plan that is held, and was replaced: it is only a copy. The "+
			"held plan is in the state.", render.Quote(path))
	}
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

// heldPath is the path that names the held plan that ref means.
func (a *app) heldPath(ref string) (string, error) {
	waiting, _, err := a.heldPlans()
	if err != nil {
		return "", err
	}
	w, err := held.Find(ref, waiting)
	return w.File, err
}

// heldArguments puts paths in the place of arguments that name held plans: held:REF is a plan file
// in every command.
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

// heldFiles returns the state's files if a path is that of a held plan's copy: the plan is read from
// the state, and approvals are added there. Where the configuration can't be read, the copy is a
// file like any other.
func (a *app) heldFiles(path string) (files *state.Files, at string) {
	full, err := filepath.Abs(path)
	if err != nil || filepath.Base(filepath.Dir(full)) != held.Folder {
		return nil, ""
	}
	if _, err := a.configuration(); err != nil {
		return nil, ""
	}
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, ""
	}
	folder := loop.PendingFolder(s.store.Dir())
	if filepath.Dir(full) != folder && !sameFolder(filepath.Dir(full), folder) {
		return nil, ""
	}
	return s.store.Files(), filepath.Join(folder, filepath.Base(full))
}

// sameFolder reports whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	is, err := os.Stat(a)
	want, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(is, want)
}

// newestHeld names the newest held plan, for show without a name.
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

// heldPerson is who decides about a held plan.
func (a *app) heldPerson() held.Person { return held.Person{Who: a.user, Host: a.host} }

// reject removes a held plan. It takes the lock, because an apply may have begun with it otherwise.
func (a *app) reject(ctx context.Context, ref, reason string) error {
	var w held.Plan
	var unusable bool
	err := a.locked(ctx, func(tx ledger.Tx) (err error) {
		if unusable, err = held.RemoveUnusable(tx, ref, reason, a.heldPerson()); unusable || err != nil {
			return err
		}
		w, err = held.Reject(tx, ref, reason, a.heldPerson())
		return err
	})
	if err != nil {
		return err
	}
	if s, err := a.open(config.Skip); err == nil {
		a.copyHeld(s.store)
	}
	if unusable {
		a.term.Tell("Removed %s, which this version can't use. Its changes are held again if they are "+
			"still wanted. Nothing was changed, and Waldur was told nothing.", ref)
		return nil
	}
	a.term.Tell("Rejected %s. It is not held again until its id changes. Nothing was changed, and Waldur "+
		"was told nothing.", w.Name)
	return nil
}

func (a *app) unreject(ctx context.Context, ref string) error {
	var r held.Rejection
	err := a.locked(ctx, func(tx ledger.Tx) (err error) {
		r, err = held.Unreject(tx, ref, a.heldPerson())
		return err
	})
	if err != nil {
		return err
	}
	a.term.Tell("%s may be held again, if it is still wanted.", r.Name)
	return nil
}
