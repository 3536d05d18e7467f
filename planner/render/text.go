package render

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/parallel"
)

// Text returns what a reviewer reads, in the order of importance: what the plan is, what it does in
// numbers, warnings, and what was changed outside; then every action, dangerous ones first; then
// what is not done, and why. The text depends only on the arguments. No line begins with "-----" or
// ends in blanks.
func Text(plan *planner.Plan, opt Options) []byte { return newView(plan, opt).text() }

// TextOf is [Text] for a caller that knows the plan's id, as [canonical.ID] computes it.
func TextOf(plan *planner.Plan, id string, opt Options) []byte {
	return newViewOf(plan, func() string { return id }, opt).text()
}

func (v *view) text() []byte {
	opt, sections := v.opt, v.sections()
	parts := parallel.Map(slices.Collect(slices.Chunk(sections, together)),
		func(some []func(*printer)) []byte {
			p := newPrinter(opt)
			p.buf.Grow(1200 * len(some))
			for i, section := range some {
				if i > 0 {
					p.blank()
				}
				section(p)
			}
			return p.buf.Bytes()
		})
	return bytes.Join(parts, []byte("\n"))
}

// together is how many sections are written one after the other as one part. The parts are written
// at the same time.
const together = 256

// view is a plan that is being rendered.
type view struct {
	plan *planner.Plan
	opt  Options
	id   func() string
	// listAll names every address of a folded group.
	listAll bool
	// quotaOnly has the refusals of only a quota, by the resource that has an action.
	quotaOnly map[planner.Key][]planner.Reason
	// shell makes the lines of --commands; nil without that option.
	shell *shell
}

func newView(plan *planner.Plan, opt Options) *view {
	id := parallel.Meanwhile(func() string { return canonical.ID(plan.Core) })
	return newViewOf(plan, id, opt)
}

func newViewOf(plan *planner.Plan, id func() string, opt Options) *view {
	v := &view{plan: plan, opt: opt, id: id, quotaOnly: map[planner.Key][]planner.Reason{}}
	if opt.Commands {
		v.shell = newShell(plan, v.order())
	}
	for _, list := range [][]planner.Refusal{plan.Context.Blocked, plan.Context.Waiting} {
		for i := range list {
			if r := &list[i]; r.QuotaOnly {
				v.quotaOnly[r.Key] = append(v.quotaOnly[r.Key], r.Reasons...)
			}
		}
	}
	return v
}

// sections returns the parts of the text that this plan has, in order.
func (v *view) sections() []func(*printer) {
	c := &v.plan.Context
	list := []func(*printer){v.header, v.table}
	for _, s := range []struct {
		has  bool
		show func(*printer)
	}{
		{len(c.Promised) > 0, v.promised},
		{v.hasDanger(), v.dangerous},
		{len(c.Warnings) > 0, v.warnings},
		{len(c.Drift) > 0, v.drift},
		{len(v.legendKinds()) > 0, v.legend},
		{v.opt.Commands && v.asksVAST(), placeholders},
	} {
		if s.has {
			list = append(list, s.show)
		}
	}
	list = append(list, v.actions()...)
	if len(c.Shared) > 0 {
		list = append(list, v.shared)
	}
	if len(c.Blocked)+len(c.Waiting) > 0 {
		list = append(list, v.refusals)
	}
	if len(c.Undelivered) > 0 || v.sends() {
		list = append(list, v.callbacks)
	}
	return append(list, v.conclusion)
}

func (v *view) hasDanger() bool {
	return slices.ContainsFunc(v.plan.Core.Actions,
		func(a planner.Action) bool { return len(a.Danger) > 0 })
}

func (v *view) sends() bool {
	return slices.ContainsFunc(v.plan.Core.Actions,
		func(a planner.Action) bool { return len(a.Callbacks) > 0 })
}

// order returns the indexes of the actions as they are shown: the most dangerous first, then by
// kind, then by address.
func (v *view) order() []int {
	actions := v.plan.Core.Actions
	order := make([]int, len(actions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(importance(&actions[i]), importance(&actions[j]))
	})
	return order
}

func importance(a *planner.Action) int {
	if len(a.Danger) > 0 {
		return slices.Index(planner.Dangers(), a.Danger[0])
	}
	switch a.Kind {
	case planner.Archive:
		return 10
	case planner.Update, planner.Adopt, planner.Restore:
		return 11
	case planner.Create:
		return 12
	case planner.Report:
		return 13
	}
	return 14
}

func (v *view) actions() []func(*printer) {
	if len(v.plan.Core.Actions) == 0 {
		return nil
	}
	list := []func(*printer){func(p *printer) {
		p.put(text("cscs-sync will perform the following actions:"))
	}}
	return append(list, v.each(v.order())...)
}

// each returns the blocks of actions. With --compact some actions share a block, unless each gets
// shell lines of its own.
func (v *view) each(order []int) []func(*printer) {
	if v.opt.Compact && !v.opt.Commands {
		return v.folded(order)
	}
	list := make([]func(*printer), len(order))
	for k, i := range order {
		list[k] = func(p *printer) { v.action(p, i) }
	}
	return list
}

// legendKinds returns the kinds whose symbols occur.
func (v *view) legendKinds() []planner.ActionKind {
	seen := map[planner.ActionKind]bool{planner.Blocked: len(v.plan.Context.Blocked) > 0,
		planner.Waiting: len(v.plan.Context.Waiting) > 0}
	for i := range v.plan.Core.Actions {
		seen[v.plan.Core.Actions[i].Kind] = true
	}
	return slices.DeleteFunc(planner.ActionKinds(),
		func(k planner.ActionKind) bool { return !seen[k] })
}

func (v *view) legend(p *printer) {
	p.put(text("Resource actions are indicated with the following symbols:"))
	for _, kind := range v.legendKinds() {
		mark, words, s := symbol(kind)
		p.put(text("  ").add(in(s, mark), in(plain, " "+words)))
	}
}
