package planfile

import (
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// FormatError says why a file is refused as a plan file: where, what, and what to do.
type FormatError struct {
	// Line counts from 1 in the file's normal form; 0 if the problem has no line.
	Line int
	// Problem says what is wrong, and Hint what to do.
	Problem, Hint string
}

func (e *FormatError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf("line %d: ", e.Line)
	}
	return "plan file: " + at + e.Problem + ": " + e.Hint
}

// ForeignError means that a plan was written by other rules than this program's.
type ForeignError struct {
	// Renderer is the version of the rules.
	Renderer int
	// Unreadable says why the plan can't even be shown; nil if it can.
	Unreadable error
}

func (e *ForeignError) Error() string {
	why := "so its text can't be checked against what would run"
	var format *FormatError
	if errors.As(e.Unreadable, &format) {
		why = "which can't read it (" + format.Problem + ")"
	}
	return fmt.Sprintf("plan file: written by rendering rules %d, this program has %d, %s: use "+
		"the version of cscs-sync "+
		"that made it, or make a new plan", e.Renderer, canonical.Renderer, why)
}

// Unwrap returns the reason why the plan can't be shown.
func (e *ForeignError) Unwrap() error { return e.Unreadable }

const freshCopy = "ask its author for a fresh copy"

func damaged(line int, format string, args ...any) error {
	return &FormatError{Line: line, Problem: fmt.Sprintf(format, args...), Hint: freshCopy}
}
