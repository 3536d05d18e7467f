package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

func (a *app) explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain ADDRESS|GID|ORDER",
		Short: "say what is wanted, what is there, and why nothing happens",
		Args:  arguments(1, 1),
		Long: `The helpdesk's question. Takes an address, a group id, or an order's id (or its
first digits), asks the proxy, Waldur and the storage, and changes nothing.`,
	}
	f := cmd.Flags()
	var o planOptions
	f.StringArrayVar(&o.resources, "resources", nil, "read saved responses from `FILE` in place of the proxy")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return o.explain(cmd.Context(), a, args[0]) }
	return cmd
}

func (o *planOptions) explain(ctx context.Context, a *app, what string) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	p, err := o.make(ctx, s, planner.Selection{})
	var unlisted *engine.ListingError
	if errors.As(err, &unlisted) {
		return s.recall(what, err)
	}
	if err != nil {
		return err
	}
	views := p.Graph.Views()
	var found []planner.View
	for _, v := range views {
		if isMeant(v, what) || hadGroup(p, v, what) {
			found = append(found, v)
		}
	}
	e := s.explanation(p)
	if err := e.think(); err != nil {
		return err
	}
	for _, v := range found {
		if err := e.write(ctx, v); err != nil {
			return err
		}
	}
	e.shared(found)
	if len(found) == 0 {
		if err := e.unlisted(what, "no: the proxy lists it no more. It leaves out what has no group id in the user directory; nothing is done "+
			"about it, and nothing is taken away"); err != nil {
			return err
		}
	}
	if err := e.unclaimed(ctx, what); err != nil {
		return err
	}
	if e.b.Len() == 0 {
		return fmt.Errorf("the proxy lists nothing for %s%s", what, nearest(views, what))
	}
	return a.page(e.b.String())
}

// isMeant tells whether a resource is what somebody asks about: by address, group id, item, or order.
func isMeant(v planner.View, what string) bool {
	if v.Address == what || v.Key.Item == strings.ReplaceAll(what, "-", "") {
		return true
	}
	gid, err := strconv.ParseUint(what, 10, 32)
	if err == nil && !v.Target.IsBranch() && v.HasGroup && v.Group == planner.GID(gid) {
		return true
	}
	order := strings.ReplaceAll(what, "-", "")
	return len(order) >= 8 && v.Order != "" && strings.HasPrefix(v.Order, order)
}

// hadGroup reports whether a listed resource is recorded with this group: it has another one now.
func hadGroup(p *engine.Planned, v planner.View, what string) bool {
	gid, err := strconv.ParseUint(what, 10, 32)
	r, recorded := p.Recorded.Records.Of(v.Key)
	return err == nil && recorded && !v.Target.IsBranch() && r.Group == planner.GID(gid)
}

// nearest proposes the addresses that differ least from what was asked for, in at most a third of its letters; else those that
// contain its last word.
func nearest(views []planner.View, what string) string {
	const most = 5
	last := what[strings.LastIndexByte(what, '/')+1:]
	least := len(what) / 3
	var near, alike []string
	for _, v := range views {
		if d := distance(v.Address, what, least); d <= least {
			if d < least {
				near = nil
			}
			least, near = d, append(near, v.Address)
		}
		if last != "" && strings.Contains(v.Address, last) {
			alike = append(alike, v.Address)
		}
	}
	if len(near) == 0 {
		near = alike
	}
	if len(near) == 0 {
		return "; it may have no group id at the proxy, which then leaves it out"
	}
	return "; it lists " + strings.Join(near[:min(len(near), most)], ", ")
}

