package apply

import (
	"errors"

	"github.com/waldur/cscs-storage-sync/planner"
)

// unsynced is a directory that is as wanted and durable itself, while its name in the directory
// above may not be yet. It stays open until that one is synced, once for all of a batch that lie in
// it.
type unsynced struct {
	dir    Directory
	action *planner.Action
	// ours reports whether this plan made it: it is closed to users again if it cannot be made
	// durable.
	ours bool
}

// syncAbove syncs the directories above of all outcomes that wait for it, each once. It comes
// before anything is written down or told. A directory above is known by what was opened, and not
// by its path: one that was replaced meanwhile is another.
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

// endSync closes a directory whose directory above was synced, or could not be.
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
