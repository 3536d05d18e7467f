package ledger

import (
	"errors"
	"fmt"
	"time"
)

// UsedError means that a plan has already run. A plan runs only once.
type UsedError struct {
	Plan   string
	At     time.Time
	By     string
	Result Result
}

// Error says when and by whom the plan was applied, and with what result.
func (e *UsedError) Error() string {
	return fmt.Sprintf("plan %s was already applied at %s by %s, result %s: make a new plan",
		e.Plan,
		e.At.UTC().Format(time.RFC3339), e.By, e.Result)
}

// SupersededError means that a plan that was made later for some of the same resources has begun.
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
	return fmt.Sprintf("plan %s is superseded: plan %s, made later (%s), has begun for %s%s: "+
		"make a new plan",
		e.Plan, first.Plan, first.Made.UTC().Format(time.RFC3339), first.Key.Text(), more)
}

// ApprovalUsedError means that an approval was already used by a plan that ran.
type ApprovalUsedError struct {
	Approval Approval
	At       time.Time
}

// Error says whose approval it is and when it was used.
func (e *ApprovalUsedError) Error() string {
	return fmt.Sprintf("the approval by %s of %s was used at %s: approve the new plan",
		e.Approval.Name,
		e.Approval.Time.UTC().Format(time.RFC3339), e.At.UTC().Format(time.RFC3339))
}

// ErrNotBegun means that a plan is not in progress, so it cannot be continued, finished or
// abandoned.
var ErrNotBegun = errors.New("not in progress")

// ErrNotFound means that there is no such plan, callback or hold.
var ErrNotFound = errors.New("not found")

// ErrUnfit means that the state cannot hold something about one resource. Nothing about that
// resource was written; the rest of the batch may be.
var ErrUnfit = errors.New("the state cannot hold it")