// distance is how many bytes have to be changed, added or removed to make b of a; more than most is any greater number.
func distance(a, b string, most int) int {
	if d := len(a) - len(b); d > most || -d > most {
		return most + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner, row[j+1] = row[j+1], min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// explanation collects what is said of the resources found.
type explanation struct {
	*session
	p *engine.Planned
	b strings.Builder
	// decisions are the policy's, for each action; trusts tells whether it may act on this state yet.
	decisions []policy.Decision
	trusts    bool
	// waits are the plan files that wait for a person, begun those that the loop goes on with, by resource.
	waits, begun map[planner.Key]string
	// failed is what the loop remembers of its tries.
	failed map[planner.Key]loop.Failure
}

func (s *session) explanation(p *engine.Planned) *explanation {
	m, err := loop.ReadHistory(s.store.Files())
	if err != nil {
		s.tell("Warning: %v", err)
	}
	return &explanation{session: s, p: p, failed: m.Failures}
}

// tries says how often the loop failed with a resource, and when it tries again.
func (e *explanation) tries(k planner.Key) {
	f, ok := e.failed[k]
	if !ok {
		return
	}
	again, next := "tries it again ", "at "+planner.Minute(f.Until)
	if f.Quarantined() {
		again = "has it in quarantine: it tries it once an hour, next "
	}
	if !f.IsWaiting(e.now()) {
		next = "in its next round"
	}
	often := "once"
	if f.Count > 1 {
		often = fmt.Sprintf("%d times in a row", f.Count)
	}
	e.line("failed", "%s, %s; the loop %s. The last time: %s", f.Action, often, again+next, f.Error)
}

// indent is where the text of a line begins.
const indent = 13

// line says one thing, over as many lines as it takes.
func (e *explanation) line(name, format string, args ...any) {
	for _, text := range render.Wrap(fmt.Sprintf(format, args...), e.width-indent) {
		e.verbatim(name, text)
		name = ""
	}
}

// verbatim is a line that is not broken: somebody may copy it.
func (e *explanation) verbatim(name, text string) {
	fmt.Fprintf(&e.b, "%-*s%s\n", indent, "  "+name, text)
}

// think asks the policy about the whole plan, and finds the plans that wait for people.
func (e *explanation) think() error {
	var err error
	if e.trusts, err = loop.IsTrusted(e.store); err != nil {
		return err
	}
	e.decisions = e.engine().AskPolicy(e.p)
	if e.waits, err = e.plansByResource(loop.PendingFolder(e.store.Dir())); err != nil {
		return err
	}
	e.begun, err = e.plansByResource(loop.BegunFolder(e.store.Dir()))
	return err
}

// plansByResource are the plan files of a folder, by the resources that they are about.
func (s *session) plansByResource(dir string) (map[planner.Key]string, error) {
	names, err := s.store.Files().Plans(dir)
	by := map[planner.Key]string{}
	for _, name := range names {
		path := filepath.Join(dir, name)
		file, err := s.readPlan(path)
		if err != nil {
			continue
		}
		for _, k := range engine.KeysOf(file.Plan) {
			by[k] = path
		}
	}
	return by, err
}

// policy says what the loop does about an action.
func (e *explanation) policy(i int) {
	d, key := e.decisions[i], e.p.Plan.Core.Actions[i].Key
	switch {
	case e.begun[key] != "":
		e.line("policy", "the loop has begun a plan for it, and goes on with that plan by itself:")
		e.verbatim("", render.Escape(e.begun[key]))
	case (d.Approved || d.Code.Later()) && !e.trusts:
		e.line("policy", "allows it, but holds everything until one plan approved by a person has been applied on this state")
	case d.Approved:
		e.line("policy", "%s: the loop does it by itself", d.Rule)
	case d.Code.Later():
		e.line("policy", "the loop does it later: %s", d.Rule)
	default:
		e.line("policy", "the loop holds it: %s", d.Rule)
	}
	if path := e.waits[key]; path != "" {
		e.verbatim("held in", render.Escape(path))
	}
}

// heading begins what is said of one resource.
func (e *explanation) heading(address string) {
	if e.b.Len() > 0 {
		e.b.WriteString("\n")
	}
	fmt.Fprintf(&e.b, "%s\n", render.Quote(address))
}

func (e *explanation) write(ctx context.Context, v planner.View) error {
	e.heading(v.Address)
	e.line("listed", "%s, as %s of %s; item %s", v.Status, orElse(v.Key.DataType, "nothing"), v.Key.System, v.Key.Item)
	e.wish(v)
	if v.Order != "" {
		e.order(ctx, v)
	}
	e.there(v)
	e.quota(v)
	if !e.isRecorded(v.Key) && !v.Target.IsBranch() {
		e.line("recorded", "never seen as wanted")
	}
	if err := e.lately(v.Key); err != nil {
		return err
	}
	e.outcome(v)
	return nil
}

// wish says what is wanted, and who wants it.
func (e *explanation) wish(v planner.View) {
	if v.System == "" || v.Target.IsBranch() {
		return
	}
	source := func(a planner.Attribute) string {
		p := v.From[a]
		if p.From == planner.FromOverride {
			return fmt.Sprintf("override %q, %s", p.Override, p.At)
		}
		return string(p.From)
	}
	e.line("wanted", "owner %d (%s), group %d (%s), mode %s (%s)", v.Owner, source(planner.Owner), v.Group, source(planner.Group),
		v.Mode, source(planner.ModeAttr))
	if v.Quota.Known() {
		e.line("", "space %s soft, %s hard (%s); inodes %s soft, %s hard (%s)", v.Quota.Show(planner.SpaceSoft),
			v.Quota.Show(planner.SpaceHard), source(planner.SpaceHard),
			v.Quota.Show(planner.InodesSoft), v.Quota.Show(planner.InodesHard), source(planner.InodesHard))
	}
	if !v.Managed {
		e.line("", "an override says manage = false: it is left alone")
	}
}

// order says what Waldur says of the order.
func (e *explanation) order(ctx context.Context, v planner.View) {
	answer, asked := e.p.Orders[v.Order]
	if !asked {
		for i := range e.p.Items {
			if e.p.Items[i].Key == v.Key {
				for _, q := range planner.AllQuestions(&e.cfg.Settings, e.p.Items[i:i+1], map[planner.Key]bool{v.Key: true}) {
					answer = e.engine().Ask(ctx, []planner.Question{q}, true)[q.ID]
				}
			}
		}
	}
	switch {
	case answer.Why != "":
		e.line("order", "%s; Waldur could not be asked: %s", v.Order, planner.Clause(answer.Why))
	case answer.Order.ID == "":
		e.line("order", "%s", v.Order)
	default:
		e.line("order", "%s: %s, %s", v.Order, answer.Order.Type, answer.Order.State)
	}
}

func (e *explanation) isRecorded(k planner.Key) bool {
	_, recorded := e.p.Recorded.Records.Of(k)
	_, archived := e.p.Recorded.Archived[k]
	return recorded || archived
}

// lately says what is recorded, what happened last, and what Waldur was not told yet.
func (e *explanation) lately(k planner.Key) error {
	if r, ok := e.p.Recorded.Records.Of(k); ok {
		e.line("recorded", "%s: owner %d, group %d, mode %s, at %s", planner.Minute(r.At), r.Owner, r.Group, r.Mode, r.Storage)
	}
	if x, ok := e.p.Recorded.Archived[k]; ok {
		e.archived(x)
	}
	e.tries(k)
	for _, u := range e.p.Recorded.Undelivered {
		if u.Key == k {
			e.line("outbox", "%s %s", u.Callback, u.Words(planner.Minute))
		}
	}
	return e.store.View(func(tx ledger.Tx) error {
		var last *ledger.Entry
		err := tx.History(0, func(h ledger.Entry) error {
			if slices.ContainsFunc(h.Steps, func(s ledger.Step) bool { return s.Key == k }) {
				last = &h
			}
			return nil
		})
		if last != nil && err == nil {
			err = e.last(tx, last)
		}
		return err
	})
}

// last says which plan worked on it last, and on whose approval.
func (e *explanation) last(tx ledger.Tx, entry *ledger.Entry) error {
	p, known, err := tx.Plan(entry.Plan)
	if err != nil || !known {
		return err
	}
	text := fmt.Sprintf("%s: plan %s, %s, by %s", planner.Minute(entry.Time), canonical.ShortID(entry.Plan),
		orElse(string(p.Result), "under way"), p.By)
	for _, x := range p.Approvals {
		text += ", approved by " + x.Name
		if x.Ticket != "" {
			text += " (" + x.Ticket + ")"
		}
	}
	e.line("last", "%s", text)
	return nil
}

// outcome says what a plan would do now, or why it would not.
func (e *explanation) outcome(v planner.View) {
	said := false
	for i := range e.p.Plan.Core.Actions {
		if a := &e.p.Plan.Core.Actions[i]; a.Key == v.Key {
			said = true
			var why []string
			for _, r := range e.p.Plan.Context.Details[i].Reasons {
				why = append(why, r.Text)
			}
			e.line("next", "%s, once a plan is approved: %s", a.Kind, strings.Join(why, "; "))
			for _, c := range a.Changes {
				e.line("", "%s: %s -> %s", c.Attribute, planner.Show(c.Attribute, c.Before), planner.Show(c.Attribute, c.After))
			}
			e.policy(i)
		}
	}
	for _, r := range slices.Concat(e.p.Plan.Context.Blocked, e.p.Plan.Context.Waiting) {
		if r.Key == v.Key {
			said = true
			kind := "blocked"
			if slices.ContainsFunc(e.p.Plan.Context.Waiting, func(w planner.Refusal) bool { return w.Key == v.Key }) {
				kind = "waiting"
			}
			for _, why := range r.Reasons {
				first, rest, more := strings.Cut(why.Text, "\n")
				e.line(kind, "%s", first)
				for line := range strings.SplitSeq(rest, "\n") {
					if more {
						e.verbatim("", render.Escape(line))
					}
				}
			}
		}
	}
	if !said && !v.Target.IsBranch() {
		what := "it is as wanted"
		if dir, ok := e.seenAt(v); ok && dir.ACL != nil {
			what = "owner, group, mode and quota are as wanted; who gets in is up to its ACL"
		}
		e.line("next", "nothing: %s", what)
	}
}
