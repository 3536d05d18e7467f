package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// Events of the history that commands write beside apply's own.
const (
	eventHold   = "hold"
	eventUnhold = "unhold"
	eventRemove = "remove"
	eventRescan = "rescan"
	// eventOrderOver: the loop removed a held plan because its order is over.
)

func (a *app) holdCommand() *cobra.Command {
	return group("hold", "leave resources alone for a while", a.holdAddCommand(), a.holdRmCommand(), a.holdListCommand())
}

func (a *app) holdAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add GLOB",
		Short: "leave matching resources alone",
		Args:  arguments(1, 1),
		Long: `Nothing is done with resources whose whole address matches GLOB, by apply and by
the loop, until the time is over or the hold is lifted: for maintenance and
incidents. A GLOB that matches nothing that is recorded, or in the last complete
listing of the loop, is refused, because it is probably misspelt.`,
	}
	f := cmd.Flags()
	reason := f.String("reason", "", "why (`TEXT`, needed)")
	until := f.String("until", "", "until when: a `TIME` such as 2026-12-01, RFC 3339, or 7d; without it until lifted")
	force := f.Bool("force", false, "hold GLOB although it matches nothing that is known yet")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.addHold(args[0], *reason, *until, *force) }
	return cmd
}

func (a *app) holdRmCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rm GLOB", Short: "lift a hold", Args: arguments(1, 1)}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.removeHold(args[0]) }
	return cmd
}

func (a *app) holdListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list the holds in force", Args: arguments(0, 0)}
	f := cmd.Flags()
	asJSON := f.Bool("json", false, "print them as a JSON array")
	cmd.RunE = func(_ *cobra.Command, _ []string) error { return a.listHolds(*asJSON) }
	return cmd
}

func (a *app) addHold(glob, reason, until string, force bool) error {
	if err := planner.CheckGlob(glob); err != nil {
		return &usageError{"hold add", err}
	}
	if strings.TrimSpace(reason) == "" {
		return &usageError{"hold add", errors.New("--reason is needed: who finds the hold later has to know why")}
	}
	end, err := config.ParseTime(until, a.now(), config.Ahead, true)
	if err == nil && !end.IsZero() && !end.After(a.now()) {
		err = errors.New(until + " is over already")
	}
	if err != nil {
		return &usageError{"hold add", fmt.Errorf("--until %w", err)}
	}
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	if !force {
		if err := s.checkHold(glob); err != nil {
			return err
		}
	}
	h := planner.Hold{Glob: glob, Reason: reason, Until: end, By: a.user}
	again := false
	err = s.store.Update(func(tx ledger.Tx) error {
		holds, err := tx.Holds(a.now())
		if err != nil {
			return err
		}
		if again = slices.ContainsFunc(holds, same(h)); again {
			return nil
		}
		if err := tx.AddHold(h); err != nil {
			return err
		}
		_, err = tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: eventHold, Text: glob + ": " + reason})
		return err
	})
	if err != nil {
		return err
	}
	if again {
		a.tell("%s is held already, by you, for this reason and as long.", glob)
	} else {
		a.tell("Held: %s, %s. To lift it: cscs-sync hold rm '%s'", glob, untilWords(end), glob)
	}
	return a.tellRunning(s)
}

// same matches a hold by the same person, for the same reason and as long.
func same(h planner.Hold) func(planner.Hold) bool {
	return func(o planner.Hold) bool {
		return o.Glob == h.Glob && o.Reason == h.Reason && o.By == h.By && o.Until.Equal(h.Until)
	}
}

// checkHold refuses a glob that matches nothing that is known, because it is probably misspelt. Where nothing is known yet,
// or an apply is just changing what is known, it only warns: a hold must not come late.
func (s *session) checkHold(glob string) error {
	last, err := loop.ReadIndex(s.store, s.log)
	if err != nil {
		return err
	}
	var recorded planner.Recorded
	if err := s.store.View(func(tx ledger.Tx) (err error) { recorded, err = tx.Recorded(); return err }); err != nil {
		return err
	}
	listed := func(it planner.Item) bool { return planner.MatchGlob(glob, it.MountPath) }
	if recorded.Matches(glob) || slices.ContainsFunc(last.Items, listed) {
		return nil
	}
	_, running, err := state.LockHolder(s.store.Dir())
	if err != nil {
		return fmt.Errorf("find out whether an apply is running: %w", err)
	}
	if running || len(last.Items)+recorded.Records.Len()+len(recorded.Archived) == 0 {
		s.tell("Warning: %s matches nothing that is recorded or listed so far. `cscs-sync plan` warns if it matches nothing.", glob)
		return nil
	}
	return engine.Refuse(engine.Input, fmt.Errorf("hold %s: it matches nothing that is recorded or was in the last complete listing, so it would protect nothing. "+
		"Correct it, or hold it all the same with --force", glob))
}

// untilWords says how long a hold is in force.
func untilWords(end time.Time) string {
	if end.IsZero() {
		return "until lifted"
	}
	return "until " + planner.Minute(end)
}

// tellRunning says which apply is running while a hold begins, and what it still does: the person who asked for the hold may
// have to wait for that. It is asked after the hold is in the state, so that an apply that begins later sees the hold.
func (a *app) tellRunning(s *session) error {
	h, running, err := state.LockHolder(s.store.Dir())
	if err != nil {
		return fmt.Errorf("the hold is in force, and whether an apply is running could not be found out: %w", err)
	}
	if !running {
		return nil
	}
	what := "A process that has not said who it is"
	if h.Who != "" {
		what = fmt.Sprintf("%s on %s (pid %d, since %s)", render.Quote(h.Who), render.Quote(h.Host), h.PID, planner.Minute(h.Since))
	}
	if h.Plan != "" {
		what += " applies plan " + canonical.ShortID(h.Plan)
	} else {
		what += " holds the lock"
	}
	a.tell("%s. It finishes the resources that it is changing now, and skips what the hold matches after that.", what)
	return nil
}

func (a *app) removeHold(glob string) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	lifted := 0
	err = s.store.Update(func(tx ledger.Tx) error {
		gone, err := tx.RemoveHolds(glob)
		if err != nil {
			return err
		}
		if lifted = len(gone); lifted == 0 {
			return fmt.Errorf("no hold has exactly the glob %s; see `cscs-sync hold list`", glob)
		}
		_, err = tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: eventUnhold,
			Text: fmt.Sprintf("%s (%s)", glob, planner.Count(len(gone), "hold"))})
		return err
	})
	if err != nil {
		return err
	}
	a.tell("Lifted: %s (%s).", glob, planner.Count(lifted, "hold"))
	return nil
}

func (a *app) listHolds(asJSON bool) error {
	s, err := a.open(config.Skip)
	if err != nil {
		return err
	}
	holds := []planner.Hold{}
	if err := s.store.View(func(tx ledger.Tx) error {
		found, err := tx.Holds(a.now())
		holds = append(holds, found...)
		return err
	}); err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(holds)
	}
	if len(holds) == 0 {
		return a.print("No holds.\n")
	}
	var b strings.Builder
	for _, h := range holds {
		fmt.Fprintf(&b, "%s\n  %s, by %s since %s: %s\n", render.Quote(h.Glob), untilWords(h.Until), render.Escape(h.By),
			planner.Minute(h.At), render.Escape(h.Reason))
	}
	return a.print(b.String())
}

// printJSON prints a value as one JSON document.
func (a *app) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return a.print(string(render.EscapeJSON(b)) + "\n")
}
