package planner

import "time"

// Settings is the evaluated configuration, as far as planning depends on it.
type Settings struct {
	// Tera is what the proxy's "tera" means: 2^40 or 10^12 bytes.
	Tera Bytes
	// MinGID is the least group id that may be given to a directory.
	MinGID GID
	// MaxMode is what a mode may grant at most: one that grants more is dangerous.
	MaxMode Mode
	// Root owns what belongs to nobody else: 0:0. Only where every system is there to try things
	// out (filesystem "any") and the caller is not root, it is the caller, who could not give
	// anything to root.
	Root struct {
		UID UID
		GID GID
	}
	// Parents tells what happens to tenant and customer directories that exist.
	Parents ParentsPolicy
	// Systems are sorted by name.
	Systems []System
	Waldur  WaldurSettings
	// Fingerprint is the SHA-256, in hex, of the evaluated systems, storage, approval, waldur.url
	// and variables: a plan made under another configuration is stale.
	Fingerprint string
	// Parts are digests of what the fingerprint covers, by name, so that a stale plan can say what
	// was changed.
	Parts []ConfigurationPart
}

// ConfigurationPart is one part of a configuration: `system "capstor"`, storage, approval,
// waldur.url or var.headroom. The digest tells it from other versions of itself.
type ConfigurationPart struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Value is the value of a variable, perhaps cut, for messages; empty for other parts.
	Value string `json:"value,omitempty"`
}

// WaldurSettings tell which callbacks may be sent, and where to. The zero value has no URL: then
// every order is blocked.
type WaldurSettings struct {
	// URL is the base that callback targets must match; it ends in a slash.
	URL string
	// Aliases are other bases by which the proxy names the same Waldur; they are rewritten to URL.
	Aliases      []string
	SetBackendID bool
	ReportQuotas bool
	// Hidden is what messages about callbacks must not show.
	Hidden Hidden `json:"-"`
}

// ParentsPolicy is storage.parents.
type ParentsPolicy string

// The values of storage.parents.
const (
	ParentsCreate  ParentsPolicy = "create"
	ParentsEnforce ParentsPolicy = "enforce"
)

// System is one configured storage system.
type System struct {
	// Name is the label of the block.
	Name string
	// Slugs are further storageSystem.keys of the proxy that mean this system; the label always
	// does.
	Slugs []string
	// Directory is where the system lies: a clean storage path, relative to storage.root.
	Directory string
	// Paths are further mount path prefixes with their folders, longest prefix first.
	Paths []PathMapping
	// Filesystem is what must be mounted there: "lustre", "nfs", "xfs", "ext4", …, or "any".
	Filesystem string
	// Archive is the storage path of the folder for archived directories.
	Archive          string
	ArchiveRetention time.Duration
	// Overcommit is how many times the capacity of its filesystem hard limits may promise without
	// being dangerous; 0: as much as one likes.
	Overcommit Ratio `json:",omitzero"`
	Quota      QuotaSettings
	// Traits are what the backend of its quotas can do; zero where no limits are set.
	Traits Traits
}

// PathMapping sends mount paths below Prefix ("/scratch") to Folder ("capstor/legacy"), a storage
// path.
type PathMapping struct{ Prefix, Folder string }

// QuotaSettings is a system's quota block.
type QuotaSettings struct {
	// Kind is "none", or the name of a backend. The planner decides by [System.Traits], and never
	// by this name.
	Kind string
	// By is what limits are set on; empty where none are set.
	By QuotaBy
	// ProjectIDs are the project ids to give away, each to one resource; without any, the project
	// id is the group id.
	ProjectIDs ProjectRange
	// Client is "auto", "ioctl" or "lfs"; LFS is that program's path.
	Client, LFS string
	Shared      SharedPolicy
	OnRemove    RemovePolicy
	// Tool is what an admin sets these limits with, which `show --commands` writes.
	Tool Tool `json:",omitempty"`
	// Orders is "hold" or "complete", for kind "none".
	Orders string
	// Server is the management API that sets the limits; zero where there is none.
	Server QuotaServer `json:",omitzero"`
}

// QuotaServer is a management API that sets limits, and the part of it that is used.
type QuotaServer struct {
	// URL ends in a slash.
	URL string
	// CAFile holds the certificates that the server's own is checked against; empty: the node's.
	CAFile string
	// Tenant is the name of the tenant; empty: the only one whose quotas are seen.
	Tenant string
	// PathPrefix is the path on the storage system of what is mounted as the system's directory.
	PathPrefix string
}

// Sets reports whether limits are set.
func (q *QuotaSettings) Sets() bool { return q.By != "" }

// The kinds of a quota block.
const (
	QuotaLustre = "lustre"
	QuotaLinux  = "linux"
	QuotaVAST   = "vast"
	QuotaNone   = "none"
)

// RemovePolicy says what becomes of a quota when its directory is archived.
type RemovePolicy string

// The values of quota.on_remove. Only the quota of a directory can be removed.
const (
	OnRemoveKeep   RemovePolicy = "keep"
	OnRemoveFreeze RemovePolicy = "freeze"
	OnRemoveRemove RemovePolicy = "remove"
)

// Tool is a program with which an admin sets limits by hand.
type Tool string

// The tools that plans write commands for.
const (
	ToolLFS      Tool = ""
	ToolSetquota Tool = "setquota"
	ToolXFS      Tool = "xfs_quota"
	ToolVAST     Tool = "vast"
)

// Tools lists all tools.
func Tools() []Tool { return []Tool{ToolLFS, ToolSetquota, ToolXFS, ToolVAST} }

// SharedPolicy tells what several claims on one quota identity make together.
type SharedPolicy string

// The values of quota.shared.
const (
	SharedRefuse SharedPolicy = "refuse"
	SharedSum    SharedPolicy = "sum"
	SharedMax    SharedPolicy = "max"
)

// Override changes what is wanted of the resources that it matches; package override makes them
// from HCL. Both methods are pure.
type Override interface {
	// Source names the override and says where it stands.
	Source() Provenance
	// Expired reports whether the override's time is over at now.
	Expired(now time.Time) bool
	// Matches reports whether the override speaks of this resource.
	Matches(Facts) bool
	// Apply evaluates the override's expressions over what the proxy says. An error blocks the
	// resource; it names the expression and what was wrong with it.
	Apply(Upstream) (Wishes, error)
}

// Facts are what an override can match on.
type Facts struct {
	Path, DataType, System, Tenant, Customer, Project string
	Target                                            Target
	Status                                            Status
	GID                                               int64
	HasGID                                            bool
}

// Upstream is what the proxy says of a resource, for the expressions of overrides.
type Upstream struct {
	Facts Facts
	Mode  string
	Quota Limits
}

// From tells where a desired value comes from.
type From string

// Where a desired value comes from.
const (
	FromProxy    From = "proxy"
	FromDefault  From = "default"
	FromOverride From = "override"
	// FromArchive: a restore puts it back as it was archived.
	FromArchive From = "archive"
)

// Provenance is where a desired value comes from; Override and At ("overrides.hcl:12") are set for
// overrides only, and Using names the variables that the override uses, with their values:
// "var.headroom = 1.1".
type Provenance struct {
	From     From   `json:"from"`
	Override string `json:"override,omitempty"`
	At       string `json:"at,omitempty"`
	Using    string `json:"using,omitempty"`
}

// Hold leaves the resources whose address matches Glob alone until a time.
type Hold struct {
	Glob   string    `json:"glob"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}
