package engine

import (
	"errors"

	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// Code says why something was refused. The codes are stable: logs and JSON carry them.
type Code string

// The codes of refusals.
const (
	NotApproved   Code = "not_approved"
	Stale         Code = "stale"
	Expired       Code = "expired"
	Used          Code = "used"
	Superseded    Code = "superseded"
	Held          Code = "held"
	Tampered      Code = "tampered"
	PolicyForbids Code = "policy"
	Configuration Code = "configuration"
	OtherState    Code = "other_state"
	Input         Code = "input"
)

// Refusal is an error that means that nothing was done, on purpose.
type Refusal struct {
	Code Code
	Err  error
}

// Error says what was refused, why, and what to do next.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the reason.
func (r *Refusal) Unwrap() error { return r.Err }

// Refuse returns a refusal with a code.
func Refuse(code Code, err error) error { return &Refusal{code, err} }

// RefusedAs returns the code of an error that means that nothing was done, on purpose. It returns
// false for any other error.
func RefusedAs(err error) (Code, bool) {
	var refusal *Refusal
	var format *planfile.FormatError
	var foreign *planfile.ForeignError
	var block *approval.BlockError
	var used *ledger.UsedError
	var superseded *ledger.SupersededError
	var usedApproval *ledger.ApprovalUsedError
	switch {
	case errors.As(err, &refusal):
		return refusal.Code, true
	case errors.As(err, &format), errors.As(err, &foreign), errors.As(err, &block):
		return Tampered, true
	case errors.As(err, &used), errors.As(err, &usedApproval):
		return Used, true
	case errors.As(err, &superseded):
		return Superseded, true
	}
	return "", false
}

// IsRefused reports whether an error means that nothing was done, on purpose.
func IsRefused(err error) bool {
	_, refused := RefusedAs(err)
	return refused
}
