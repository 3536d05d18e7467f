package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

func (e *Engine) move(job *Job, w *Work) Move {
	a := w.Action
	return Move{System: a.System, Path: a.Storage, Folder: a.Folder,
		Name: path.Base(a.ArchivePath(job.Begun)), Inode: a.Inode}
}

// archive moves a directory into the archive once Waldur has agreed. After the approve there is no
// way back, so everything that can be tried is tried before. The manifest is written then too, and
// removed again if Waldur does not agree.
func (e *Engine) archive(ctx context.Context, job *Job, w *Work, o *outcome) error {
	a := w.Action
	m := e.move(job, w)
	entry := e.archived(job, w, m)
	manifest, err := json.MarshalIndent(entry, "", "  ")
	if err != nil {
		return fmt.Errorf("archive %s: %w", a.Address, err)
	}
	m.Manifest = append(manifest, '\n')
	if job.Resumed && e.isMoved(m) {
		o.archived, o.steps = entry, []string{"found archived"}
		if err := e.Storage.SyncArchived(m); err != nil { // the kill may have come before the sync
			return err
		}
		return e.leaveQuota(ctx, w, o, m)
	}
	if !w.Finished {
		if err := e.queue(job, w, &outcome{}); err != nil { // what is due afterwards must be possible
			return err
		}
	}
	e.reached("manifest")
	ready, err := e.Storage.PrepareArchive(m)
	if err != nil {
		return err
	}
	e.reached("manifest written")
	if err = e.held(a.Address); err == nil {
		err = e.agree(ctx, w)
	}
	if err != nil {
		return errors.Join(err, ready.Discard())
	}
	e.reached("rename")
	if err := ready.Move(); err != nil {
		// The directory was moved and something failed after that: the register must know where it is.
		if e.isMoved(m) {
			o.archived = entry
		}
		return err
	}
	e.reached("renamed")
	o.archived, o.steps = entry, []string{"archived"}
	return e.leaveQuota(ctx, w, o, m)
}

// isMoved reports whether the directory is in the archive and no longer at its storage path.
func (e *Engine) isMoved(m Move) bool {
	if e.Storage.Look(m.System, m.Path).State != planner.DirAbsent {
		return false
	}
	seen := e.Storage.Look(m.System, m.Archived())
	return seen.State == planner.DirPresent && seen.Inode == m.Inode
}

func (e *Engine) archived(job *Job, w *Work, m Move) *planner.Archived {
	a := w.Action
	if w.Archived.Archive == m.Archived() {
		known := w.Archived // an earlier run of this plan noted it, when more was recorded
		return &known
	}
	owner, _ := before(a, planner.Owner).Number()
	group, _ := before(a, planner.Group).Number()
	mode, _ := before(a, planner.ModeAttr).Mode()
	now := e.Now().UTC()
	x := &planner.Archived{Key: a.Key, Address: a.Address, System: a.System, Storage: a.Storage,
		Archive: m.Archived(), Inode: a.Inode,
		Owner: planner.UID(owner), Group: planner.GID(group), Mode: mode, Project: before(a,
			planner.Project), Order: a.Order,
		Plan: job.ID, At: now, Until: job.Begun.Add(a.Retention).UTC(),
		Claim: w.Record.Claim}
	if a.Quota != nil {
		x.QuotaBy, x.QuotaID = a.Quota.By, a.Quota.ID
	}
	return x
}

func before(a *planner.Action, at planner.Attribute) planner.Value {
	for _, c := range a.Changes {
		if c.Attribute == at {
			return c.Before
		}
	}
	return planner.Value{}
}

// agree asks Waldur to approve a removal. Without a clear yes, nothing is moved and nothing is
// queued. Only the order's own state is a clear yes: an approve that succeeds may leave the order
// waiting for its start date, and the server that answered may not be Waldur.
func (e *Engine) agree(ctx context.Context, w *Work) error {
	a := w.Action
	if w.Finished {
		return nil
	}
	url, ok := w.URLs[planner.Approve]
	if !ok {
		return e.agreed(ctx, w)
	}
	if e.paused.Load() {
		return fmt.Errorf("archive %s: %w; nothing was moved", a.Address, ErrPaused)
	}
	e.reached("callback")
	answer := e.Orders.Send(ctx, Call{Callback: planner.Approve, About: subjectOf(a), URL: url})
	e.reached("answer")
	if errors.Is(answer.Err, errStopped) {
		return answer.Err // nothing was sent
	}
	said := describe(answer)
	if refused(answer.Status) {
		e.paused.Store(true)
	} else if order, err := e.orderOf(ctx, w); err != nil {
		said += "; Waldur could not be asked about its order: " + err.Error()
	} else if said += "; its order is " + string(order.State); took(planner.Approve, order.State) {
		e.told.add(planner.Approve)
		return nil
	}
	return fmt.Errorf("archive %s: Waldur did not approve order %s (%s); nothing was moved", a.Address,
		planner.ShortID(a.Order), said)
}

