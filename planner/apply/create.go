package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// create makes a directory and everything about it; until the last step only root can enter it, and
// only root can after a step that failed. One that failed is recorded as unfinished, so that the
// next plan knows it as ours.
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

// giveUp closes a new directory that could not be finished. One that is a resource is recorded as
// unfinished; the way out of the others is said in the error.
func (e *Engine) giveUp(job *Job, a *planner.Action, o *outcome, d Directory, err error) error {
	seen, closing := e.leaveClosed(d)
	if o.index >= 0 {
		e.recordUnfinished(job, a, o, seen)
		return errors.Join(err, closing)
	}
	return errors.Join(fmt.Errorf("%w; it stays closed. When the cause is gone, run `rmdir %s` below storage.root, "+
		"then plan again", err,
		a.Storage), closing)
}

// recordUnfinished has a directory recorded as one that we made, and that is to be finished.
func (e *Engine) recordUnfinished(job *Job, a *planner.Action, o *outcome, seen planner.Directory) {
	o.inode = seen.Inode
	o.record = &planner.Record{Key: a.Key, Address: a.Address, System: a.System, Storage: a.Storage,
		Target: a.Target, Inode: seen.Inode,
		Born: seen.Born, Owner: seen.Owner, Group: seen.Group, Mode: seen.Mode, Plan: job.ID,
		At: e.Now().UTC(), Unfinished: true}
}

// finishNew does all that is to be done about a new directory.
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
	if err := dropACLs(a, d); err != nil {
		return err
	}
	e.reached("acl")
	return e.settle(w, o, d)
}

// leaveClosed gives a new directory that could not be finished back to root, who alone can enter
// it.
func (e *Engine) leaveClosed(d Directory) (planner.Directory, error) {
	seen := d.Observe()
	if seen.Owner == e.RootUID && seen.Group == e.RootGID && seen.Mode&^closed == 0 {
		return seen, nil
	}
	err := errors.Join(d.Chmod(closed), d.Own(e.RootUID, e.RootGID))
	if err != nil {
		err = fmt.Errorf("it could not be closed again, so users may be able to enter it; close it by hand: %w", err)
	}
	e.reached("closed")
	return d.Observe(), err
}

// closed is the mode of a new directory until it is finished.
const closed planner.Mode = 0o700

// dropACLs removes what a new directory inherited, and looks whether it is gone: NFSv4 has ACLs
// that cannot be removed, and with one the directory would be open to more people than its mode
// shows.
func dropACLs(a *planner.Action, d Directory) error {
	if err := d.DropACLs(); err != nil {
		return err
	}
	if acl := d.Observe().ACL; acl != nil && acl.Unread == "" {
		return fmt.Errorf("create %s: it inherited an ACL that cannot be removed (%s); remove the entries "+
			"that it inherits from the directory above, then apply again", a.Storage, acl.Words())
	}
	return nil
}

// takeUp opens a directory that stands where one is to be made: one that we left unfinished, or one
// that is already as wanted. Anything else is left alone. ours reports whether it is one of those
// that we left.
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
	case job.Resumed && e.halfMade(d, a, now):
		return d, true, nil
	default:
		err = fmt.Errorf("create %s: a directory with owner %d, group %d, mode %s now stands there, which "+
			"the plan did not expect; plan again",
			a.Storage, now.Owner, now.Group, now.Mode)
	}
	d.Close()
	return nil, false, err
}

// stillEmpty refuses an unfinished directory that somebody put something into: it is not only ours
// any more.
func (e *Engine) stillEmpty(d Directory, a *planner.Action) error {
	switch empty, err := d.Empty(); {
	case err != nil:
		return err
	case !empty:
		return fmt.Errorf("create %s: an apply left it unfinished, and now there is something in it. Run "+
			"`cscs-sync state rm %s`, then plan again to adopt it as it is", a.Storage, a.Address)
	}
	return nil
}

// halfMade reports whether a killed apply left a directory: closed, empty, and ours or already
// given to its owner. Anybody else's is left alone, whatever it looks like.
func (e *Engine) halfMade(d Directory, a *planner.Action, now planner.Directory) bool {
	owner, _ := wanted(a, planner.Owner, planner.Value{}).Number()
	ours := now.Owner == e.RootUID || now.Owner == planner.UID(owner)
	empty, err := d.Empty()
	return err == nil && empty && ours && now.Mode&^0o2700 == 0 && a.Kind == planner.Create
}
