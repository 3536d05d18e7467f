package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// recordWanted records resources that were seen as wanted and are not recorded so. A recorded
// resource is noticed when it disappears, and it counts with its present claims once it is
// archived. Audits and applies both use it: a plan for a part of the site records what it saw of
// that part.
func (e *Engine) recordWanted(tx ledger.Tx, p *Planned) error {
	seen := p.Graph.AsWanted()
	for _, i := range unrecorded(seen, &p.Recorded.Records) {
		rec := seen[i]
		rec.At = tx.Now()
		err := tx.PutRecord(rec)
		if errors.Is(err, ledger.ErrUnfit) {
			e.Log.Warn("a resource is as wanted, but cannot be recorded", "address", rec.Address,
				"error", err.Error())
		} else if err != nil {
			return err
		}
	}
	return nil
}

// unrecorded returns the indexes of the records that are to be written, in the order of their keys:
// a new state file takes many keys in order quickly, and each out of order slower than the last.
func unrecorded(seen []planner.Record, recorded *planner.Records) (indexes []int) {
	for i := range seen {
		if old, ok := recorded.Of(seen[i].Key); !ok || outdated(old, seen[i]) {
			indexes = append(indexes, i)
		}
	}
	slices.SortFunc(indexes, func(a, b int) int { return seen[a].Key.Compare(seen[b].Key) })
	return indexes
}

// outdated reports whether a record lacks something that was not known when it was written, or has
// other claims than were seen for the same directory. That happens if an older state was put back,
// or if another node applied the claims.
func outdated(old, seen planner.Record) bool {
	if old.Inode == 0 || old.Born == 0 && seen.Born != 0 {
		return true
	}
	return old.Inode == seen.Inode && old.Born == seen.Born && old.Claim != seen.Claim
}

// RecordNothingToDo records, under the lock, the resources that an apply without actions saw as
// wanted.
func (e *Engine) RecordNothingToDo(ctx context.Context, p *Planned,
	lockTimeout time.Duration) error {
	if len(p.Graph.AsWanted()) == 0 {
		return nil
	}
	lock, err := e.Locker.Lock(ctx, e.holder(""), lockTimeout)
	if err != nil {
		return err
	}
	return errors.Join(e.recordSeen(p), lock.Release())
}

// recordSeen records the resources that were seen as wanted, and where they are.
func (e *Engine) recordSeen(p *Planned) error {
	return e.Store.Update(func(tx ledger.Tx) error {
		if err := e.follow(tx, p); err != nil {
			return err
		}
		if err := recordRoots(tx, apply.Job{}, p); err != nil {
			return err
		}
		return e.recordWanted(tx, p)
	})
}

// recordRoots records the identities of the changed systems' root directories, the first time.
func recordRoots(tx ledger.Tx, job apply.Job, now *Planned) error {
	known, err := tx.Roots()
	if err != nil {
		return err
	}
	systems := map[string]bool{}
	for _, w := range job.Work {
		systems[w.Action.System] = true
	}
	for _, rec := range now.Graph.AsWanted() {
		systems[rec.System] = true
	}
	for _, name := range slices.Sorted(maps.Keys(systems)) {
		m := now.Mounts[name]
		if _, ok := known[name]; ok || m.Filesystem == "" {
			continue
		}
		if err := tx.PutRoot(name, planner.RootIdentity{Filesystem: m.Filesystem,
			Inode: m.Inode}); err != nil {
			return err
		}
	}
	return nil
}

// Remember records what an audit saw as wanted. more writes what has to be on disk together with
// that.
func (e *Engine) Remember(p *Planned, more func(ledger.Tx) error) error {
	return e.Store.Update(func(tx ledger.Tx) error {
		if err := e.follow(tx, p); err != nil {
			return err
		}
		if err := e.recordWanted(tx, p); err != nil {
			return err
		}
		return more(tx)
	})
}
