package apply

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// HeldError means that somebody holds a resource. Nothing more is changed about it or reported to
// Waldur.
type HeldError struct {
	Address string
	Hold    planner.Hold
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by %s: %s. Run `cscs-sync hold rm '%s'` when that is over",
		e.Address, e.Hold.By, e.Hold.Reason, e.Hold.Glob)
}

// held returns an error if somebody holds the resource at an address now. Holds come and go while
// an apply runs, so each change and each callback asks.
func (e *Engine) held(address string) error {
	holds, err := e.holds()
	if err != nil {
		return fmt.Errorf("look for holds on %s: %w", address, err)
	}
	return heldBy(holds, address)
}

// holds returns the holds in force.
func (e *Engine) holds() ([]planner.Hold, error) {
	if e.Holds == nil {
		return nil, nil
	}
	return e.Holds()
}

// heldBy returns an error if one of the holds matches an address.
func heldBy(holds []planner.Hold, address string) error {
	for _, h := range holds {
		if planner.MatchGlob(h.Glob, address) {
			return &HeldError{address, h}
		}
	}
	return nil
}
