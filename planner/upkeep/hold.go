package upkeep

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Hold puts a hold in force. It does nothing if the same person already has the same hold, for the
// same reason and until the same time.
func Hold(store ledger.Store, h planner.Hold, by ledger.Person) (already bool, err error) {
	h.By = by.Who
	err = store.Update(func(tx ledger.Tx) error {
		holds, err := tx.Holds(tx.Now())
		if err != nil {
			return err
		}
		already = slices.ContainsFunc(holds, func(o planner.Hold) bool {
			return o.Glob == h.Glob && o.Reason == h.Reason && o.By == h.By &&
				o.Until.Equal(h.Until)
		})
		if already {
			return nil
		}
		if err := tx.AddHold(h); err != nil {
			return err
		}
		return by.Notes(tx, ledger.EventHold, h.Glob+": "+h.Reason)
	})
	return already, err
}

// Lift removes the holds that have exactly this glob, and returns how many there were.
func Lift(store ledger.Store, glob string, by ledger.Person) (lifted int, err error) {
	err = store.Update(func(tx ledger.Tx) error {
		gone, err := tx.RemoveHolds(glob)
		if err != nil {
			return err
		}
		if lifted = len(gone); lifted == 0 {
			return fmt.Errorf("no hold has exactly the glob %s; see `cscs-sync hold list`", glob)
		}
		return by.Notes(tx, ledger.EventUnhold,
			fmt.Sprintf("%s (%s)", glob, planner.Count(lifted, "hold")))
	})
	return lifted, err
}

// CheckHold refuses a glob that matches nothing known, because it is probably misspelt. listed is
// the last complete listing. If nothing is known yet, or a running apply is changing what is known,
// CheckHold only warns, because a hold must not come late.
func CheckHold(glob string, recorded *planner.Recorded, listed []planner.Item,
	running func() (bool, error)) (warning string, err error) {
	isListed := func(it planner.Item) bool { return planner.MatchGlob(glob, it.MountPath) }
	if recorded.Matches(glob) || slices.ContainsFunc(listed, isListed) {
		return "", nil
	}
	changing, err := running()
	if err != nil {
		return "", fmt.Errorf("find out whether an apply is running: %w", err)
	}
	known := len(listed) + recorded.Records.Len() + len(recorded.Archived)
	if changing || known == 0 {
		return glob +
			" matches nothing that is recorded or listed so far. `cscs-sync plan` warns if " +
			"it matches nothing.", nil
	}
	return "", engine.Refuse(engine.Input, fmt.Errorf("hold %s: it matches nothing that is recorded "+
		"or was in the last complete listing, so it would protect nothing. Correct it, "+
		"or add --force to hold it anyway", glob))
}

// Until says how long a hold is in force.
func Until(end time.Time) string {
	if end.IsZero() {
		return "until lifted"
	}
	return "until " + planner.Minute(end)
}

// Holds formats holds for people.
func Holds(holds []planner.Hold) string {
	var b strings.Builder
	for _, h := range holds {
		fmt.Fprintf(&b, "%s\n  %s, by %s since %s: %s\n", render.Quote(h.Glob), Until(h.Until),
			render.Escape(h.By), planner.Minute(h.At), render.Escape(h.Reason))
	}
	return b.String()
}

// Running says who is changing the storage while a hold begins, and what that apply still does. The
// person who asked for the hold may have to wait for it.
func Running(h ledger.Holder) string {
	what := "A process that has not said who it is"
	if h.Who != "" {
		what = fmt.Sprintf("%s on %s (pid %d, since %s)", render.Quote(h.Who), render.Quote(h.Host),
			h.PID, planner.Minute(h.Since))
	}
	if h.Plan != "" {
		what += " applies plan " + canonical.ShortID(h.Plan)
	} else {
		what += " holds the lock"
	}
	return what + ". It finishes the resources that it is changing now, and skips what the hold " +
		"matches after that."
}
