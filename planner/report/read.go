package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Read adds to the input what the state says. Plan and Now must be set.
func (in *Input) Read(tx ledger.Tx) (err error) {
	if in.Archived, err = tx.ArchiveRegister(); err != nil {
		return err
	}
	if in.Holds, err = tx.Holds(in.Now); err != nil {
		return err
	}
	// A plan that ended in the period may have begun before it, with its approvals.
	kept := []string{ledger.EventBegin, ledger.EventResume, ledger.EventChanges, ledger.EventJournal}
	since := in.Now.Add(-Period)
	return tx.History(1, func(e ledger.Entry) error {
		if !e.Time.Before(since) || slices.Contains(kept, e.Event) {
			in.History = append(in.History, e)
		}
		return nil
	})
}

// OnlyPage refuses to replace a file that is not the page of a report.
func OnlyPage(existing []byte) error {
	page := bytes.HasPrefix(existing, []byte("<!DOCTYPE html>"))
	if !page || !bytes.Contains(existing, []byte("<title>Storage report</title>")) {
		return errors.New("it is not the page of a report; name another file, or remove it")
	}
	return nil
}

// OnlyOnDemand refuses to replace a file that is not a quota file.
func OnlyOnDemand(existing []byte) error {
	var head struct {
		Version int             `json:"version"`
		Quotas  json.RawMessage `json:"quotas"`
	}
	err := json.Unmarshal(existing, &head)
	if err != nil || head.Version != 1 || head.Quotas == nil {
		return errors.New("it is not a quota file of Open OnDemand; name another file, or remove it")
	}
	return nil
}
