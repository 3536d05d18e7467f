package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/providers"
)

// directories checks every recorded directory: whether it is still the same directory, and whether
// its mode alone says who has access.
func (e *examination) directories(ctx context.Context, o *providers.StorageObserver,
	recorded planner.Recorded) {
	var records []planner.Record
	var targets []planner.Place
	for r := range recorded.Records.All() {
		if e.in.Config.Settings.SystemNamed(r.System) != nil {
			records = append(records, r)
			targets = append(targets, planner.Place{System: r.System, Path: r.Storage})
		}
	}
	if len(targets) == 0 {
		return
	}
	var other, gone, acls, unknown []string
	for i, dir := range o.Directories(ctx, planner.TargetsOf(targets...)) {
		r := &records[i]
		switch {
		case dir.State == planner.DirUnknown:
			unknown = append(unknown, r.Address)
			continue
		case dir.State != planner.DirPresent:
			gone = append(gone, r.Address)
			continue
		case r.IsOther(&dir):
			other = append(other, r.Address)
		}
		if dir.ACL != nil {
			acls = append(acls, r.Address)
		}
	}
	of := fmt.Sprintf("of %s recorded directories", planner.Commas(uint64(len(targets))))
	e.warnOf(other, of+" were replaced by another directory; `plan` says where the recorded one is")
	e.warnOf(gone, of+" are not where they were recorded; `plan` says what is done about them")
	e.warnOf(acls, of+" have an ACL, so their mode does not say who has access; `explain` shows who "+
		"has")
	e.warnOf(unknown, of+" could not be read")
	if len(other)+len(gone)+len(acls)+len(unknown) == 0 {
		e.pass("directories", "all %s recorded directories are where they were, without ACLs",
			planner.Commas(uint64(len(targets))))
	}
}

// warnOf warns of several resources and names the first three.
func (e *examination) warnOf(addresses []string, what string) {
	if len(addresses) == 0 {
		return
	}
	names := make([]string, 0, 3)
	for _, a := range addresses[:min(len(addresses), 3)] {
		names = append(names, render.Quote(a))
	}
	more := ""
	if len(addresses) > len(names) {
		more = ", …"
	}
	e.warn("directories", "%s %s: %s%s", planner.Commas(uint64(len(addresses))), what,
		strings.Join(names, ", "), more)
}
