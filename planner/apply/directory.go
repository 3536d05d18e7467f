package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Directory is one open directory. Every change compares the inode first.
type Directory interface {
	Observe() planner.Directory
	Empty() (bool, error)
	Own(planner.UID, planner.GID) error
	Chmod(planner.Mode) error
	DropACLs() error
	SetProject(planner.ProjectID) error
	// Tag gives a project id, which new entries inherit, to everything below the directory and at last
	// to the directory itself. It skips entries that have the id, so that a call continues where a
	// killed one stopped. It calls tell now and then with the number of entries seen so far. left is
	// how many hard links it left as they were because they lead out of the directory.
	Tag(ctx context.Context, id planner.ProjectID, tell func(seen int)) (left int, err error)
	// Sync makes the directory's own attributes durable.
	Sync() error
	// Above returns the identity of the parent directory. SyncAbove makes this directory's name in its
	// parent durable.
	Above() (Above, error)
	SyncAbove() error
	Close() error
}

// Above identifies a parent directory.
type Above struct{ Device, Inode uint64 }

// asWanted reports whether a directory is as the plan's changes want it.
func asWanted(a *planner.Action, now planner.Directory) bool {
	return now.State == planner.DirPresent && !slices.ContainsFunc(a.Changes,
		func(c planner.Change) bool {
			is, _ := now.Attribute(c.Attribute)
			return !c.Attribute.IsQuota() && is != c.After
		})
}

// setAttributes gives a directory its owner, group and mode, syncs it, and checks that it is now as
// wanted. now is what was just observed. If setting the mode fails, only the bits that the old and
// the new mode share are left, so that the mode is no wider than before.
func (e *Engine) setAttributes(w *Work, o *outcome, d Directory, now planner.Directory) error {
	a := w.Action
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
		return fmt.Errorf("change %s: after the change it has owner %d, group %d, mode %s, "+
			"project id %s, and that is not what was set; somebody undoes the change, or the "+
			"file system does not keep it", a.Storage, now.Owner,
			now.Group, now.Mode, now.ProjectValue())
	}
	e.keepRecord(w, o, now)
	for _, c := range a.Changes {
		o.steps = append(o.steps, c.Attribute.String())
	}
	return nil
}

// syncs reports whether an action has to make the directory durable. An update of only a quota does
// not change the directory, and the filesystem makes quotas durable by itself.
func syncs(a *planner.Action) bool {
	return a.Kind != planner.Update || a.Tag || slices.ContainsFunc(a.Changes,
		func(c planner.Change) bool { return !c.Attribute.IsQuota() })
}

// narrow removes mode bits that a failed change of the mode has added.
func (e *Engine) narrow(d Directory, mode planner.Mode) error {
	if d.Observe().Mode&^mode == 0 {
		return nil
	}
	return d.Chmod(mode)
}
