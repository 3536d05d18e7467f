package loop

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// PendingFolder returns the folder of held plans, which wait for people, below the folder of the
// state.
func PendingFolder(dir string) string { return filepath.Join(dir, held.Folder) }

// BegunFolder returns the folder of the policy's plans while they run, below the folder of the
// state.
func BegunFolder(dir string) string { return filepath.Join(dir, "begun") }

// heldPlan is a plan file that already waits.
type heldPlan struct {
	path    string
	actions []planner.Action
	// wanted reports whether this round would hold the plan, too.
	wanted bool
}

// hold writes one plan file for each held group, and removes those that would not be made any more.
// A file whose plan id is unchanged is left as it is, with its approvals.
func (r *round) hold(p *engine.Planned, groups []policy.Group) error {
	waiting, err := r.waitingPlans()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if r.lane == LaneOrders && covers(waiting, p.Plan, g) {
			continue
		}
		if err := r.holdGroup(policy.Only(p.Plan, g), g, waiting); err != nil {
			return err
		}
	}
	return errors.Join(r.removeUnwanted(p, waiting), r.forgetRejections(p))
}

// forgetRejections removes old rejections of plans that a complete audit would not hold.
func (r *round) forgetRejections(p *engine.Planned) error {
	if r.lane != LaneAudit || len(unobservedKeys(p)) > 0 {
		return nil
	}
	by := ledger.Person{Who: r.loop.cfg.Engine.Who, Host: r.loop.cfg.Engine.Host}
	var forgotten []held.Rejection
	err := r.loop.cfg.Engine.Store.View(func(tx ledger.Tx) (err error) {
		forgotten, err = held.Forgettable(tx, r.rejectedNow)
		return err
	})
	if err != nil || len(forgotten) == 0 {
		return err
	}
	return r.loop.cfg.Engine.Store.Update(func(tx ledger.Tx) error {
		return held.Forget(tx, r.rejectedNow, by)
	})
}

// waitingPlans returns the held plans by path. A plan that this version can't use is kept if it has
// approvals, and removed if it has none. A plan that could not be read may have approvals, so it
// ends the round.
func (r *round) waitingPlans() (map[string]*heldPlan, error) {
	dir := r.loop.pendingFolder()
	names, err := r.loop.env.Files.Plans(dir)
	if err != nil {
		return nil, fmt.Errorf("held plans: %w", err)
	}
	waiting := map[string]*heldPlan{}
	for _, name := range names {
		path := filepath.Join(dir, name)
		file, why, err := ReadUsable(r.loop.env.Files, path)
		if err == nil && why != nil {
			_, err = r.keepHeld(path, why)
		}
		if err != nil {
			return nil, fmt.Errorf("held plans: %w", err)
		}
		if why != nil {
			continue
		}
		waiting[path] = &heldPlan{path: path, actions: file.Plan.Core.Actions}
	}
	return waiting, nil
}

// covers reports whether everything in a group already waits, even if it is grouped differently:
// the orders lane sees only a part of what an audit sees.
func covers(waiting map[string]*heldPlan, p *planner.Plan, g policy.Group) bool {
	by := map[planner.Key]*heldPlan{}
	for _, h := range waiting {
		for i := range h.actions {
			by[h.actions[i].Key] = h
		}
	}
	var found []*heldPlan
	for _, i := range g.Actions {
		a := &p.Core.Actions[i]
		if h := by[a.Key]; h == nil || !a.Target.IsBranch() && !h.has(a) {
			return false
		} else {
			found = append(found, h)
		}
	}
	for _, h := range found {
		h.wanted = true
	}
	return true
}

func (h *heldPlan) has(a *planner.Action) bool {
	for i := range h.actions {
		if h.actions[i].Key == a.Key {
			was, err := json.Marshal(h.actions[i])
			is, err2 := json.Marshal(a)
			return err == nil && err2 == nil && string(was) == string(is)
		}
	}
	return false
}

// rejected reports whether somebody rejected the plan with this id, so that it is not held again.
func (r *round) rejected(id string) (is bool, err error) {
	err = r.loop.cfg.Engine.Store.View(func(tx ledger.Tx) (err error) {
		is, err = held.IsRejected(tx, id)
		return err
	})
	if is {
		r.rejectedNow[id] = true
		r.loop.log.Info("not held: somebody rejected it", "plan", canonical.ShortID(id), "next",
			"cscs-sync held reject --undo "+canonical.ShortID(id))
	}
	return is, err
}

// holdGroup writes the plan file of one group, unless it exists.
func (r *round) holdGroup(part *planner.Plan, g policy.Group, waiting map[string]*heldPlan) error {
	path := r.pendingPath(part.Core)
	if h := waiting[path]; h != nil {
		h.wanted = true
		return nil
	}
	if is, err := r.rejected(canonical.ID(part.Core)); is || err != nil {
		return err
	}
	data, err := planfile.Marshal(part, render.Options{})
	if err != nil {
		return fmt.Errorf("held plan %s: %w", path, err)
	}
	if err := r.loop.env.Files.Write(path, data, planfile.MayReplace); err != nil {
		return fmt.Errorf("held plan %s: %w", path, err)
	}
	waiting[path] = &heldPlan{path: path, actions: part.Core.Actions, wanted: true}
	r.loop.log.Info("held", "plan", path, "resources", addressesOf(part, 3), "because",
		strings.Join(g.Rules, "; "),
		"next", "cscs-sync approve "+path)
	return nil
}

