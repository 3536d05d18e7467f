package config

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
)

// kinds are the functions that read a quota block that sets limits, by label.
var kinds = map[string]func(*decoder, *hcl.Block, *planner.System) planner.QuotaSettings{
	planner.QuotaLustre: (*decoder).lustre,
	planner.QuotaLinux:  (*decoder).linux,
	planner.QuotaVAST:   (*decoder).vast,
}

// quota reads the quota block. Without one, no limits are set and orders for quotas are held.
func (s section) quota(sys *planner.System) planner.QuotaSettings {
	q := planner.QuotaSettings{Kind: planner.QuotaNone, Orders: "hold"}
	for i, b := range s.blocks {
		if i > 0 {
			s.d.errorAt(b.DefRange, "Duplicate quota block",
				"A system has at most one quota block; the first is at line %d.",
				s.blocks[0].DefRange.Start.Line)
			continue
		}
		label := b.Labels[0]
		if read := kinds[label]; read != nil {
			q = read(s.d, b, sys)
			continue
		}
		if label == planner.QuotaNone {
			o := s.d.open(b, []string{"orders"})
			q.Orders = o.word("orders", "hold", "hold", "complete")
			continue
		}
		s.d.errorAt(b.LabelRanges[0], "Unsuitable kind of quota", "%s is not one of %s.", show(label),
			quoted([]string{planner.QuotaLustre, planner.QuotaLinux, planner.QuotaVAST,
				planner.QuotaNone}))
	}
	return q
}

// byID reads the attributes that the quota blocks of group and project ids have in common.
func (s section) byID(kind string) planner.QuotaSettings {
	q := planner.QuotaSettings{
		Kind:     kind,
		By:       planner.QuotaBy(s.word("by", "group", "group", "project")),
		Shared:   planner.SharedPolicy(s.word("shared", "refuse", "refuse", "sum", "max")),
		OnRemove: planner.RemovePolicy(s.word("on_remove", "keep", "keep", "freeze")),
	}
	q.ProjectIDs = s.projectIDs(q.By)
	return q
}

func (d *decoder) lustre(b *hcl.Block, sys *planner.System) planner.QuotaSettings {
	s := d.open(b, []string{"by", "project_ids", "client", "lfs", "shared", "on_remove"})
	q := s.byID(planner.QuotaLustre)
	q.Client, q.LFS = s.word("client", "auto", "auto", "ioctl", "lfs"), "/usr/bin/lfs"
	if s.has("lfs") {
		q.LFS = s.absolute("lfs")
	}
	switch sys.Filesystem {
	case "lustre", "":
	case "any":
		if q.Client == "ioctl" {
			s.wrong("client", `With filesystem = "any" there may be no Lustre that answers ioctls: write `+
				`"lfs", or leave client out.`)
		}
		q.Client = "lfs"
	default:
		d.errorAt(b.DefRange, "Lustre quotas without Lustre",
			`quota "lustre" needs filesystem = "lustre", or "any" to try things out; this system has %s.`,
			show(sys.Filesystem))
	}
	return q
}

// linux reads the quota block of the kernel's quotas, on XFS and ext4.
func (d *decoder) linux(b *hcl.Block, sys *planner.System) planner.QuotaSettings {
	s := d.open(b, []string{"by", "project_ids", "shared", "on_remove"})
	if sys.Filesystem != "xfs" && sys.Filesystem != "ext4" && sys.Filesystem != "" {
		d.errorAt(b.DefRange, "Quotas of the kernel without such a filesystem",
			`quota "linux" needs filesystem = "xfs" or "ext4", on this node and not over NFS; `+
				`this system has %s.`,
			show(sys.Filesystem))
	}
	q := s.byID(planner.QuotaLinux)
	q.Tool = planner.ToolSetquota
	if sys.Filesystem == "xfs" {
		q.Tool = planner.ToolXFS
	}
	return q
}

// vast reads the quota block of directory quotas on a VAST system, set through its management API.
func (d *decoder) vast(b *hcl.Block, sys *planner.System) planner.QuotaSettings {
	s := d.open(b, []string{"!url", "token", "user", "password", "ca_file", "tenant",
		"!path_prefix", "on_remove"})
	q := planner.QuotaSettings{
		Kind:     planner.QuotaVAST,
		By:       planner.ByDirectory,
		Shared:   planner.SharedRefuse,
		OnRemove: planner.RemovePolicy(s.word("on_remove", "keep", "keep", "freeze", "remove")),
		Tool:     planner.ToolVAST,
		Server:   planner.QuotaServer{URL: s.baseURL("url"), Tenant: s.text("tenant", "")},
	}
	if s.has("ca_file") {
		q.Server.CAFile = s.certificates("ca_file")
	}
	q.Server.PathPrefix = s.pathPrefix("path_prefix")
	d.quotaAccess(s, sys)
	s.vastFolders(b, sys)
	switch sys.Filesystem {
	case "nfs", "any", "":
	default:
		d.errorAt(b.DefRange, "VAST quotas without NFS",
			`quota "vast" needs filesystem = "nfs", or "any" to try things out; this system has %s.`,
			show(sys.Filesystem))
	}
	return q
}

