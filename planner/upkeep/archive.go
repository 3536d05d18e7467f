package upkeep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Register returns the archived directories by address, or only those past their retention.
func Register(tx ledger.Tx, expired bool) ([]planner.Archived, error) {
	found, err := tx.ArchiveRegister()
	if err != nil {
		return nil, err
	}
	register := []planner.Archived{}
	for _, x := range found {
		if !expired || isExpired(&x, tx.Now()) {
			register = append(register, x)
		}
	}
	slices.SortFunc(register, func(a, b planner.Archived) int {
		return cmp.Or(strings.Compare(a.Address, b.Address), strings.Compare(a.Archive, b.Archive))
	})
	return register, nil
}

func isExpired(x *planner.Archived, now time.Time) bool { return !x.Until.After(now) }

// Archive formats the archived directories for people.
func Archive(register []planner.Archived, now time.Time) string {
	var b strings.Builder
	for _, x := range register {
		kept, day := "kept until ", x.Until.UTC().Format(time.DateOnly)
		if isExpired(&x, now) {
			kept = "past its retention since "
		}
		fmt.Fprintf(&b, "%s\n  archived %s, %s\n  in %s\n", render.Quote(x.Address),
			planner.Minute(x.At), kept+day, x.Archive)
	}
	return b.String()
}

// Rebuild replaces the register with what was found in the archives.
func Rebuild(tx ledger.Tx, found []planner.Archived, by ledger.Person) error {
	before, err := tx.ArchiveRegister()
	if err != nil {
		return err
	}
	if err := tx.ReplaceArchiveRegister(found); err != nil {
		return err
	}
	return by.Notes(tx, ledger.EventRescan,
		fmt.Sprintf("%d in the register before, %d now", len(before), len(found)))
}
