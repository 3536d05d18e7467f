package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) stateCommand() *cobra.Command {
	return group("state", "what is recorded, and who applied what", a.stateListCommand(), a.stateShowCommand(), a.stateRmCommand(), a.stateHistoryCommand(), a.statePullCommand(), a.stateAbandonCommand(), a.stateTakeCommand(), a.stateNodesCommand(), a.stateFenceCommand(), a.stateCopyCommand())
}

func (a *app) stateListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list what is recorded", Args: arguments(0, 0)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, _ []string) error { return a.listState(*asJSON) }
	return cmd
}

func (a *app) stateShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ADDRESS", Short: "show what is recorded of a resource", Args: arguments(1, 1)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print it as JSON")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.showState(args[0], *asJSON) }
	return cmd
}

func (a *app) stateRmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rm [ADDRESS]",
		Short: "forget a resource, or what a system's directory was",
		Args:  arguments(0, 1),
		Long: `Forgetting changes nothing on the storage: a forgotten resource is adopted, or
made, as if it had never been seen. With --root, forgets the recorded identity
of a system's directory, after its filesystem was replaced on purpose.`,
	}
	f := cmd.Flags()
	root := f.String("root", "", "forget the root's identity of `SYSTEM`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if (*root == "") == (len(args) == 0) {
			return &usageError{"state rm", errors.New("want either ADDRESS or --root SYSTEM")}
		}
		return a.forget(cmd.Context(), strings.Join(args, ""), *root)
	}
	return cmd
}

func (a *app) statePullCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pull", Short: "print the whole state as JSON", Args: arguments(0, 0)}
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		s, err := a.open(config.Skip)
		if err != nil {
			return err
		}
		var document bytes.Buffer
		if err := s.store.Pull(&document); err != nil {
			return err
		}
		return a.print(string(render.EscapeJSON(document.Bytes())))
	}
	return cmd
}

func (a *app) stateAbandonCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "abandon PLAN",
		Short: "give up a plan that has begun",
		Args:  arguments(1, 1),
		Long: `PLAN is a plan file, a plan's id, or the beginning of one. What the plan has
done stays done; apply no longer resumes it.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.abandon(cmd.Context(), args[0], *reason) }
	return cmd
}

// locked opens the state for a change that an apply must not run into.
func (a *app) locked(ctx context.Context, change func(ledger.Tx) error) (err error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	lock, err := s.store.Lock(ctx, ledger.Holder{Who: a.user, Host: a.host, PID: os.Getpid(), Since: a.now()}, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	return s.store.Update(change)
}

func (a *app) records() ([]planner.Record, error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, err
	}
	records := []planner.Record{}
	err = s.store.View(func(tx ledger.Tx) error {
		found, err := tx.Records()
		records = append(records, found...)
		return err
	})
	slices.SortStableFunc(records, func(a, b planner.Record) int {
		return strings.Compare(a.Address, b.Address)
	})
	return records, err
}

func (a *app) listState(asJSON bool) error {
	records, err := a.records()
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(shownRecords(records))
	}
	if len(records) == 0 {
		return a.print("Nothing is recorded yet.\n")
	}
	width := 0
	for _, r := range records {
		width = max(width, len(render.Quote(r.Address)))
	}
	var b strings.Builder
	for _, r := range records {
		mark := ""
		if r.Unfinished {
			mark = "  unfinished"
		}
		fmt.Fprintf(&b, "%-*s  %s  %d:%d%s\n", width, render.Quote(r.Address), r.Mode, r.Owner, r.Group, mark)
	}
	return a.print(b.String())
}

// shownRecord is a record as people and scripts read it: with the mode as in plans.
type shownRecord struct {
	planner.Record
	Mode planner.Value `json:"mode"`
}

func shownRecords(records []planner.Record) []shownRecord {
	shown := make([]shownRecord, len(records))
	for i, r := range records {
		shown[i] = shownRecord{r, planner.ModeValue(r.Mode)}
	}
	return shown
}

func (a *app) showState(address string, asJSON bool) error {
	records, err := a.records()
	if err != nil {
		return err
	}
	found := []planner.Record{}
	for _, r := range records {
		if r.Address == address || r.Key.Item == address {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("nothing is recorded of %s; see `cscs-sync state list`", address)
	}
	if asJSON {
		return a.printJSON(shownRecords(found))
	}
	var b strings.Builder
	for _, r := range found {
		fmt.Fprintf(&b, "%s\n  item       %s (%s, %s)\n  directory  %s on %s, inode %d\n  owner      %d:%d, mode %s (%s)\n",
			render.Quote(r.Address), r.Key.Item, render.Quote(r.Key.System), render.Quote(r.Key.DataType), r.Storage, r.System, r.Inode,
			r.Owner, r.Group, r.Mode, r.Mode.Letters())
		if id, ok := r.Limited(); ok {
			fmt.Fprintf(&b, "  quota      %s: %s\n", render.Escape(id.String()), r.Claim.Words())
		}
		fmt.Fprintf(&b, "  recorded   %s", planner.Minute(r.At))
		if r.Plan != "" {
			fmt.Fprintf(&b, " by plan %s", canonical.ShortID(r.Plan))
		}
		b.WriteString("\n")
	}
	return a.print(b.String())
}

// forget removes one record, or one root identity.
func (a *app) forget(ctx context.Context, address, root string) error {
	what, shown := "root of system "+root, "what the directory of system "+render.Quote(root)+" was"
	if root == "" {
		what, shown = address, render.Quote(address)
	}
	err := a.locked(ctx, func(tx ledger.Tx) error {
		n, err := forgotten(tx, address, root)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("nothing is recorded of %s; see `cscs-sync state list`", shown)
		}
		_, err = tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: ledger.EventRemove, Text: what})
		return err
	})
	if err != nil {
		return err
	}
	a.tell("Forgot %s. The storage is as it was.", shown)
	return nil
}

func forgotten(tx ledger.Tx, address, root string) (n int, err error) {
	if root != "" {
		ok, err := tx.DeleteRoot(root)
		if ok {
			n = 1
		}
		return n, err
	}
	records, err := tx.Records()
	if err != nil {
		return 0, err
	}
	for _, r := range records {
		if r.Address != address && r.Key.Item != address {
			continue
		}
		if _, err := tx.DeleteRecord(r.Key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// abandon ends a begun plan.
func (a *app) abandon(ctx context.Context, plan, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return &usageError{"state abandon", errors.New("--reason is needed")}
	}
	id := plan
	if file, err := a.readPlan(plan); err == nil {
		id = canonical.ID(file.Plan.Core)
	}
	err := a.locked(ctx, func(tx ledger.Tx) error {
		full, err := begunPlan(tx, id)
		if err != nil {
			return err
		}
		id = full
		return tx.Abandon(full, a.user, reason)
	})
	if err != nil {
		return err
	}
	a.tell("Plan %s is given up. To see what is left: cscs-sync plan", canonical.ShortID(id))
	return nil
}

// begunPlan finds the one plan in progress whose id is, or begins with, the given one.
func begunPlan(tx ledger.Tx, id string) (string, error) {
	plans, err := tx.Plans()
	if err != nil {
		return "", err
	}
	bare := strings.TrimPrefix(id, "sha256:")
	var found []string
	for _, p := range plans {
		if !p.Over() && bare != "" && strings.HasPrefix(strings.TrimPrefix(p.ID, "sha256:"), bare) {
			found = append(found, p.ID)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d plans in progress have the id %s; see `cscs-sync state history`", len(found), id)
	}
	return found[0], nil
}
