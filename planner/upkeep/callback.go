package upkeep

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Callbacks formats waiting callbacks for people.
func Callbacks(waiting []ledger.Delivery) string {
	var b strings.Builder
	for _, d := range waiting {
		fmt.Fprintf(&b, "%d  %s of %s\n    since %s, %s\n", d.Seq, d.Callback,
			render.Quote(d.Address), planner.Minute(d.Since), standing(&d))
		if d.Problem != "" {
			fmt.Fprintf(&b, "    %s\n", render.Escape(d.Problem))
		}
	}
	return b.String()
}

// standing says how often a callback was tried, and when it is tried again.
func standing(d *ledger.Delivery) string {
	tried := "tried " + planner.Count(d.Tries, "time")
	switch {
	case d.Parked:
		return "parked: retry or drop it"
	case d.Tries == 0:
		return "not tried yet"
	case !d.Next.IsZero():
		return tried + ", again after " + planner.Minute(d.Next)
	}
	return tried + ", again as soon as something is sent"
}

// Numbers reads the numbers of callbacks. No argument means all callbacks.
func Numbers(args []string) ([]uint64, error) {
	var numbers []uint64
	for _, s := range args {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not the number of a callback; see `cscs-sync callbacks list`",
				s)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// NoCallback returns the error for a number that no callback has.
func NoCallback(number uint64) error {
	return fmt.Errorf("no callback %d is waiting; see `cscs-sync callbacks list`", number)
}

// Unpark makes the chosen callbacks due at once, or all of them if none is chosen.
func Unpark(store ledger.Store, chosen []uint64) error {
	return store.Update(func(tx ledger.Tx) error {
		waiting, err := tx.Outbox()
		if err != nil {
			return err
		}
		for _, n := range chosen {
			if !slices.ContainsFunc(waiting, func(d ledger.Delivery) bool { return d.Seq == n }) {
				return NoCallback(n)
			}
		}
		for _, d := range waiting {
			if len(chosen) > 0 && !slices.Contains(chosen, d.Seq) {
				continue
			}
			if err := tx.Retry(d.Seq); err != nil {
				return err
			}
		}
		return nil
	})
}
