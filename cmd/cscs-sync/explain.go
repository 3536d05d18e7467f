package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/state"
)

func explainCommand() command {
	return command{name: "explain", args: "ADDRESS|GID|ORDER", least: 1, most: 1, short: "say what is wanted, what is there, and why nothing happens",
		long: `
The helpdesk's question. Takes an address, a group id, or an order's id (or its
first digits), asks the proxy, Waldur and the storage, and changes nothing.`,
		setup: func(f *pflag.FlagSet) action {
			var o planOptions
			f.StringArrayVar(&o.resources, "resources", nil, "read saved responses from `FILE` in place of the proxy")
			return func(ctx context.Context, a *app, args []string) error { return o.explain(ctx, a, args[0]) }
		}}
}

func (o *planOptions) explain(ctx context.Context, a *app, what string) error {
	s, err := a.open(config.Read)
	if err != nil {
		return err
	}
	p, err := o.make(ctx, s, planner.Selection{})
	if err != nil {
		return err
	}
	views := p.graph.Views()
	var found []planner.View
	for _, v := range views {
		if isMeant(v, what) {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("the proxy lists nothing for %s%s", what, nearest(views, what))
	}
	e := &explanation{session: s, p: p}
	for _, v := range found {
		if err := e.write(ctx, v); err != nil {
			return err
		}
	}
	return a.print(e.b.String())
}

// isMeant tells whether a resource is what somebody asks about: by address, group id, item, or order.
func isMeant(v planner.View, what string) bool {
	if v.Address == what || v.Key.Item == strings.ReplaceAll(what, "-", "") {
		return true
	}
	if gid, err := strconv.ParseUint(what, 10, 32); err == nil && len(what) < 8 {
		return !v.Target.IsNode() && v.HasGroup && v.Group == planner.GID(gid)
	}
	order := strings.ReplaceAll(what, "-", "")
	return len(order) >= 8 && v.Order != "" && strings.HasPrefix(v.Order, order)
}

// nearest proposes addresses that end alike.
func nearest(views []planner.View, what string) string {
	last := what[strings.LastIndexByte(what, '/')+1:]
	var near []string
	for _, v := range views {
		if last != "" && strings.Contains(v.Address, last) && len(near) < 5 {
			near = append(near, v.Address)
		}
	}
	if len(near) == 0 {
		return "; it may have no group id at the proxy, which then leaves it out"
	}
	return "; it lists " + strings.Join(near, ", ")
}

// explanation collects what is said of the resources found.
type explanation struct {
	*session
	p *planned
	b strings.Builder
}

func (e *explanation) line(name, format string, args ...any) {
	fmt.Fprintf(&e.b, "  %-10s %s\n", name, planfile.Escape(fmt.Sprintf(format, args...)))
}

func (e *explanation) write(ctx context.Context, v planner.View) error {
	if e.b.Len() > 0 {
		e.b.WriteString("\n")
	}
	fmt.Fprintf(&e.b, "%s\n", planfile.Quote(v.Address))
	e.line("listed", "%s, as %s of %s; item %s", v.Status, orElse(v.Key.DataType, "nothing"), v.Key.System, v.Key.Item)
	e.wish(v)
	if v.Order != "" {
		e.order(ctx, v)
	}
	e.there(v)
	e.quota(v)
	if err := e.lately(v); err != nil {
		return err
	}
	e.outcome(v)
	return nil
}

// wish says what is wanted, and who wants it.
func (e *explanation) wish(v planner.View) {
	if v.System == "" || v.Target.IsNode() {
		return
	}
	source := func(a planner.Attribute) string {
		p := v.From[a]
		if p.From == planner.FromOverride {
			return fmt.Sprintf("override %q, %s", p.Override, p.At)
		}
		return string(p.From)
	}
	e.line("wanted", "owner %d (%s), group %d (%s), mode %s (%s)", v.Owner, source(planner.Owner), v.Group, source(planner.Group), v.Mode, source(planner.ModeAttr))
	if v.Quota.Known() {
		c := planner.ClaimOf(v.Quota)
		e.line("", "space %s soft, %s hard (%s); inodes %s soft, %s hard (%s)", limit(c.SpaceSoft, true), limit(c.SpaceHard, true), source(planner.SpaceHard),
			limit(c.InodesSoft, false), limit(c.InodesHard, false), source(planner.InodesHard))
	}
	if !v.Managed {
		e.line("", "an override says manage = false: it is left alone")
	}
}

func limit(v planner.Value, space bool) string {
	n, ok := v.Number()
	switch {
	case ok && space:
		return planfile.FormatBytes(planner.Bytes(n))
	case ok:
		return planfile.FormatInodes(planner.Inodes(n))
	}
	return v.String()
}

// order says what Waldur says of the order.
func (e *explanation) order(ctx context.Context, v planner.View) {
	answer, asked := e.p.orders[v.Order]
	if !asked {
		for i := range e.p.items {
			if e.p.items[i].Key == v.Key {
				for _, q := range planner.AllQuestions(&e.cfg.Settings, e.p.items[i:i+1], map[planner.Key]bool{v.Key: true}) {
					answer = e.ask(ctx, []planner.Question{q}, true)[q.ID]
				}
			}
		}
	}
	switch {
	case answer.Why != "":
		e.line("order", "%s; Waldur could not be asked: %s", v.Order, answer.Why)
	case answer.Order.ID == "":
		e.line("order", "%s", v.Order)
	default:
		e.line("order", "%s: %s, %s", v.Order, answer.Order.Type, answer.Order.State)
	}
}

// there says what stands on the storage.
func (e *explanation) there(v planner.View) {
	if v.Storage == "" {
		return
	}
	dir, ok := e.seenAt(v)
	switch {
	case !ok:
		e.line("there", "%s was not looked at", v.Storage)
	case dir.State == planner.DirPresent:
		e.line("there", "%s: owner %d, group %d, mode %s (%s)", v.Storage, dir.Owner, dir.Group, dir.Mode, dir.Mode.Letters())
	case dir.State == planner.DirAbsent:
		e.line("there", "%s does not exist", v.Storage)
	default:
		e.line("there", "%s: %s", v.Storage, dir.Why)
	}
}

// quota says which limits are in force, what is used, and who said so.
func (e *explanation) quota(v planner.View) {
	if v.Identity == nil {
		return
	}
	q, ok := e.seenQuota(planner.Identity{Filesystem: e.p.mounts[v.System].Filesystem, By: v.Identity.By, ID: v.Identity.ID})
	name := fmt.Sprintf("%s %d", v.Identity.By, v.Identity.ID)
	switch {
	case !ok:
		e.line("quota", "of %s, which was not looked at", name)
		return
	case q.LimitsWhy != "":
		e.line("quota", "of %s, which is not known: %s", name, q.LimitsWhy)
		return
	}
	by := ", asked by " + q.Via
	if q.IsDefault {
		by += "; the default quota covers it"
	}
	c := planner.ClaimOf(q.Limits)
	e.line("quota", "of %s%s", name, by)
	e.line("", "space %s soft, %s hard, %s used%s", limit(c.SpaceSoft, true), limit(c.SpaceHard, true), limit(q.Space.Value(), true), grace(q.GraceSpace))
	e.line("", "inodes %s soft, %s hard, %s used%s", limit(c.InodesSoft, false), limit(c.InodesHard, false), limit(q.Inodes.Value(), false), grace(q.GraceInodes))
}

func (e *explanation) seenQuota(id planner.Identity) (planner.QuotaState, bool) {
	for i, t := range e.p.graph.QuotaTargets(e.p.seen) {
		if t.Identity == id && i < len(e.p.seen.Quotas) {
			return e.p.seen.Quotas[i], true
		}
	}
	return planner.QuotaState{}, false
}

// grace says when a running grace period ends.
func grace(end time.Time) string {
	if end.IsZero() {
		return ""
	}
	return "; its grace period ends " + minute(end)
}

func (e *explanation) seenAt(v planner.View) (planner.Directory, bool) {
	for i, t := range e.p.graph.Targets() {
		if t.Path == v.Storage && i < len(e.p.seen.Directories) {
			return e.p.seen.Directories[i], true
		}
	}
	return planner.Directory{}, false
}

// lately says what is recorded, what happened last, and what Waldur was not told yet.
func (e *explanation) lately(v planner.View) error {
	if r, ok := e.p.recorded.Records[v.Key]; ok {
		e.line("recorded", "%s: owner %d, group %d, mode %s", minute(r.At), r.Owner, r.Group, r.Mode)
	} else if !v.Target.IsNode() {
		e.line("recorded", "never seen as wanted")
	}
	if x, ok := e.p.recorded.Archived[v.Key]; ok {
		e.line("archived", "%s, in %s", minute(x.At), x.Archive)
	}
	for _, u := range e.p.recorded.Undelivered {
		if u.Key == v.Key {
			e.line("outbox", "%s waits since %s: %s", u.Callback, minute(u.Since), u.Problem)
		}
	}
	return e.store.View(func(tx *state.Tx) error {
		var last *state.Entry
		err := tx.History(0, func(h state.Entry) error {
			if slices.ContainsFunc(h.Steps, func(s state.Step) bool { return s.Key == v.Key }) {
				last = &h
			}
			return nil
		})
		if last != nil {
			e.line("last", "%s", strings.TrimSpace(historyLine(*last)))
		}
		return err
	})
}

// outcome says what a plan would do now, or why it would not.
func (e *explanation) outcome(v planner.View) {
	said := false
	for i := range e.p.plan.Core.Actions {
		if a := &e.p.plan.Core.Actions[i]; a.Key == v.Key {
			said = true
			var why []string
			for _, r := range e.p.plan.Context.Details[i].Reasons {
				why = append(why, r.Text)
			}
			e.line("next", "%s, once a plan is approved: %s", a.Kind, strings.Join(why, "; "))
			for _, c := range a.Changes {
				e.line("", "%s: %s -> %s", c.Attribute, c.Before, c.After)
			}
		}
	}
	for _, r := range slices.Concat(e.p.plan.Context.Blocked, e.p.plan.Context.Waiting) {
		if r.Key == v.Key {
			said = true
			kind := "blocked"
			if slices.ContainsFunc(e.p.plan.Context.Waiting, func(w planner.Refusal) bool { return w.Key == v.Key }) {
				kind = "waiting"
			}
			for i, text := range strings.Split(r.Reasons[0].Text, "\n") {
				e.line([]string{kind, ""}[min(i, 1)], "%s", text)
			}
		}
	}
	if !said && !v.Target.IsNode() {
		e.line("next", "nothing: it is as wanted")
	}
}
