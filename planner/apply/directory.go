package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Directory is one directory, opened. Every change compares the inode first.
type Directory interface {
	Observe() planner.Directory
	Empty() (bool, error)
	Own(planner.UID, planner.GID) error
	Chmod(planner.Mode) error
	DropACLs() error
	SetProject(planner.ProjectID) error
	// Tag gives everything below the directory, and at last the directory itself, a project id that
	// new entries inherit. What has it already is passed over, so that a killed call is gone on
	// with. It tells now and then how many entries it has seen, and in the end how many hard links
	// it left as they were, because they lead out of the directory.
	Tag(ctx context.Context, id planner.ProjectID, tell func(seen int)) (left int, err error)
	// Sync makes durable what the directory itself is.
	Sync() error
	// Above tells which directory the one above is, and SyncAbove makes durable that this one has
	// its name there.
	Above() (Above, error)
	SyncAbove() error
	Close() error
}

// Above tells apart the directories that others lie in.
type Above struct{ Device, Inode uint64 }

// asWanted reports whether a directory is what the plan's changes make of it.
func asWanted(a *planner.Action, now planner.Directory) bool {
	return now.State == planner.DirPresent && !slices.ContainsFunc(a.Changes,
		func(c planner.Change) bool {
			is, _ := now.Attribute(c.Attribute)
			return !c.Attribute.IsQuota() && is != c.After
		})
}

// settle gives a directory its owner, group and mode, syncs it, and looks whether it is as wanted
// now. A mode that does not stick leaves the bits that the old and the new one share: no more than
// it had.
func (e *Engine) settle(w *Work, o *outcome, d Directory) error {
	a := w.Action
	now := d.Observe()
	if changes(a, planner.Owner, planner.Group) {
		owner, _ := wanted(a, planner.Owner, planner.Number(uint64(now.Owner))).Number()
		group, _ := wanted(a, planner.Group, planner.Number(uint64(now.Group))).Number()
		if err := d.Own(planner.UID(owner), planner.GID(group)); err != nil {
			return err
		}
		e.reached("own")
	}
	if changes(a, planner.ModeAttr) {
		mode, _ := wanted(a, planner.ModeAttr, planner.Value{}).Mode()
		if err := d.Chmod(mode); err != nil {
			return errors.Join(err, e.narrow(d, now.Mode&mode))
		}
		e.reached("mode")
	}
	if syncs(a) {
		if err := d.Sync(); err != nil {
			return err
		}
		e.reached("synced")
	}
	now = d.Observe()
	if !asWanted(a, now) {
		return fmt.Errorf("change %s: after the change it has owner %d, group %d, mode %s, project id %s, "+
			"and that is not what was set; somebody undoes the change, or the file system "+
			"does not keep it", a.Storage, now.Owner,
			now.Group, now.Mode, now.ProjectValue())
	}
	e.keepRecord(w, o, now)
	for _, c := range a.Changes {
		o.steps = append(o.steps, c.Attribute.String())
	}
	return nil
}

// syncs reports whether an action has to make the directory durable. An update of nothing but a
// quota changes nothing about it: the filesystem keeps quotas by itself.
func syncs(a *planner.Action) bool {
	return a.Kind != planner.Update || a.Tag || slices.ContainsFunc(a.Changes,
		func(c planner.Change) bool { return !c.Attribute.IsQuota() })
}

// narrow takes bits away that a change of the mode gave before it failed.
func (e *Engine) narrow(d Directory, mode planner.Mode) error {
	if d.Observe().Mode&^mode == 0 {
		return nil
	}
	return d.Chmod(mode)
}
