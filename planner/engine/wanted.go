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

// recordWanted records what was seen as wanted and is not recorded so, so that it is missed once it
// vanishes, and counts with what it claims now once it is archived. Audits and applies share it: a
// plan of a part of the site records what it saw of that part.
func (e *Engine) recordWanted(tx ledger.Tx, p *Planned) error {
	for _, rec := range p.Graph.AsWanted() {
		if old, ok := p.Recorded.Records.Of(rec.Key); ok && !outdated(old, rec) {
			continue
		}
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

// outdated reports whether a record lacks what was not known when it was written, or has other
// claims than were seen of the same directory: an older state was put back, or another node has
// applied them.
func outdated(old, seen planner.Record) bool {
	if old.Inode == 0 || old.Born == 0 && seen.Born != 0 {
		return true
	}
	return old.Inode == seen.Inode && old.Born == seen.Born && old.Claim != seen.Claim
}

// RecordNothingToDo records, under the lock, what an apply without any action saw as wanted.
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

// recordSeen records what was seen as wanted, and where.
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

// recordRoots records what the directories of the touched systems are, the first time.
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

// Remember records what an audit saw as wanted, and whatever more has to be on disk together with
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
