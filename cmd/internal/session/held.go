package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// Held reads the held plans and the rejections, and writes this node's copies of the plans.
func (s *Session) Held() (waiting []held.Plan, rejected []held.Rejection, err error) {
	var unusable []held.Unusable
	err = s.Store.View(func(tx ledger.Tx) error {
		var failed error
		waiting, unusable, err = held.Waiting(tx, s.Store.Dir())
		rejected, failed = held.Rejected(tx)
		return errors.Join(err, failed)
	})
	if err != nil {
		return nil, nil, err
	}
	for _, u := range unusable {
		s.Process.Warn("Warning: held plan %s can't be used: %v. To remove it, run `cscs-sync held "+
			"reject %s`.", render.Quote(u.File), u.Why, filepath.Base(u.File))
	}
	s.copyHeld()
	return waiting, rejected, nil
}

// copyHeld writes this node's copies of held plans. Without them people have nothing to read with
// less; every command reads the state.
func (s *Session) copyHeld() {
	changed, err := s.Store.Files().Copy(loop.PendingFolder(s.Store.Dir()))
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		s.Process.Warn("Warning: the copies of held plans on this node: %v", err)
	}
	for _, path := range changed {
		s.Process.Warn("Warning: %s was not the plan that is held, and was replaced: it is only a "+
			"copy. The held plan is in the state.", render.Quote(path))
	}
}

// Reject removes the held plan that ref means, and returns its name. A plan that this version can't
// use is removed by the name of its file, and may be held again: unusable reports that.
func (s *Session) Reject(ctx context.Context, ref, reason string) (name string, unusable bool,
	err error) {
	err = s.Change(ctx, func(tx ledger.Tx, by ledger.Person) (err error) {
		unusable, err = held.RemoveUnusable(tx, ref, reason, by)
		if unusable || err != nil {
			return err
		}
		p, err := held.Reject(tx, ref, reason, by)
		name = p.Name
		return err
	})
	if err == nil {
		s.copyHeld()
	}
	return name, unusable, err
}

// Unreject forgets the rejection that ref means, and returns the name of its plan.
func (s *Session) Unreject(ctx context.Context, ref string) (name string, err error) {
	err = s.Change(ctx, func(tx ledger.Tx, by ledger.Person) error {
		r, err := held.Unreject(tx, ref, by)
		name = r.Name
		return err
	})
	return name, err
}

// HeldFiles are the paths of the copies of held plans.
func (s *Session) HeldFiles() []string {
	folder := loop.PendingFolder(s.Store.Dir())
	names, _ := s.Store.Files().Plans(folder) // without them there is nothing to propose
	for i, name := range names {
		names[i] = filepath.Join(folder, name)
	}
	return names
}

// waiting are the held plans of a state that a person can approve.
func waiting(store *state.Store) (plans []held.Plan, err error) {
	err = store.View(func(tx ledger.Tx) error {
		plans, _, err = held.Waiting(tx, store.Dir())
		return err
	})
	return plans, err
}

// PlanFile is a plan file: on disk or, where its path is that of a held plan's copy, in the state.
type PlanFile struct {
	path string
	// files has the plan at a path of its own; nil for a file on disk.
	files *state.Files
	at    string
}

// PlanFileAt returns the plan file at a path. The plan is read from the state, and approvals are
// added there, if the path is that of a held plan's copy. Where the configuration can't be read, the
// copy is a file like any other.
func PlanFileAt(path string, open func() (*Session, error)) PlanFile {
	file := PlanFile{path: path}
	full, err := filepath.Abs(path)
	if err != nil || filepath.Base(filepath.Dir(full)) != held.Folder {
		return file
	}
	s, err := open()
	if err != nil {
		return file
	}
	folder := loop.PendingFolder(s.Store.Dir())
	if filepath.Dir(full) == folder || sameFolder(filepath.Dir(full), folder) {
		file.files, file.at = s.Store.Files(), filepath.Join(folder, filepath.Base(full))
	}
	return file
}

// sameFolder reports whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	is, err := os.Stat(a)
	want, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(is, want)
}

// Read reads and checks the plan.
func (f PlanFile) Read() (*planfile.File, error) {
	var data []byte
	var err error
	if f.files != nil {
		data, err = f.files.Read(f.at, planfile.MaxSize)
	} else {
		data, err = state.ReadFile(f.path, planfile.MaxSize)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read plan: %s does not exist; cscs-sync plan --out %[1]s writes it", f.path)
	}
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	file, err := planfile.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", f.path, err)
	}
	return file, nil
}

// Update replaces the file's content by what change makes of it.
func (f PlanFile) Update(change func(existing []byte) ([]byte, error)) error {
	if f.files != nil {
		return f.files.Update(f.at, change)
	}
	return state.UpdateFile(f.path, 0o600, change)
}
