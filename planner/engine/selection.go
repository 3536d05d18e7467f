package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// SelectionText is a selection as people write it on a command line.
type SelectionText struct {
	// Targets and Excludes are globs. TargetFiles and ExcludeFiles name files with more globs, one per
	// line.
	Targets, Excludes         []string
	TargetFiles, ExcludeFiles []string
	// Rejects and Fails are ADDRESS=REASON.
	Rejects, Fails []string
}

// IsEmpty reports whether nothing is selected, so that everything is planned.
func (t *SelectionText) IsEmpty() bool {
	return len(t.Targets)+len(t.Excludes)+len(t.TargetFiles)+len(t.ExcludeFiles)+len(t.Rejects)+
		len(t.Fails) == 0
}

// Parse reads a selection and the files that it names. It reports all its mistakes at once.
func (t *SelectionText) Parse(read func(path string) ([]byte, error)) (sel planner.Selection,
	err error) {
	var errs []error
	globs := func(given, files []string) []string {
		all := slices.Clone(given)
		for _, path := range files {
			data, err := read(path)
			if err != nil {
				errs = append(errs, fmt.Errorf("read globs: %w", err))
				continue
			}
			more, err := planner.ParseGlobs(string(data), render.Escape(path))
			errs, all = append(errs, err), append(all, more...)
		}
		return all
	}
	verdicts := func(flag string, given []string) (list []planner.OrderVerdict) {
		for _, s := range given {
			v, err := planner.ParseVerdict(s)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %w", flag, err))
			}
			list = append(list, v)
		}
		return list
	}
	sel.Targets, sel.Excludes = globs(t.Targets, t.TargetFiles), globs(t.Excludes, t.ExcludeFiles)
	sel.Rejects, sel.Fails = verdicts("--reject", t.Rejects), verdicts("--fail", t.Fails)
	if err := errors.Join(errs...); err != nil {
		return sel, err
	}
	return sel, checkSelection(&sel)
}

// checkSelection refuses a selection that contradicts itself.
func checkSelection(sel *planner.Selection) error {
	for _, globs := range [][]string{sel.Targets, sel.Excludes} {
		for _, g := range globs {
			if err := planner.CheckGlob(g); err != nil {
				return err
			}
		}
	}
	slices.Sort(sel.Targets)
	slices.Sort(sel.Excludes)
	sel.Targets, sel.Excludes = slices.Compact(sel.Targets), slices.Compact(sel.Excludes)
	for _, verdicts := range []struct {
		list []planner.OrderVerdict
		what string
	}{{sel.Rejects, "rejected"}, {sel.Fails, "failed"}} {
		slices.SortFunc(verdicts.list,
			func(a, b planner.OrderVerdict) int { return strings.Compare(a.Address, b.Address) })
		for i := 1; i < len(verdicts.list); i++ {
			if address := verdicts.list[i].Address; address == verdicts.list[i-1].Address {
				return fmt.Errorf("%s is given two reasons to be %s: want one", address,
					verdicts.what)
			}
		}
	}
	for _, r := range sel.Rejects {
		if slices.ContainsFunc(sel.Fails,
			func(f planner.OrderVerdict) bool { return f.Address == r.Address }) {
			return fmt.Errorf("%s is to be both rejected and failed", r.Address)
		}
	}
	return nil
}

// CheckAddresses refuses verdicts on addresses that no resource has.
func CheckAddresses(sel *planner.Selection, items []planner.Item) error {
	known := make(map[string]bool, len(items))
	for i := range items {
		known[items[i].MountPath] = true
	}
	var errs []error
	for _, v := range slices.Concat(sel.Rejects, sel.Fails) {
		if !known[v.Address] {
			errs = append(errs, fmt.Errorf("no resource has the address %s", v.Address))
		}
	}
	return errors.Join(errs...)
}
