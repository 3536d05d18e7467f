package loop

import (
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// clockSlack is how far ahead a recorded time may be before the loop concludes that the clock was
// set back.
const clockSlack = 5 * time.Minute

// waitsUntil reports whether something that waits at most longest is still waiting. If its time is
// further ahead than that, the clock was set back since, and nothing waits.
func waitsUntil(now, until time.Time, longest time.Duration) bool {
	return now.Before(until) && until.Sub(now) <= longest+clockSlack
}

// isAhead reports whether a recorded time is in the future.
func isAhead(now, recorded time.Time) bool { return recorded.Sub(now) > clockSlack }

// FromFuture counts the records of the state whose time is in the future, and returns the last of
// these times. Nothing is ordered by them, but people read them, and holds and archives end by
// them.
func FromFuture(store ledger.Store, now time.Time) (n int, last time.Time, err error) {
	see := func(t time.Time) {
		if isAhead(now, t) {
			n++
			if t.After(last) {
				last = t
			}
		}
	}
	err = store.View(func(tx ledger.Tx) error {
		plans, err := tx.Plans()
		for _, p := range plans {
			see(p.Begun)
		}
		if err != nil {
			return err
		}
		holds, err := tx.AllHolds()
		for _, h := range holds {
			see(h.At)
		}
		if err != nil {
			return err
		}
		archived, err := tx.ArchiveRegister()
		for _, a := range archived {
			see(a.At)
		}
		return err
	})
	return n, last, err
}

// FutureText says what records from the future mean and what to do.
func FutureText(n int, last time.Time) string {
	return fmt.Sprintf("the state has %s from the future, the last of %s: this node's clock is "+
		"behind, or was ahead then. Plans and applies continue, because their order does not "+
		"depend on clocks. Set the clock; then check the ends in "+
		"`cscs-sync hold list` and `cscs-sync archive list`", planner.Count(n, "record"),
		planner.Minute(last))
}
