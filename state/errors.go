package state

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"
)

// ErrBusy tells that the state stayed locked by another process for longer than [Options].Timeout.
var ErrBusy = errors.New("busy: another process writes")

// ErrNewer tells that the state was written by a newer version, which alone knows what it means.
var ErrNewer = errors.New("written by a newer cscs-sync")

// ErrReadOnly tells that the state may not be written.
var ErrReadOnly = errors.New("read-only")

// ErrNotFound tells that there is no such plan, callback or hold.
var ErrNotFound = errors.New("not found")

// ErrNotBegun tells that a plan that is not in progress was to be continued, finished or abandoned.
var ErrNotBegun = errors.New("not in progress")

// DamagedError tells that a state file is not what was written. It is left as it is.
type DamagedError struct {
	// File is the path of the damaged file; Bucket and Key say where in it, if that is known.
	File, Bucket, Key string
	Reason            string
}

// Error names the file, the place in it and the way out.
func (e *DamagedError) Error() string {
	at := ""
	if e.Bucket != "" {
		at = fmt.Sprintf(" (bucket %s, key %q)", e.Bucket, e.Key)
	}
	return fmt.Sprintf("state file %s is damaged: %s%s: it was left as it is; move it away, then rename "+
		"%s.bak to it or go on with an empty state",
		e.File, e.Reason, at, e.File)
}

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

// explain names the file in an error of the kernel and says the way out for those that people meet.
func explain(op, file string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s %s: the disk is full: the state is as it was; make room and try again: %w", op, file, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s %s: %w file system: the state is as it was: %w", op, file, ErrReadOnly, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s %s: not permitted: the state is as it was; run as root: %w", op, file, err)
	case strings.Contains(err.Error(), file):
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s %s: %w", op, file, err)
}
