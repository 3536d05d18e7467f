package state

import (
	"errors"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// ErrBusy reports that the state stayed locked by another process for longer than [Options].Timeout.
var ErrBusy = kv.ErrBusy

// ErrNewer tells that the state was written by a newer version, which alone knows what it means.
var ErrNewer = errors.New("written by a newer cscs-sync")

// ErrReadOnly reports that the state may not be written.
var ErrReadOnly = kv.ErrReadOnly

// ErrNotFound tells that there is no such plan, callback or hold.
var ErrNotFound = errors.New("not found")

// ErrNotBegun tells that a plan that is not in progress was to be continued, finished or abandoned.
var ErrNotBegun = errors.New("not in progress")

// DamagedError reports that a state is not what was written.
type DamagedError = kv.DamagedError

// UsedError tells that a plan has already run: a plan is single-use.
type UsedError struct {
	Plan   string
	At     time.Time
	By     string
	Result Result
}

// Error says when and by whom the plan was applied, and what came out.
func (e *UsedError) Error() string {
	return fmt.Sprintf("plan %s was already applied at %s by %s, result %s: make a new plan", e.Plan,
		e.At.UTC().Format(time.RFC3339), e.By, e.Result)
}

// SupersededError tells that a plan made later for some of the same resources has begun.
type SupersededError struct {
	Plan string
	By   []Supersession
}

// Error names the first newer plan and counts the others.
func (e *SupersededError) Error() string {
	first := e.By[0]
	more := ""
	if n := len(e.By) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more resources", n)
	}
	return fmt.Sprintf("plan %s is superseded: plan %s, made later (%s), has begun for %s%s: make a new plan",
		e.Plan, first.Plan, first.Made.UTC().Format(time.RFC3339), keyText(first.Key), more)
}

// ApprovalUsedError tells that an approval has already served a plan that ran.
type ApprovalUsedError struct {
	Approval Approval
	At       time.Time
}

// Error says whose approval it is and when it was used.
func (e *ApprovalUsedError) Error() string {
	return fmt.Sprintf("the approval by %s of %s was used at %s: approve the new plan", e.Approval.Name,
		e.Approval.Time.UTC().Format(time.RFC3339), e.At.UTC().Format(time.RFC3339))
}

// HistoryError tells where the history is not what was written.
type HistoryError struct {
	// Seq is the number of the first entry that is wrong; 0 when the head is not in the history at all.
	Seq    uint64
	Reason string
}

// Error names the entry.
func (e *HistoryError) Error() string {
	if e.Seq == 0 {
		return "history: " + e.Reason
	}
	return fmt.Sprintf("history entry %d: %s", e.Seq, e.Reason)
}
