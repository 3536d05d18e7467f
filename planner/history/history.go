// Package history selects entries of the ledger's history, and formats them for people, programs
// and auditors.
package history

import (
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Filter selects entries. An empty field selects all.
type Filter struct {
	// Since is the first moment that counts, and Until the first that no longer does.
	Since, Until time.Time
	// Address is a glob. Of what was done, only resources whose address matches count.
	Address string
	// Approver is a person who approved the plan. Plan is the beginning of the plan's id.
	Approver, Plan string
}

// Read returns the selected entries in order, and the hash of the head. It keeps only those changes
// of an entry that match Address.
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

// isAbout reports whether an entry is about the address, and removes from it what was changed
// elsewhere. The entries of a plan follow the one that says what it changes.
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
