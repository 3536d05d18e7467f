package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// parent is one parent directory that has to be made.
type parent struct {
	system, path string
	// index is the index of its work; -1 for a directory that is no resource.
	index int
	// action is what is wanted of the directory.
	action *planner.Action
}

// makeParents makes the parent directories one by one, topmost first: there are few, and each needs
// the one before. Directories that exist stay as they are.
func (e *Engine) makeParents(ctx context.Context, stop <-chan struct{}, job *Job,
	results []Result) error {
	var outcomes []*outcome
	// Each directory is open until its parent is synced.
	for some := range slices.Chunk(e.missingParents(job), batchSize) {
		made := make([]*outcome, len(some))
		for i, p := range some {
			if stopped(ctx, stop) {
				break
			}
			e.tell(Event{Action: p.action, Step: "begin"})
			o := &outcome{index: p.index, err: errors.Join(e.held(p.action.Address),
				e.parentsOf(p.action))}
			if o.err == nil {
				o.err = e.makeParent(job, p, o)
			}
			made[i], e.parents[p.path] = o, o.err
		}
		e.syncAbove(job, made)
		outcomes = append(outcomes, e.endParents(some, made, results)...)
	}
	if len(outcomes) == 0 {
		return nil
	}
	err := e.commit(job, outcomes)
	for _, o := range outcomes {
		if r := &results[o.index]; err != nil && r.Status == Done {
			r.Status = Unrecorded
		}
	}
	return err
}

// endParents records the results of some parent directories, and returns the outcomes of those that
// are resources.
func (e *Engine) endParents(some []parent, made []*outcome,
	results []Result) (outcomes []*outcome) {
	for i, o := range made {
		if o == nil {
			continue
		}
		p := some[i]
		e.parents[p.path] = o.err
		if p.index < 0 {
			continue
		}
		outcomes = append(outcomes, o)
		r := &results[p.index]
		r.Status, r.Err = statusOf(o.err), o.err
		e.tell(Event{Action: p.action, Step: "end", Status: r.Status, Err: r.Err})
	}
	return outcomes
}

// missingParents returns the parent directories that the job's work needs, sorted so that each
// follows its own parent.
func (e *Engine) missingParents(job *Job) []parent {
	byPath := map[string]parent{}
	holds, unknown := e.holds() // each change asks again
	for i := range job.Work {
		w := &job.Work[i]
		if w.Skip != "" || w.Finished {
			continue
		}
		if isParent(w.Action) {
			byPath[w.Action.Storage] = parent{w.Action.System, w.Action.Storage, i, w.Action}
		}
		if unknown != nil || heldBy(holds, w.Action.Address) != nil {
			continue // nobody needs its parents now
		}
		for _, path := range w.Action.Parents {
			if _, ok := byPath[path]; !ok {
				byPath[path] = parent{w.Action.System, path, -1, e.plainParent(w.Action.System,
					path)}
			}
		}
	}
	all := make([]parent, 0, len(byPath))
	for _, p := range byPath {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b parent) int { return strings.Compare(a.path, b.path) })
	return all
}

// plainParent returns an action for an ancestor that is no resource: root:root 0755.
func (e *Engine) plainParent(system, path string) *planner.Action {
	return &planner.Action{Kind: planner.Create, Target: planner.TargetTenant, System: system,
		Storage: path,
		Address: path, Changes: []planner.Change{
			{Attribute: planner.Owner, After: planner.Number(uint64(e.RootUID))},
			{Attribute: planner.Group, After: planner.Number(uint64(e.RootGID))},
			{Attribute: planner.ModeAttr, After: planner.ModeValue(0o755)}}}
}

func (e *Engine) makeParent(job *Job, p parent, o *outcome) error {
	e.reached("make parent")
	d, err := e.Storage.Make(p.system, p.path)
	if errors.Is(err, ErrExists) {
		return e.finishParent(job, p, o)
	}
	if err != nil {
		return err
	}
	e.reached("made parent")
	return e.setUpParent(job, p, o, d)
}

// setUpParent finishes a new parent directory and closes it, now or once it is durable. If that
// fails, only root can enter it, and the next plan finishes it.
func (e *Engine) setUpParent(job *Job, p parent, o *outcome, d Directory) error {
	now, err := dropACLs(p.action, d)
	if err == nil {
		err = e.setAttributes(&Work{Action: p.action}, o, d, now)
	}
	if err == nil {
		o.forget = p.action.Inode != 0 // it was recorded as unfinished
		o.unsynced = &unsynced{d, p.action, true}
		return nil
	}
	defer d.Close()
	return e.giveUp(job, p.action, o, d, err)
}

// finishParent leaves an existing directory as it is, with one exception: if an apply left it
// unfinished or not synced, it is finished.
func (e *Engine) finishParent(job *Job, p parent, o *outcome) error {
	d, err := e.Storage.Open(p.system, p.path, p.action.Inode)
	if err != nil {
		return fmt.Errorf("create %s: %w", p.path, err)
	}
	switch {
	case p.action.Inode != 0, job.Resumed && e.leftUnfinished(d, p.action, d.Observe()):
		return e.setUpParent(job, p, o, d)
	case !job.Resumed:
		return d.Close()
	}
	if err = d.Sync(); err != nil { // the kill may have come before that
		return errors.Join(err, d.Close())
	}
	o.unsynced = &unsynced{dir: d, action: p.action}
	return nil
}