// unobserved are the planner's reasons that mean that something could not be looked at.
var unobserved = []codes.Code{codes.Unknown, codes.QuotaUnknown, codes.UsageUnknown,
	codes.ProjectUnknown, codes.OrdersUnseen}

// unobservedKeys returns the resources that could not be looked at.
func unobservedKeys(p *engine.Planned) map[planner.Key]bool {
	unknown := map[planner.Key]bool{}
	for _, b := range slices.Concat(p.Plan.Context.Blocked, p.Plan.Context.Waiting) {
		for _, why := range b.Reasons {
			if slices.Contains(unobserved, why.Code) {
				unknown[b.Key] = true
			}
		}
	}
	return unknown
}

// removeUnwanted removes held plans that would not be made now. An audit sees everything. The orders lane
// judges only plans whose resources it has all listed, and plans for orders that are over. If
// something could not be observed, its plans stay.
func (r *round) removeUnwanted(p *engine.Planned, waiting map[string]*heldPlan) error {
	unknown := unobservedKeys(p)
	open := r.openOrders(p)
	for _, path := range slices.Sorted(maps.Keys(waiting)) {
		h := waiting[path]
		over := h.over(open)
		if h.wanted || r.lane == LaneOrders && over == nil && !h.only(p.Listed) || over == nil &&
			h.any(unknown) || h.any(r.open) {
			continue
		}
		if err := r.removeUnneeded(path, over); err != nil {
			return err
		}
	}
	return nil
}

// removeUnneeded removes a held plan that nobody needs any more. If an order is over, the history records
// the removal, because somebody may have approved the plan or be about to.
func (r *round) removeUnneeded(path string, over *planner.Action) error {
	why := "this round would not hold it: it is done, something else is wanted, or it only " +
		"waits for its time"
	if over != nil {
		why = fmt.Sprintf("the order is over: Waldur no longer has order %s of %s open",
			planner.ShortID(over.Order), over.Address)
		err := r.loop.cfg.Engine.Store.Update(func(tx ledger.Tx) error {
			_, err := tx.AppendHistory(ledger.Entry{Who: r.loop.cfg.Engine.Who, Host: r.loop.cfg.Engine.Host,
				Event: ledger.EventOrderOver,
				Text: fmt.Sprintf("held plan %s removed: %s",
					strings.TrimSuffix(filepath.Base(path), ".plan"), why)})
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := r.removeHeld(path); err != nil {
		return err
	}
	r.loop.log.Info("no longer held", "plan", path, "because", why)
	return nil
}

// openOrders is what a complete listing says about orders.
type openOrders struct {
	// ids are the open orders. unclear are the resources whose item does not say which order it has.
	ids     map[string]bool
	unclear map[planner.Key]bool
}

// openOrders returns the open orders in the round's listing; nil if that is not complete.
func (r *round) openOrders(p *engine.Planned) *openOrders {
	if r.orders != nil && r.orders.problem() != nil {
		return nil
	}
	open := &openOrders{map[string]bool{}, map[planner.Key]bool{}}
	for i := range p.Items {
		it := &p.Items[i]
		if r.lane == LaneOrders && !p.Listed[it.Key] {
			continue
		}
		if id, isClear := planner.OpenOrder(r.loop.cfg.Engine.Settings, it); isClear {
			open.ids[id] = true
		} else {
			open.unclear[it.Key] = true
		}
	}
	return open
}

// over returns the first action for an order that is no longer open; nil if there is none, or if it
// is not known which orders are open.
func (h *heldPlan) over(open *openOrders) *planner.Action {
	if open == nil {
		return nil
	}
	for i := range h.actions {
		if a := &h.actions[i]; a.Order != "" && !open.ids[a.Order] && !open.unclear[a.Key] {
			return a
		}
	}
	return nil
}

// only reports whether all resources of a plan are among some, not counting tenants and customers.
func (h *heldPlan) only(some map[planner.Key]bool) bool {
	for i := range h.actions {
		if !h.actions[i].Target.IsBranch() && !some[h.actions[i].Key] {
			return false
		}
	}
	return true
}

func (h *heldPlan) any(of map[planner.Key]bool) bool {
	for i := range h.actions {
		if of[h.actions[i].Key] {
			return true
		}
	}
	return false
}

// eachPlan calls do for each plan file of a folder, until the loop is asked to stop or finds the
// lock taken. Other errors do not keep it from the plans that follow.
func (r *round) eachPlan(dir string, do func(path string) error) error {
	names, err := r.loop.env.Files.Plans(dir)
	errs := []error{err}
	for _, name := range names {
		if stoppedNow(r.loop.stop()) {
			break
		}
		err := do(filepath.Join(dir, name))
		var busy *ledger.LockedError
		if errors.As(err, &busy) {
			return err
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// showFirst says, in a dry run, which plan would be applied before the round's own. Both lanes
// would begin with it.
func (r *round) showFirst(why, path string, p *planner.Plan) error {
	if r.lane != LaneAudit {
		return nil
	}
	return r.loop.env.Print(fmt.Sprintf("first, %s: %s with %s\n", why, filepath.Base(path),
		planner.Count(len(p.Core.Actions), "action")))
}

// removeHeld removes a held plan, and the markers that say that it was reported.
func (r *round) removeHeld(path string) error {
	err := r.loop.env.Files.Remove(path)
	for _, channel := range channels {
		if err == nil {
			err = r.loop.env.Files.Remove(marker(path, channel))
		}
	}
	if err != nil {
		return fmt.Errorf("held plan: %w", err)
	}
	return nil
}
