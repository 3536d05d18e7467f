package main

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/cmd/internal/stop"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Exit codes. They are a contract: people script against them.
const (
	exitDone        = 0
	exitError       = 1
	exitChanges     = 2   // plan --detailed-exitcode, diff: there are changes
	exitRefused     = 3   // refused, nothing was done
	exitPartial     = 4   // finished, but something failed, was skipped, or could not be observed
	exitInterrupted = 130 // interrupted
)

// outcome is an error with an exit code of its own. A nil err ends silently: everything has been
// said already.
type outcome struct {
	code int
	err  error
}

func (o *outcome) Error() string {
	if o.err == nil {
		return ""
	}
	return o.err.Error()
}

func (o *outcome) Unwrap() error { return o.err }

// ended ends with a code and without a message.
func ended(code int) error { return &outcome{code, nil} }

// usageError is a command line that cannot be understood; it is followed by a hint at the help.
type usageError struct {
	command string
	err     error
}

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// exitCode is the exit code of every error.
func exitCode(err error) int {
	var o *outcome
	var interrupted *stop.InterruptedError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &o):
		return o.code
	case engine.IsRefused(err):
		return exitRefused
	case errors.Is(err, context.Canceled), errors.As(err, &interrupted):
		return exitInterrupted
	}
	return exitError
}

// resultError is the end of a command that applied something.
func resultError(result ledger.Result) error {
	switch result {
	case ledger.Interrupted:
		return ended(exitInterrupted)
	case ledger.Partial:
		return ended(exitPartial)
	}
	return nil
}
