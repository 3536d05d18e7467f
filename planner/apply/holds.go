package apply

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
)

// HeldError reports a resource that somebody holds: nothing more is changed about it, and Waldur is
// told nothing more.
type HeldError struct {
	Address string
	Hold    planner.Hold
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is held by %s: %s. Run `cscs-sync hold rm '%s'` when that is over",
		e.Address, e.Hold.By, e.Hold.Reason, e.Hold.Glob)
}

// held gives an error if the resource at an address is held now. Holds come and go while an apply
// runs, so it is asked before each change and each callback.
func (e *Engine) held(address string) error {
	if e.Holds == nil {
		return nil
	}
	holds, err := e.Holds()
	if err != nil {
		return fmt.Errorf("look for holds on %s: %w", address, err)
	}
	for _, h := range holds {
		if planner.MatchGlob(h.Glob, address) {
			return &HeldError{address, h}
		}
	}
	return nil
}
