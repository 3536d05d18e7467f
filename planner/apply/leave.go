package apply

import (
	"cmp"
	"context"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// The lowest limits of a frozen quota: what Lustre grants at a time.
const (
	leastSpace  planner.Bytes  = 1 << 20
	leastInodes planner.Inodes = 1024
)

// leaveQuota freezes or removes the quota of an archived directory, as the plan says. The archived
// data is safe either way. If leaveQuota cannot know what to do, it does nothing and says so in the
// journal and on the terminal.
func (e *Engine) leaveQuota(ctx context.Context, w *Work, o *outcome, m Move) error {
	a := w.Action
	if a.Quota == nil || !a.Freeze && !a.Unlimit {
		return nil
	}
	on, now := *a.Quota, planner.QuotaState{}
	if on.By == planner.ByDirectory {
		var found bool
		if on, now, found = e.ourQuota(ctx, a, m, o); !found {
			return nil
		}
	} else {
		now = e.Storage.Quota(ctx, a.System, on)
	}
	if a.Unlimit {
		return e.unlimit(ctx, a, on)
	}
	return e.freeze(ctx, w, o, on, now)
}

// ourQuota finds the quota that the plan saw on a directory that is archived now. The quota may
// have moved with the directory or stayed. One that stayed limits nothing any more, so there is
// nothing to freeze.
func (e *Engine) ourQuota(ctx context.Context, a *planner.Action, m Move,
	o *outcome) (on planner.QuotaID, now planner.QuotaState, found bool) {
	why := ""
	for _, path := range []string{m.Archived(), a.Storage} {
		on = planner.QuotaID{By: planner.ByDirectory, Path: path}
		now = e.Storage.Quota(ctx, a.System, on)
		switch {
		case now.LimitsWhy() != "":
			why = cmp.Or(why, now.LimitsWhy())
		case now.Absent || now.Handle() != a.Handle:
		case a.Freeze && path == a.Storage:
			return on, now, false
		default:
			return on, now, true
		}
	}
	if why != "" {
		e.sayOf(a, o, fmt.Sprintf(
			"what happened to the quota of %s is not known: %s; look at it by hand", a.Quota, why))
	}
	return on, now, false
}

// sayOf writes words about an action to the journal and the terminal.
func (e *Engine) sayOf(a *planner.Action, o *outcome, words string) {
	o.steps = append(o.steps, words)
	e.tell(Event{Action: a, Step: words})
}

// unlimit removes the quota of an archived directory, and checks that it is gone.
func (e *Engine) unlimit(ctx context.Context, a *planner.Action, on planner.QuotaID) error {
	e.reached("quota removal")
	err := e.Storage.RemoveQuota(ctx, a.System, on)
	e.reached("quota removed")
	if err == nil {
		switch after := e.Storage.Quota(ctx, a.System, on); {
		case after.LimitsWhy() != "":
			err = fmt.Errorf("could not read whether it is gone: %s", after.LimitsWhy())
		case !after.Absent:
			err = fmt.Errorf("it was removed, but is still there")
		}
	}
	if err != nil {
		return fmt.Errorf("archive %s: it was archived, but its quota could not be removed: %w; "+
			"remove it by hand, and plan again to tell Waldur", a.Address, err)
	}
	return nil
}

// freeze lowers the hard limits of an archived directory's quota to its usage, so that its group
// can write no more. A limit that is already lower stays, and so does a limit whose usage is
// unknown.
func (e *Engine) freeze(ctx context.Context, w *Work, o *outcome, on planner.QuotaID,
	now planner.QuotaState) error {
	why := now.LimitsWhy()
	want := now.Limits
	switch {
	case w.Shared:
		why = "others use it now"
	case why == "":
		why = cmp.Or(now.SpaceWhy(), now.InodesWhy())
		for _, of := range planner.Quantities() {
			freezeLimits(&want, of, &now, uint64(max(w.Unit, 1024)))
		}
	}
	if why != "" {
		e.sayOf(w.Action, o,
			fmt.Sprintf("the quota of %s was not frozen, or only in part: %s; lower it by hand", on,
				why))
	}
	if want == now.Limits {
		return nil
	}
	if err := e.setLimits(ctx, w.Action, on, want, now); err != nil {
		return fmt.Errorf("archive %s: it was archived, but its quota could not be frozen: %w; "+
			"lower it by hand, and plan again to tell Waldur",
			w.Action.Address, err)
	}
	return nil
}

// freezeLimits lowers the limits of one quantity to its usage, rounded up to whole units for space.
// It never raises a limit.
func freezeLimits(l *planner.Limits, of planner.Quantity, now *planner.QuotaState, unit uint64) {
	used, known, _ := now.Used(of.Hard)
	least := uint64(leastInodes)
	if of.Hard.IsSpace() {
		least = uint64(leastSpace)
	} else {
		unit = 1
	}
	at := max((used+unit-1)/unit*unit, least)
	if limit, ok := l[of.Hard].Number(); !known || ok && limit <= at {
		return
	}
	l[of.Hard] = planner.LimitFrom(planner.Number(at))
	if limit, ok := l[of.Soft].Number(); ok && limit > at {
		l[of.Soft] = l[of.Hard]
	}
}