// orderOf gets the order of an action. It refuses an answer about another order, or about the order
// of another resource.
func (e *Engine) orderOf(ctx context.Context, w *Work) (planner.Order, error) {
	order, err := e.Orders.Get(ctx, w.Order)
	if err == nil {
		err = subjectOf(w.Action).Owns(&order)
	}
	return order, err
}

func subjectOf(a *planner.Action) planner.About {
	return planner.About{Order: a.Order, Resource: a.Key.Item}
}

// agreed checks that a removal was approved earlier, if Waldur no longer offers its approve.
func (e *Engine) agreed(ctx context.Context, w *Work) error {
	a := w.Action
	order, err := e.orderOf(ctx, w)
	switch {
	case err != nil:
		return fmt.Errorf("archive %s: Waldur could not be asked whether order %s was approved: "+
			"%w; nothing was moved",
			a.Address, planner.ShortID(a.Order), err)
	case !took(planner.Approve, order.State):
		return fmt.Errorf("archive %s: Waldur offers no approve for order %s, which is %s; "+
			"nothing was moved, plan again", a.Address,
			planner.ShortID(a.Order), order.State)
	}
	return nil
}

func describe(a Answer) string {
	if a.Status == 0 {
		if a.Err != nil {
			return a.Err.Error()
		}
		return "no answer"
	}
	// Waldur ends its messages with a full stop.
	return planner.Clause(fmt.Sprintf("%d %s", a.Status, a.Detail))
}

// restore moves an archived directory back, if nothing is at its path, and gives it what the
// manifest says about it.
func (e *Engine) restore(ctx context.Context, job *Job, w *Work, o *outcome) error {
	a := w.Action
	folder, name := path.Split(a.From)
	m := Move{System: a.System, Path: a.Storage, Folder: path.Clean(folder), Name: name,
		Inode: a.Inode}
	if err := e.closeUnlimited(ctx, a); err != nil {
		return err
	}
	e.reached("rename")
	if err := e.Storage.Restore(m); err != nil {
		if e.standsAt(a) {
			o.restored = a.From
		}
		return err
	}
	e.reached("renamed")
	o.restored, o.steps = a.From, []string{"restored"}
	d, err := e.Storage.Open(a.System, a.Storage, a.Inode)
	if err != nil {
		return fmt.Errorf("restore %s: it was moved back, but is not seen there: %w", a.Address, err)
	}
	defer d.Close()
	if err := e.quota(ctx, job, w); err != nil {
		return leftClosed(a, err)
	}
	return e.setAttributes(w, o, d, d.Observe())
}

// closeUnlimited closes a directory before it is restored if its own quota is not set yet. Without
// that, users could write to it without a limit. The last step of the restore opens it.
func (e *Engine) closeUnlimited(ctx context.Context, a *planner.Action) error {
	if !setsDirectoryQuota(a) {
		return nil
	}
	at := a.From
	if e.standsAt(a) {
		limited := !e.Storage.Quota(ctx, a.System, *a.Quota).Absent
		if limited && asWanted(a, e.Storage.Look(a.System, a.Storage)) {
			return nil // a killed apply opened it after it set the quota
		}
		at = a.Storage
	}
	d, err := e.Storage.Open(a.System, at, a.Inode)
	if err != nil {
		return fmt.Errorf("restore %s: it must be closed until its quota is set: %w", a.Address, err)
	}
	defer d.Close()
	if _, err = e.leaveClosed(d); err != nil {
		return err
	}
	return d.Sync() // a crash must not lose the mode and keep the new name
}

func setsDirectoryQuota(a *planner.Action) bool {
	return a.Quota != nil && a.Quota.By == planner.ByDirectory &&
		slices.ContainsFunc(a.Changes, func(c planner.Change) bool { return c.Attribute.IsQuota() })
}

// leftClosed adds to err that a restored directory is closed because it has no quota yet, and what
// to do about it.
func leftClosed(a *planner.Action, err error) error {
	if !setsDirectoryQuota(a) {
		return err
	}
	owner, _ := a.After(planner.Owner)
	group, _ := a.After(planner.Group)
	mode, _ := a.After(planner.ModeAttr)
	return fmt.Errorf("%w; %s was moved back and is left closed, so only root can enter it. "+
		"Plan again once the cause is gone; what Waldur does not list has to be opened by hand, "+
		"with owner %s, group %s, "+
		"mode %s", err, a.Storage, planner.Show(planner.Owner, owner), planner.Show(planner.Group, group),
		planner.Show(planner.ModeAttr, mode))
}

// standsAt reports whether the directory of an action is at its storage path.
func (e *Engine) standsAt(a *planner.Action) bool {
	seen := e.Storage.Look(a.System, a.Storage)
	return seen.State == planner.DirPresent && seen.Inode == a.Inode
}
