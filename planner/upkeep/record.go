package upkeep

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Record is a record for people and scripts, with the mode as in plans.
type Record struct {
	planner.Record
	Mode planner.Value `json:"mode"`
}

// Records returns all records, by address.
func Records(tx ledger.Records) ([]Record, error) {
	found, err := tx.Records()
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b planner.Record) int {
		return strings.Compare(a.Address, b.Address)
	})
	records := make([]Record, len(found))
	for i, r := range found {
		records[i] = Record{r, planner.ModeValue(r.Mode)}
	}
	return records, nil
}

// isAt reports whether a record is about an address or an item.
func isAt(r *planner.Record, what string) bool { return r.Address == what || r.Key.Item == what }

// RecordsOf returns the records of an address or an item.
func RecordsOf(tx ledger.Records, what string) ([]Record, error) {
	all, err := Records(tx)
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(all, func(r Record) bool { return !isAt(&r.Record, what) })
	if len(found) == 0 {
		return nil, notRecorded(what)
	}
	return found, nil
}

func notRecorded(what string) error {
	return fmt.Errorf("nothing is recorded of %s; see `cscs-sync state list`", what)
}

// Table formats records for people, one per line.
func Table(records []Record) string {
	width := 0
	for i := range records {
		width = max(width, len(render.Quote(records[i].Address)))
	}
	var b strings.Builder
	for i := range records {
		r := &records[i].Record
		mark := ""
		if r.Unfinished {
			mark = "  unfinished"
		}
		fmt.Fprintf(&b, "%-*s  %s  %d:%d%s\n", width, render.Quote(r.Address), r.Mode, r.Owner,
			r.Group, mark)
	}
	return b.String()
}

// Details formats records for people, with everything in them.
func Details(records []Record) string {
	var b strings.Builder
	for i := range records {
		r := &records[i].Record
		fmt.Fprintf(&b, "%s\n  item       %s (%s, %s)\n  directory  %s on %s, inode %d\n"+
			"  owner      %d:%d, mode %s (%s)\n", render.Quote(r.Address), r.Key.Item,
			render.Quote(r.Key.System), render.Quote(r.Key.DataType), r.Storage, r.System, r.Inode,
			r.Owner, r.Group, r.Mode, r.Mode.Letters())
		if id, ok := r.Limited(); ok {
			fmt.Fprintf(&b, "  quota      %s: %s\n", render.Escape(id.String()), r.Claim.Words())
		}
		fmt.Fprintf(&b, "  recorded   %s", planner.Minute(r.At))
		if r.Plan != "" {
			fmt.Fprintf(&b, " by plan %s", canonical.ShortID(r.Plan))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Forget removes the records of an address or an item.
func Forget(tx ledger.Tx, what string, by ledger.Person) error {
	records, err := tx.Records()
	if err != nil {
		return err
	}
	n := 0
	for i := range records {
		if !isAt(&records[i], what) {
			continue
		}
		if _, err := tx.DeleteRecord(records[i].Key); err != nil {
			return err
		}
		n++
	}
	if n == 0 {
		return notRecorded(render.Quote(what))
	}
	return by.Notes(tx, ledger.EventRemove, what)
}

// ForgetRoot removes the identity of a system's directory.
func ForgetRoot(tx ledger.Tx, system string, by ledger.Person) error {
	existed, err := tx.DeleteRoot(system)
	if err != nil {
		return err
	}
	if !existed {
		return notRecorded(Root(system))
	}
	return by.Notes(tx, ledger.EventRemove, "root of system "+system)
}

// Root returns the name of the identity of a system's directory in messages.
func Root(system string) string {
	return "what the directory of system " + render.Quote(system) + " was"
}

// Abandon ends the plan in progress whose id is, or begins with, the given one, and returns its id.
func Abandon(tx ledger.Plans, id, reason string, by ledger.Person) (string, error) {
	plans, err := tx.Plans()
	if err != nil {
		return "", err
	}
	digits := strings.TrimPrefix(id, "sha256:")
	var found []string
	for _, p := range plans {
		if !p.Over() && digits != "" &&
			strings.HasPrefix(strings.TrimPrefix(p.ID, "sha256:"), digits) {
			found = append(found, p.ID)
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d plans in progress have the id %s; see `cscs-sync state history`",
			len(found), id)
	}
	return found[0], tx.Abandon(found[0], by.Who, reason)
}
