// Package history chooses entries of the ledger's history, and shows them to people, programs and
// auditors.
package history

import (
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Filter chooses entries. An empty field chooses all.
type Filter struct {
	// Since is the first moment that counts, and Until the first one that no longer does.
	Since, Until time.Time
	// Address is a glob: what was done about a resource counts if its address matches.
	Address string
	// Approver is somebody who approved the plan, and Plan the beginning of the plan's id.
	Approver, Plan string
}

// Read returns the entries that the filter chooses, in their order, and the hash of the head. Of
// an entry it keeps only what was changed at the address.
func (f *Filter) Read(tx ledger.History) (chosen []ledger.Entry, head string, err error) {
	chosen = []ledger.Entry{}
	_, head = tx.Head()
	at := map[string]bool{} // the plans that change something at the address
	err = tx.History(0, func(e ledger.Entry) error {
		if f.isAbout(&e, at) && f.takes(&e) {
			chosen = append(chosen, e)
		}
		return nil
	})
	return chosen, head, err
}

// isAbout reports whether an entry is about the address, and keeps in it only what was changed
// there. The entries of a plan follow the one that says what it changes.
func (f *Filter) isAbout(e *ledger.Entry, plans map[string]bool) bool {
	if f.Address == "" {
		return true
	}
	var there []ledger.Changed
	for _, c := range e.Changed {
		if planner.MatchGlob(f.Address, c.Address) {
			there = append(there, c)
		}
	}
	e.Changed = there
	if len(there) > 0 {
		plans[e.Plan] = true
		return true
	}
	if e.Event == ledger.EventChanges {
		return false
	}
	return plans[e.Plan] || strings.Contains(e.Text, f.Address)
}

func (f *Filter) takes(e *ledger.Entry) bool {
	switch {
	case !f.Since.IsZero() && e.Time.Before(f.Since):
		return false
	case !f.Until.IsZero() && !e.Time.Before(f.Until):
		return false
	case !strings.HasPrefix(bare(e.Plan), bare(f.Plan)):
		return false
	}
	return f.Approver == "" || slices.ContainsFunc(e.Approvals, func(x ledger.Approval) bool {
		return x.Name == f.Approver
	})
}

// bare returns a plan's id without the name of the hash.
func bare(id string) string { return strings.TrimPrefix(id, "sha256:") }
