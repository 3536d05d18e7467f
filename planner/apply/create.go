package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// create makes a directory with its ownership, mode and quota. Until the last step only root can
// enter it, and that stays so if a step fails. A directory that could not be finished is recorded
// as unfinished, so that the next plan knows that it is ours.
func (e *Engine) create(ctx context.Context, job *Job, w *Work, o *outcome) error {
	a := w.Action
	e.reached("make")
	d, err := e.Storage.Make(a.System, a.Storage)
	ours := err == nil
	if errors.Is(err, ErrExists) {
		d, ours, err = e.takeUp(job, a)
	}
	if err != nil {
		return err
	}
	e.reached("made")
	if err = e.finishNew(ctx, job, w, o, d); err == nil {
		o.unsynced = &unsynced{d, a, ours}
		return nil
	}
	defer d.Close()
	if !ours {
		return err
	}
	return e.giveUp(job, a, o, d, err)
}

// giveUp closes a new directory that could not be finished. A directory of a resource is recorded
// as unfinished. For any other, the error says how to remove it.
func (e *Engine) giveUp(job *Job, a *planner.Action, o *outcome, d Directory, err error) error {
	seen, closing := e.leaveClosed(d)
	if o.index >= 0 {
		e.recordUnfinished(job, a, o, seen)
		return errors.Join(err, closing)
	}
	return errors.Join(fmt.Errorf("%w; it stays closed. When the cause is gone, "+
		"run `rmdir %s` below storage.root, then plan again", err,
		a.Storage), closing)
}

// recordUnfinished records a directory as one that we made and that is still to be finished.
func (e *Engine) recordUnfinished(job *Job, a *planner.Action, o *outcome, seen planner.Directory) {
	o.inode = seen.Inode
	o.record = &planner.Record{Key: a.Key, Address: a.Address, System: a.System, Storage: a.Storage,
		Target: a.Target, Inode: seen.Inode,
		Born: seen.Born, Owner: seen.Owner, Group: seen.Group, Mode: seen.Mode, Plan: job.ID,
		At: e.Now().UTC(), Unfinished: true}
}

// finishNew gives a new directory its project id, quota, owner, group and mode, and removes
// inherited ACLs.
func (e *Engine) finishNew(ctx context.Context, job *Job, w *Work, o *outcome, d Directory) error {
	a := w.Action
	if project, ok := wanted(a, planner.Project, planner.Value{}).Number(); ok {
		if err := d.SetProject(planner.ProjectID(project)); err != nil {
			return err
		}
		e.reached("project")
	}
	if err := e.quota(ctx, job, w); err != nil {
		return err
	}
	now, err := dropACLs(a, d)
	if err != nil {
		return err
	}
	e.reached("acl")
	return e.setAttributes(w, o, d, now)
}

// leaveClosed gives a new directory that could not be finished back to root and closes it to
// everybody else.
func (e *Engine) leaveClosed(d Directory) (planner.Directory, error) {
	seen := d.Observe()
	if seen.Owner == e.RootUID && seen.Group == e.RootGID && seen.Mode&^closed == 0 {
		return seen, nil
	}
	err := errors.Join(d.Chmod(closed), d.Own(e.RootUID, e.RootGID))
	if err != nil {
		err = fmt.Errorf("it could not be closed again, so users may be able to enter it; "+
			"close it by hand: %w", err)
	}
	e.reached("closed")
	return d.Observe(), err
}

// closed is the mode of a new directory until it is finished.
const closed planner.Mode = 0o700

// dropACLs removes the ACLs that a new directory inherited, if it has any, checks that they are
// gone, and returns what it saw. NFSv4 has ACLs that cannot be removed; with such an ACL the
// directory would be open to more people than its mode shows.
func dropACLs(a *planner.Action, d Directory) (now planner.Directory, err error) {
	if now = d.Observe(); now.State == planner.DirPresent && now.ACL == nil {
		return now, nil
	}
	if err := d.DropACLs(); err != nil {
		return now, err
	}
	now = d.Observe()
	if acl := now.ACL; acl != nil && acl.Unread == "" {
		return now, fmt.Errorf("create %s: it inherited an ACL that cannot be removed (%s); remove the "+
			"entries that it inherits from the directory above, then apply again", a.Storage, acl.Words())
	}
	return now, nil
}

// takeUp opens a directory that exists where one is to be made, if we left it unfinished or it is
// already as wanted. It refuses any other directory. ours reports whether we left it unfinished.
func (e *Engine) takeUp(job *Job, a *planner.Action) (d Directory, ours bool, err error) {
	if d, err = e.Storage.Open(a.System, a.Storage, a.Inode); err != nil {
		return nil, false, err
	}
	now := d.Observe()
	switch {
	case a.Inode != 0: // the plan knows it as unfinished
		if err = e.stillEmpty(d, a); err == nil {
			return d, true, nil
		}
	case asWanted(a, now):
		return d, false, nil
	case job.Resumed && e.leftUnfinished(d, a, now):
		return d, true, nil
	default:
		err = fmt.Errorf("create %s: a directory with owner %d, group %d, mode %s now stands there, "+
			"which the plan did not expect; plan again",
			a.Storage, now.Owner, now.Group, now.Mode)
	}
	d.Close()
	return nil, false, err
}

// stillEmpty returns an error if somebody put something into an unfinished directory: it is no
// longer only ours.
func (e *Engine) stillEmpty(d Directory, a *planner.Action) error {
	switch empty, err := d.Empty(); {
	case err != nil:
		return err
	case !empty:
		return fmt.Errorf("create %s: an apply left it unfinished, and now there is something in it. "+
			"Run `cscs-sync state rm %s`, then plan again to adopt it as it is", a.Storage, a.Address)
	}
	return nil
}

// leftUnfinished reports whether a killed apply left a directory: it is closed, empty, and owned by root
// or already by its owner. A directory of anybody else is left alone, whatever it looks like.
func (e *Engine) leftUnfinished(d Directory, a *planner.Action, now planner.Directory) bool {
	owner, _ := wanted(a, planner.Owner, planner.Value{}).Number()
	ours := now.Owner == e.RootUID || now.Owner == planner.UID(owner)
	empty, err := d.Empty()
	return err == nil && empty && ours && now.Mode&^0o2700 == 0 && a.Kind == planner.Create
}
