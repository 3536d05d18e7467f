package explain

import (
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// Recall reads what the loop remembers of its tries; an error is a warning, because the rest can be
// explained without it.
func (in *Input) Recall(files loop.Files) error {
	history, err := loop.ReadHistory(files)
	in.Failures = history.Failures
	return err
}

// Read asks the engine's policy about the whole plan, and finds the plans that wait for people, run
// or were rejected. Files are those of the engine's state.
func (in *Input) Read(e *engine.Engine, files loop.Files) (err error) {
	in.Policy, in.Waldur, in.Storage = e.AskPolicy(in.Planned), e, e.Storage
	if in.Trusted, err = loop.IsTrusted(e.Store); err != nil {
		return err
	}
	if in.Held, err = plansByResource(files, loop.PendingFolder(files.Dir())); err != nil {
		return err
	}
	if in.Begun, err = plansByResource(files, loop.BegunFolder(files.Dir())); err != nil {
		return err
	}
	return e.Store.View(func(tx ledger.Tx) error {
		rejected, err := held.Rejected(tx)
		in.Rejected = held.ByAddress(rejected)
		return err
	})
}

// plansByResource are the plan files of a folder, by the resources that they touch.
func plansByResource(files loop.Files, dir string) (map[planner.Key]string, error) {
	names, err := files.Plans(dir)
	if err != nil {
		return nil, err
	}
	by := map[planner.Key]string{}
	for _, name := range names {
		path := filepath.Join(dir, name)
		file, why, err := loop.ReadUsable(files, path)
		if why != nil || err != nil {
			continue // doctor names it
		}
		for _, k := range engine.KeysOf(file.Plan) {
			by[k] = path
		}
	}
	return by, nil
}
