package main

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// recall says what is known without a listing, and fails all the same with the listing's error.
func (s *session) recall(what string, failed error) error {
	e := s.explanation(&engine.Planned{})
	err := s.store.View(func(tx ledger.Tx) (err error) {
		e.p.Recorded, err = tx.Recorded()
		return err
	})
	if err == nil {
		err = e.unlisted(what, "not known: the proxy gave no listing. What follows is recorded; the storage was not looked at")
	}
	if err == nil {
		err = s.print(e.b.String())
	}
	return errors.Join(failed, err)
}

// unlisted says what is known of what the listing does not have, and why it has it not.
func (e *explanation) unlisted(what, listed string) error {
	gid, err := strconv.ParseUint(what, 10, 32)
	byGroup := err == nil
	known := map[planner.Key]string{}
	for r := range e.p.Recorded.Records.All() {
		if r.Address == what || byGroup && !r.Target.IsBranch() && r.Group == planner.GID(gid) {
			known[r.Key] = r.Address
		}
	}
	for k, x := range e.p.Recorded.Archived {
		if x.Address == what || byGroup && x.Group == planner.GID(gid) {
			known[k] = x.Address
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(known), planner.Key.Compare) {
		e.heading(known[k])
		e.line("listed", "%s", listed)
		if err := e.lately(k); err != nil {
			return err
		}
	}
	return nil
}

func (e *explanation) archived(x planner.Archived) {
	e.line("archived", "%s, kept until %s, in", planner.Minute(x.At), x.Until.UTC().Format("2006-01-02"))
	e.verbatim("", render.Escape(filepath.Join(e.cfg.Storage.Root, x.Archive)))
	e.verbatim("", "cscs-sync archive restore "+render.Escape(x.Address)+" --out restore.plan")
}
