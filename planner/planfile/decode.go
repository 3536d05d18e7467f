package planfile

import (
	"errors"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// decode reads the machine's part. It accepts only the canonical form.
func decode(part []byte) (*planner.Plan, error) {
	plan, err := canonical.Decode(part)
	return plan, unread(err)
}

// unread returns the error for a machine's part that could not be read.
func unread(err error) error {
	switch {
	case errors.Is(err, canonical.ErrFormat):
		return &FormatError{Problem: err.Error(), Hint: "use the version of cscs-sync that made it"}
	case err != nil:
		return damaged(0, "%v", err)
	}
	return nil
}