// quotaAccess reads the credentials for a management API: a token, or a user with a password.
func (d *decoder) quotaAccess(s section, sys *planner.System) {
	switch {
	case s.has("token") && (s.has("user") || s.has("password")):
		d.errorAt(s.defined, "Give token, or user and password, not both.",
			"Say token, or user and password, not both.")
	case s.has("user") != s.has("password"):
		d.errorAt(s.defined, "Half a way to log in",
			"A user needs a password, and a password needs a user.")
	case !s.has("token") && !s.has("user"):
		d.errorAt(s.defined, "Missing token",
			`The management API needs a token: write token = file("…"), or user and password.`)
	}
	if d.config.QuotaAccess == nil {
		d.config.QuotaAccess = map[string]QuotaAccess{}
	}
	d.config.QuotaAccess[sys.Name] = QuotaAccess{Token: s.secret("token"), User: s.text("user", ""),
		Password: s.secret("password")}
}

// certificates reads the absolute path of a file that nobody else may replace: anybody who can
// replace it can read what is sent.
func (s section) certificates(name string) string {
	p := s.absolute(name)
	if p == "" || s.d.options.Secrets == Skip {
		return p
	}
	if err := s.d.deps.Trusted(p); err != nil {
		s.wrong(name, "Its certificates say whom to send the token to: %v.", err)
	}
	return p
}

// vastTrash is a folder in which VAST deletes everything at once.
const vastTrash = ".vast_trash"

func inVASTTrash(p string) bool { return slices.Contains(strings.Split(p, "/"), vastTrash) }

// pathPrefix reads the storage system's own path of what is mounted as the system's directory.
func (s section) pathPrefix(name string) string {
	p, ok := s.given(name)
	switch {
	case !ok:
		return ""
	case !path.IsAbs(p) || path.Clean(p) != p || !printable(p):
		s.wrong(name, `%s must be a clean, absolute path such as "/scratch": the directory that NFS `+
			"mounts as the system's directory.", show(p))
	case inVASTTrash(p):
		s.wrong(name, "VAST deletes everything in %s at once.", vastTrash)
	}
	return p
}

// vastFolders refuses folders that have no path on the VAST system, or that it deletes.
func (s section) vastFolders(b *hcl.Block, sys *planner.System) {
	folders := []folder{{sys.Name, sys.Archive, "the archive"},
		{sys.Name, sys.Directory, "the directory"}}
	for _, p := range sys.Paths {
		folders = append(folders, folder{sys.Name, p.Folder, "the folder of " + show(p.Prefix)})
	}
	for _, f := range folders {
		switch {
		case f.folder == "" || sys.Directory == "":
		case inVASTTrash(f.folder):
			s.d.errorAt(b.DefRange, "A folder that VAST deletes",
				"%s, %s, is inside %s, where VAST deletes everything at once.",
				capital(f.what), show(f.folder), vastTrash)
		case !encloses(sys.Directory, f.folder):
			s.d.errorAt(b.DefRange, "A folder without a path on VAST",
				"%s, %s, must be below %s: path_prefix says only where that directory is on the "+
					"VAST system.",
				capital(f.what), show(f.folder), show(sys.Directory))
		}
	}
}

// projectIDs reads "FIRST-LAST".
func (s section) projectIDs(by planner.QuotaBy) planner.ProjectRange {
	text := s.text("project_ids", "")
	if text == "" {
		return planner.ProjectRange{}
	}
	from, to, _ := strings.Cut(text, "-")
	first, err := strconv.ParseUint(from, 10, 31)
	last, err2 := strconv.ParseUint(to, 10, 31)
	switch {
	case err != nil || err2 != nil || first == 0 || first > last:
		s.wrong("project_ids",
			"%s is not a range: want the first and the last id, from 1 to 2147483647, such "+
				`as "100000-199999".`, show(text))
	case by != planner.ByProject:
		s.wrong("project_ids",
			`Only quotas by project use project ids: want by = "project", or leave project_ids out.`)
	}
	return planner.ProjectRange{First: planner.ProjectID(first), Last: planner.ProjectID(last)}
}
