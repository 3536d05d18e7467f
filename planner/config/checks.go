package config

import (
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
)

// folder is a storage path that belongs to a system: its directory, or the folder of one of its
// paths.
type folder struct {
	system, folder, what string
}

func (d *decoder) foldersOf(systems []planner.System) []folder {
	var all []folder
	for _, sys := range systems {
		all = append(all, folder{sys.Name, sys.Directory, "the directory"})
		for _, p := range sys.Paths {
			all = append(all, folder{sys.Name, p.Folder, fmt.Sprintf("the folder of %q", p.Prefix)})
		}
	}
	return all
}

// checkFolders refuses systems of which one is inside the other: a resource would have two places
// and two owners.
func (d *decoder) checkFolders(systems []planner.System, at map[string]hcl.Range) {
	all := d.foldersOf(systems)
	for i, a := range all {
		for _, b := range all[:i] {
			switch {
			case a.system == b.system:
			case a.folder == b.folder:
				d.errorAt(at[a.system], "Two systems in one directory",
					"The folder %q is %s of system %q, and also %s of system %q.", a.folder,
					a.what, a.system, b.what, b.system)
			case encloses(a.folder, b.folder) || encloses(b.folder, a.folder):
				d.errorAt(at[a.system], "One system inside another",
					"%q is %s of system %q, and %q is %s of system %q: neither may be inside the other.",
					a.folder, a.what, a.system, b.folder, b.what, b.system)
			}
		}
	}
	for _, sys := range systems {
		for _, p := range sys.Paths {
			if p.Folder != sys.Directory && encloses(p.Folder, sys.Directory) {
				d.errorAt(at[sys.Name], "A path that contains its system",
					"The folder %q of %q contains the directory %q of system %q.", p.Folder,
					p.Prefix, sys.Directory, sys.Name)
			}
		}
	}
}

// checkArchives refuses an archive that is at, or encloses, a place where resources are.
func (d *decoder) checkArchives(systems []planner.System, at map[string]hcl.Range,
	storage section) {
	reported := map[string]bool{}
	for _, sys := range systems {
		place := at[sys.Name]
		if sys.Archive == d.config.Storage.Archive && storage.has("archive") {
			place = storage.at("archive")
		}
		for _, f := range d.foldersOf(systems) {
			if sys.Archive == "" || !encloses(sys.Archive, f.folder) || reported[sys.Archive] {
				continue
			}
			reported[sys.Archive] = true
			d.errorAt(place, "Archive over live data",
				"The archive %q must not be or contain %q, %s of system %q.",
				sys.Archive, f.folder, f.what, f.system)
		}
	}
}

// encloses reports whether inner is outer or below it. Both must be clean.
func encloses(outer, inner string) bool {
	return outer == inner || strings.HasPrefix(inner, strings.TrimSuffix(path.Clean(outer), "/")+
		"/")
}

// rootOwner decides who owns directories that belong to nobody else. If every system is there only
// to try things out, a caller who is not root takes root's place, because they could not give
// anything to root.
func (d *decoder) rootOwner() {
	systems := d.config.Settings.Systems
	if d.deps.UID() == 0 || len(systems) == 0 {
		return
	}
	for _, sys := range systems {
		if sys.Filesystem != "any" {
			return
		}
	}
	d.config.Settings.Root.UID = planner.UID(d.deps.UID())
	d.config.Settings.Root.GID = planner.GID(d.deps.GID())
}
