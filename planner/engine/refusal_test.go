package engine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// TestRefusedAs: each error that means that nothing was done has its code, however it is wrapped.
// Other errors have none.
func TestRefusedAs(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Code
	}{
		{Refuse(Held, errors.New("somebody holds it")), Held},
		{&planfile.FormatError{}, Tampered},
		{&planfile.ForeignError{}, Tampered},
		{&approval.BlockError{Err: errors.New("damaged")}, Tampered},
		{&ledger.UsedError{}, Used},
		{&ledger.ApprovalUsedError{}, Used},
		{&ledger.SupersededError{By: make([]ledger.Supersession, 1)}, Superseded},
	} {
		for _, err := range []error{c.err, fmt.Errorf("apply: %w", c.err),
			errors.Join(errors.New("also"), c.err)} {
			if code, refused := RefusedAs(err); !refused || code != c.want {
				t.Errorf("%T: %q, %v, want %q", c.err, code, refused, c.want)
			}
		}
	}
	for _, err := range []error{nil, errors.New("disk full"), &ledger.LockedError{}} {
		if code, refused := RefusedAs(err); refused || code != "" || IsRefused(err) {
			t.Errorf("%v is refused as %q", err, code)
		}
	}
}

// TestResultOf: a run is interrupted if anything is left for the next one, and otherwise partial if
// anything failed.
func TestResultOf(t *testing.T) {
	of := func(statuses ...apply.Status) (results []apply.Result) {
		for _, s := range statuses {
			results = append(results, apply.Result{Status: s})
		}
		return results
	}
	for _, c := range []struct {
		results []apply.Result
		want    ledger.Result
	}{
		{nil, ledger.Done},
		{of(apply.Done, apply.Done), ledger.Done},
		{of(apply.Done, apply.Failed), ledger.Partial},
		{of(apply.Skipped, apply.Done), ledger.Partial},
		{of(apply.Undelivered), ledger.Partial},
		{of(apply.Failed, apply.NotBegun), ledger.Interrupted},
		{of(apply.Done, apply.Unrecorded), ledger.Interrupted},
	} {
		if got := resultOf(c.results); got != c.want {
			t.Errorf("%v: %s, want %s", c.results, got, c.want)
		}
		out := Outcome{Results: c.results}
		total := 0
		for _, n := range out.Counts() {
			total += n
		}
		if total != len(c.results) {
			t.Errorf("%v: %d are counted", c.results, total)
		}
	}
}
