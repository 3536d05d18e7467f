package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Events of the history about held plans.
const (
	eventReject   = "reject"
	eventUnreject = "unreject"
)

// heldRef begins a plan argument that names a held plan.
const heldRef = "held:"

// leastRef is how many digits of an id name a plan.
const leastRef = 4

// waitingPlan is a plan that waits for a person.
type waitingPlan struct {
	Name  string    `json:"name"`
	Plan  string    `json:"plan"`
	File  string    `json:"file"`
	Since time.Time `json:"since"`
	// Addresses are the resources; Danger lists the kinds of danger in the plan.
	Addresses []string         `json:"addresses"`
	Danger    []planner.Danger `json:"danger"`
	// Because are the rules that hold it.
	Because   []string `json:"because"`
	Approvals int      `json:"approvals"`
	summary   string
}

// rejection is a held plan that somebody does not want. It is not held again while its id is the same.
type rejection struct {
	Name   string    `json:"name"`
	Plan   string    `json:"plan"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// heldPlans is where the loop leaves plans for people.
type heldPlans interface {
	// Waiting are the plans that can be approved, the newest first.
	Waiting() ([]waitingPlan, error)
	// Rejected are those that are not held again, the newest first.
	Rejected() ([]rejection, error)
	// Reject removes a plan, and remembers that it is rejected.
	Reject(waitingPlan, rejection) error
	// Unreject forgets a rejection.
	Unreject(rejection) error
}

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

REF is the plan's name, or the first digits of its id: see held list.`,
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

// heldOf opens the configuration, and finds the held plans.
func (a *app) heldOf() (*session, heldPlans, error) {
	s, err := a.open(config.Skip)
	if err != nil {
		return nil, nil, err
	}
	return s, heldFolder{s, loop.PendingFolder(s.store.Dir())}, nil
}

// summarize says what people need to know of a held plan.
func summarize(p *planner.Plan, path string, approvals int) waitingPlan {
	id := canonical.ID(p.Core)
	w := waitingPlan{Name: policy.Name(&p.Core, id), Plan: id, File: path, Since: p.Context.Made, Danger: []planner.Danger{},
		Because: []string{}, Addresses: []string{}, Approvals: approvals}
	counts := map[planner.ActionKind]int{}
	seen := map[planner.Danger]bool{}
	for i := range p.Core.Actions {
		act := &p.Core.Actions[i]
		counts[act.Kind]++
		w.Addresses = append(w.Addresses, act.Address)
		for _, d := range act.Danger {
			if !seen[d] {
				seen[d] = true
				w.Danger = append(w.Danger, d)
			}
		}
	}
	for _, warning := range p.Context.Warnings {
		if warning.Code == codes.Held {
			w.Because = append(w.Because, warning.Text)
		}
	}
	var parts []string
	for _, k := range planner.ActionKinds() {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[k], k))
		}
	}
	w.summary = strings.Join(parts, ", ")
	return w
}

func (a *app) listHeld(asJSON bool) error {
	_, store, err := a.heldOf()
	if err != nil {
		return err
	}
	waiting, err := store.Waiting()
	if err != nil {
		return err
	}
	rejected, err := store.Rejected()
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(struct {
			Held     []waitingPlan `json:"held"`
			Rejected []rejection   `json:"rejected"`
		}{waiting, rejected})
	}
	var b strings.Builder
	if len(waiting) == 0 {
		b.WriteString("No plan waits for a person.\n")
	}
	for _, w := range waiting {
		w.write(&b)
	}
	if len(rejected) > 0 {
		b.WriteString("\nRejected, and not held again until something changes:\n")
	}
	for _, r := range rejected {
		fmt.Fprintf(&b, "  %s  %s by %s", r.Name, planner.Minute(r.At), render.Escape(r.By))
		if r.Reason != "" {
			b.WriteString(": " + render.Escape(r.Reason))
		}
		b.WriteByte('\n')
	}
	return a.page(b.String())
}

// write shows a held plan in the list.
func (w *waitingPlan) write(b *strings.Builder) {
	const most = 3
	fmt.Fprintf(b, "%s\n  since    %s\n  changes  %s:", w.Name, planner.Minute(w.Since), w.summary)
	for _, address := range w.Addresses[:min(most, len(w.Addresses))] {
		b.WriteString(" " + render.Quote(address))
	}
	if more := len(w.Addresses) - most; more > 0 {
		fmt.Fprintf(b, " and %d more", more)
	}
	if len(w.Danger) > 0 {
		fmt.Fprintf(b, "\n  danger   %s", join(w.Danger))
	}
	for _, why := range w.Because {
		b.WriteString("\n  because  " + render.Escape(why))
	}
	if w.Approvals > 0 {
		fmt.Fprintf(b, "\n  has      %s", planner.Count(w.Approvals, "approval"))
	}
	fmt.Fprintf(b, "\n  show     cscs-sync held show %[1]s\n  approve  cscs-sync held approve %[1]s\n", w.Name)
}

