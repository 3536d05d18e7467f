package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// recordWanted records what was seen as wanted and is not recorded so, so that it is missed once it vanishes, and counts
// with what it claims now once it is archived. Audits and applies share it: a plan of a part of the site records what it saw
// of that part.
func (s *session) recordWanted(tx ledger.Tx, p *planned) error {
	for _, rec := range p.graph.AsWanted() {
		if old, ok := p.recorded.Records.Of(rec.Key); ok && !outdated(old, rec) {
			continue
		}
		rec.At = tx.Now()
		err := tx.PutRecord(rec)
		if errors.Is(err, ledger.ErrUnfit) {
			s.log.Warn("a resource is as wanted and cannot be recorded", "address", rec.Address, "error", err.Error())
		} else if err != nil {
			return err
		}
	}
	return nil
}

// outdated reports whether a record lacks what was not known when it was written, or has other claims than were seen of the
// same directory: an older state was put back, or another node has applied them.
func outdated(old, seen planner.Record) bool {
	if old.Inode == 0 || old.Born == 0 && seen.Born != 0 {
		return true
	}
	return old.Inode == seen.Inode && old.Born == seen.Born && old.Claim != seen.Claim
}

// recordNothingToDo records what an apply without any action saw as wanted, under the lock.
func (s *session) recordNothingToDo(ctx context.Context, o *applyOptions, p *planned) error {
	if len(p.graph.AsWanted()) == 0 {
		return nil
	}
	lock, err := s.store.Lock(ctx, s.holder(""), o.lockTimeout)
	if err != nil {
		return err
	}
	return errors.Join(s.recordSeen(p), lock.Release())
}

// recordSeen records what was seen as wanted, and where.
func (s *session) recordSeen(p *planned) error {
	return s.store.Update(func(tx ledger.Tx) error {
		if err := s.follow(tx, p); err != nil {
			return err
		}
		if err := recordRoots(tx, apply.Job{}, p); err != nil {
			return err
		}
		return s.recordWanted(tx, p)
	})
}

// recordRoots records what the directories of the touched systems are, the first time.
func recordRoots(tx ledger.Tx, job apply.Job, now *planned) error {
	known, err := tx.Roots()
	if err != nil {
		return err
	}
	systems := map[string]bool{}
	for _, w := range job.Work {
		systems[w.Action.System] = true
	}
	for _, rec := range now.graph.AsWanted() {
		systems[rec.System] = true
	}
	for _, name := range slices.Sorted(maps.Keys(systems)) {
		m := now.mounts[name]
		if _, ok := known[name]; ok || m.Filesystem == "" {
			continue
		}
		if err := tx.PutRoot(name, planner.RootIdentity{Filesystem: m.Filesystem, Inode: m.Inode}); err != nil {
			return err
		}
	}
	return nil
}
