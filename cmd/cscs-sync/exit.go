package main

import (
	"context"
	"errors"

	"github.com/waldur/cscs-storage-sync/cmd/internal/stop"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Exit codes. They are a contract, because scripts depend on them.
const (
	exitDone        = 0
	exitError       = 1
	exitChanges     = 2   // plan --detailed-exitcode, diff: there are changes
	exitRefused     = 3   // refused, nothing was done
	exitPartial     = 4   // finished, but something failed, was skipped, or could not be observed
	exitInterrupted = 130 // interrupted
)

// outcome is an error with its own exit code. With a nil err the command ends silently, because it
// has said everything.
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

// ended returns an error that ends the command with a code and no message.
func ended(code int) error { return &outcome{code, nil} }

// usageError reports a command line that makes no sense. A hint at the help follows it.
type usageError struct {
	command string
	err     error
}

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// exitCode returns the exit code of an error.
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

// resultError returns the error that ends a command after an apply.
func resultError(result ledger.Result) error {
	switch result {
	case ledger.Interrupted:
		return ended(exitInterrupted)
	case ledger.Partial:
		return ended(exitPartial)
	}
	return nil
}
