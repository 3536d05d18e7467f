package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/override"
)

// neverWorks warns about parts of an override that no plan will ever do. It knows only the values
// that depend on no resource.
func (d *decoder) neverWorks(o *override.Override, at hcl.Range) {
	w, never := o.Fixed(), "Override that cannot work"
	if w.Group != nil && *w.Group < d.config.Settings.MinGID {
		d.warnAt(at, never, "Group %d is below storage.min_gid, %d: every resource that it "+
			"matches is blocked.", *w.Group, d.config.Settings.MinGID)
	}
	for _, of := range planner.Quantities() {
		if overHard(w.Quota[of.Soft], w.Quota[of.Hard]) {
			d.warnAt(at, never, "%s is above %s: every resource that it matches is blocked.",
				of.Soft, of.Hard)
		}
	}
	for _, glob := range o.Paths() {
		if first := firstFolder(glob); first != "" && !d.isPrefix(first) {
			d.warnAt(at, "Override that matches nothing",
				"No system has mount paths below /%s, so %s matches nothing.", first, show(glob))
		}
	}
}

func overHard(soft, hard planner.Limit) bool {
	s, isSoft := soft.Number()
	h, isHard := hard.Number()
	return isSoft && isHard && s > h || soft.IsUnlimited() && isHard
}

// firstFolder returns the first folder of a glob; empty if a wildcard may stand for it.
func firstFolder(glob string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(glob, "/"), "/")
	if strings.ContainsAny(first, "*?[]{}\\") {
		return ""
	}
	return first
}

// isPrefix reports whether mount paths of a system begin with a folder.
func (d *decoder) isPrefix(first string) bool {
	return slices.ContainsFunc(d.config.Settings.Systems, func(sys planner.System) bool {
		return sys.Name == first || slices.Contains(sys.Slugs, first) ||
			slices.ContainsFunc(sys.Paths,
				func(p planner.PathMapping) bool {
					return p.Prefix == "/"+first || strings.HasPrefix(p.Prefix, "/"+first+"/")
				})
	})
}