func join[T ~string](list []T) string {
	var words []string
	for _, s := range list {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

// meant reports whether REF means a plan: by name, by id, or by the first digits of the id.
func meant(ref, name, id string) bool {
	digits := strings.TrimPrefix(id, "sha256:")
	ref = strings.TrimPrefix(ref, heldRef)
	return ref == name || ref == id || len(ref) >= leastRef && strings.HasPrefix(digits, ref)
}

// findHeld finds the one plan that REF means.
func findHeld[T any](ref, what string, list []T, names func(T) (name, id string)) (found T, err error) {
	n := 0
	var all []string
	for _, x := range list {
		name, id := names(x)
		all = append(all, name)
		if meant(ref, name, id) {
			found = x
			n++
		}
	}
	switch {
	case n == 1:
		return found, nil
	case n > 1:
		return found, fmt.Errorf("%s means %d %s plans: give more digits, or the name; see `cscs-sync held list`", render.Quote(ref), n, what)
	case len(all) == 0:
		return found, fmt.Errorf("no %s plan is %s: there is none", what, render.Quote(ref))
	}
	return found, fmt.Errorf("no %s plan is %s; there are %s", what, render.Quote(ref), strings.Join(all[:min(5, len(all))], ", "))
}

// heldPath is the file of the held plan that REF means.
func (a *app) heldPath(ref string) (string, error) {
	_, store, err := a.heldOf()
	if err != nil {
		return "", err
	}
	w, err := waitingOf(store, ref)
	return w.File, err
}

// heldArguments puts files in the place of arguments that name held plans: held:REF is one wherever a plan file is.
func (a *app) heldArguments(args []string) error {
	for i, arg := range args {
		if !strings.HasPrefix(arg, heldRef) {
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

func waitingOf(store heldPlans, ref string) (waitingPlan, error) {
	waiting, err := store.Waiting()
	if err != nil {
		return waitingPlan{}, err
	}
	return findHeld(ref, "held", waiting, func(w waitingPlan) (string, string) { return w.Name, w.Plan })
}

// newestHeld is the file of the newest held plan, for show without a name.
func (a *app) newestHeld() (string, error) {
	const how = "name a plan file, which `cscs-sync plan --out FILE` writes, or held:REF"
	if _, err := a.configuration(); err != nil {
		return "", &usageError{"show", errors.New("which plan? There is no configuration to find held plans by: " + how)}
	}
	_, store, err := a.heldOf()
	if err != nil {
		return "", err
	}
	waiting, err := store.Waiting()
	switch {
	case err != nil:
		return "", err
	case len(waiting) == 0:
		return "", &usageError{"show", errors.New("which plan? None is held: " + how)}
	}
	a.tell("This is the newest of %s: %s", planner.Count(len(waiting), "held plan"), waiting[0].Name)
	return waiting[0].File, nil
}

// reject removes a held plan. It takes the lock: an apply may have begun with it otherwise.
func (a *app) reject(ctx context.Context, ref, reason string) error {
	s, store, err := a.heldOf()
	if err != nil {
		return err
	}
	var w waitingPlan
	err = a.locked(ctx, func(tx ledger.Tx) error {
		if w, err = waitingOf(store, ref); err != nil {
			return err
		}
		text := "held plan " + w.Name + " rejected"
		if reason != "" {
			text += ": " + reason
		}
		if _, err := tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: eventReject, Plan: w.Plan, Text: text}); err != nil {
			return err
		}
		return store.Reject(w, rejection{w.Name, w.Plan, reason, a.user, s.app.now().UTC().Truncate(time.Second)})
	})
	if err != nil {
		return err
	}
	a.tell("Rejected %s. It is not held again until its id changes. Nothing was changed, and Waldur was told nothing.", w.Name)
	return nil
}

func (a *app) unreject(ctx context.Context, ref string) error {
	_, store, err := a.heldOf()
	if err != nil {
		return err
	}
	var r rejection
	err = a.locked(ctx, func(tx ledger.Tx) error {
		rejected, err := store.Rejected()
		if err != nil {
			return err
		}
		if r, err = findHeld(ref, "rejected", rejected, func(r rejection) (string, string) { return r.Name, r.Plan }); err != nil {
			return err
		}
		if _, err := tx.AppendHistory(ledger.Entry{Who: a.user, Host: a.host, Event: eventUnreject, Plan: r.Plan,
			Text: "rejection of " + r.Name + " taken back"}); err != nil {
			return err
		}
		return store.Unreject(r)
	})
	if err != nil {
		return err
	}
	a.tell("%s may be held again, if it is still wanted.", r.Name)
	return nil
}
