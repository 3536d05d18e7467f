package config

import (
	"cmp"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
)

// systems reads the system blocks, and checks them against each other.
func (d *decoder) systems(blocks hcl.Blocks, storage section) {
	at := map[string]hcl.Range{}
	names := map[string]string{}
	for _, b := range blocks {
		if first, taken := at[b.Labels[0]]; taken {
			d.errorAt(b.DefRange, "Duplicate system", "System %s is already defined at %s:%d.",
				show(b.Labels[0]), first.Filename, first.Start.Line)
			continue
		}
		at[b.Labels[0]] = b.DefRange
		sys, ok := d.system(b)
		for _, name := range append([]string{sys.Name}, sys.Slugs...) {
			if owner, taken := names[name]; taken {
				d.errorAt(b.DefRange, "Two systems with one name",
					"%s already means system %q, as its label or one of its slugs.", show(name),
					owner)
			}
			names[name] = sys.Name
		}
		if ok {
			d.config.Settings.Systems = append(d.config.Settings.Systems, sys)
		}
	}
	systems := d.config.Settings.Systems
	slices.SortFunc(systems, func(a, b planner.System) int { return cmp.Compare(a.Name, b.Name) })
	d.checkFolders(systems, at)
	d.checkArchives(systems, at, storage)
	if len(blocks) == 0 && len(storage.attrs) > 0 {
		d.warnAt(storage.defined, "No systems", "Without a system block every resource is blocked.")
	}
}

func (d *decoder) system(b *hcl.Block) (planner.System, bool) {
	s := d.open(b, []string{"slugs", "!directory", "paths", "!filesystem", "archive",
		"archive_retention", "overcommit"},
		hcl.BlockHeaderSchema{Type: "quota", LabelNames: []string{"kind"}})
	sys := planner.System{Name: b.Labels[0]}
	if !isComponent(sys.Name) {
		d.errorAt(b.LabelRanges[0], "Unsuitable system name",
			"The label is the first component of mount paths: 1 to 255 of A-Z a-z 0-9 . "+
				"_ @ + -, and not beginning with . or -.")
	}
	for _, slug := range s.texts("slugs", nil) {
		if !isComponent(slug) {
			s.wrong("slugs", "%s is not an offering slug: want 1 to 255 of A-Z a-z 0-9 . _ @ + -.",
				show(slug))
		}
		if slug != sys.Name {
			sys.Slugs = append(sys.Slugs, slug)
		}
	}
	slices.Sort(sys.Slugs)
	sys.Slugs = slices.Compact(sys.Slugs)
	sys.Directory = s.storagePath("directory")
	s.paths(&sys)
	sys.Filesystem = s.filesystem()
	sys.ArchiveRetention = s.duration("archive_retention", 90*day, 0)
	switch {
	case s.has("archive") && d.config.Storage.Root != "":
		sys.Archive = s.below("archive", d.config.Storage.Root)
	case d.config.Storage.Archive != "":
		sys.Archive = d.config.Storage.Archive
	case sys.Directory != "":
		sys.Archive = path.Join(sys.Directory, ".trash")
	}
	sys.Quota = s.quota(&sys)
	sys.Overcommit = s.ratio("overcommit")
	if sys.Overcommit > 0 && !sys.Quota.Sets() {
		s.wrong("overcommit", "Nothing is promised where no limits are set: the system needs a "+
			"quota block, and not of kind \"none\".")
	}
	sys.Traits = Traits(sys.Quota.Kind, sys.Filesystem)
	return sys, sys.Directory != ""
}

func (s section) filesystem() string {
	fs := s.text("filesystem", "")
	if s.has("filesystem") && fs != "" &&
		strings.Trim(fs, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		s.wrong("filesystem",
			`%s is not the name of a filesystem, such as "lustre", "nfs", "xfs", "ext4", or `+
				`"any".`,
			show(fs))
	}
	if attr := s.attrs["filesystem"]; attr != nil && fs == "" {
		s.wrong("filesystem",
			`Want what must be mounted there: "lustre", "nfs", "xfs", "ext4", …, `+
				`or "any" to try things out.`)
	}
	return fs
}

// paths reads the mount path prefixes of a system, and sorts them, longest first.
func (s section) paths(sys *planner.System) {
	m := s.textMap("paths")
	for _, prefix := range slices.Sorted(maps.Keys(m)) {
		folder := m[prefix]
		first, _, _ := strings.Cut(strings.TrimPrefix(prefix, "/"), "/")
		switch {
		case prefix == "/" || !path.IsAbs(prefix) || path.Clean(prefix) != prefix ||
			!printable(prefix):
			s.wrong("paths", "%s is not a prefix of mount paths: want an absolute, clean path below /.",
				show(prefix))
		case first == sys.Name || slices.Contains(sys.Slugs, first):
			s.wrong("paths", "%s is never asked for: /%s already means the system's directory.",
				show(prefix), first)
		case !isStoragePath(folder):
			s.wrong("paths", "The folder %s of %s must be relative to storage.root, clean, and inside "+
				"storage.root.", show(folder), show(prefix))
		default:
			sys.Paths = append(sys.Paths, planner.PathMapping{Prefix: prefix, Folder: folder})
		}
	}
	slices.SortStableFunc(sys.Paths,
		func(a, b planner.PathMapping) int { return cmp.Compare(len(b.Prefix), len(a.Prefix)) })
}

// given returns a text if it is given and is a text. Any problem was already reported.
func (s section) given(name string) (string, bool) {
	if !s.has(name) {
		return "", false
	}
	before := len(s.d.diags)
	text := s.text(name, "")
	return text, len(s.d.diags) == before
}

// absolute reads an absolute, clean path.
func (s section) absolute(name string) string {
	p, ok := s.given(name)
	if !ok {
		return ""
	}
	if !filepath.IsAbs(p) || filepath.Clean(p) != p || !printable(p) {
		s.wrong(name, "%s must be an absolute path, and clean: no '.', '..', '//' and no slash "+
			"at the end.", show(p))
		return ""
	}
	return p
}

// below reads an absolute path below root, and returns it as a storage path.
func (s section) below(name, root string) string {
	p := s.absolute(name)
	if p == "" {
		return ""
	}
	rel, err := filepath.Rel(root, p)
	if err != nil || !isStoragePath(rel) {
		s.wrong(name, "%s must be below storage.root, %s: archiving is a rename within one filesystem.",
			show(p), show(root))
		return ""
	}
	return rel
}

func (s section) storagePath(name string) string {
	p, ok := s.given(name)
	if !ok {
		return ""
	}
	if !isStoragePath(p) {
		s.wrong(name, `%s must be a clean path relative to storage.root and inside it, `+
			`such as "capstor".`, show(p))
		return ""
	}
	return p
}

// isStoragePath reports whether p is clean, relative, and strictly below the root.
func isStoragePath(p string) bool {
	return p != "" && p != "." && !path.IsAbs(p) && path.Clean(p) == p && p != ".." &&
		!strings.HasPrefix(p, "../") && len(p) < 4096 && printable(p)
}

func isComponent(s string) bool {
	return s != "" && len(s) <= 255 && s[0] != '.' && s[0] != '-' &&
		strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-") == ""
}

func printable(s string) bool {
	return utf8.ValidString(s) &&
		strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
