package apply

import (
	"errors"

	"github.com/waldur/cscs-storage-sync/planner"
)

// unsynced is a directory that is durable and as wanted, but whose name in the parent directory may
// not be durable yet. The directory stays open until its parent is synced, once for all directories
// of a batch that lie in it.
type unsynced struct {
	dir    Directory
	action *planner.Action
	// ours reports whether this plan made the directory. If so, it is closed to users again when it
	// cannot be made durable.
	ours bool
}

// syncAbove syncs the parent directories of all outcomes that wait for it, each parent once. It
// runs before anything is recorded or reported to Waldur. Parents are told apart by what was opened
// and not by path, because one that was replaced meanwhile is another directory.
func (e *Engine) syncAbove(job *Job, outcomes []*outcome) {
	var order [][]*outcome
	groups := map[Above]int{}
	for _, o := range outcomes {
		if o == nil || o.unsynced == nil {
			continue
		}
		above, err := o.unsynced.dir.Above()
		if i, ok := groups[above]; ok && err == nil {
			order[i] = append(order[i], o)
			continue
		}
		if err == nil {
			groups[above] = len(order)
		}
		order = append(order, []*outcome{o})
	}
	e.each(len(order), func(i int) {
		err := order[i][0].unsynced.dir.SyncAbove()
		e.reached("synced above")
		for _, o := range order[i] {
			e.endSync(job, o, err)
		}
	})
}

// endSync closes the directory of an outcome. err says why its parent could not be synced; nil if
// it was.
func (e *Engine) endSync(job *Job, o *outcome, err error) {
	u := o.unsynced
	o.unsynced = nil
	defer u.dir.Close()
	if err == nil {
		return
	}
	o.record, o.forget, o.calls = nil, false, nil
	if u.ours {
		err = e.giveUp(job, u.action, o, u.dir, err)
	}
	o.err = errors.Join(o.err, err)
}
