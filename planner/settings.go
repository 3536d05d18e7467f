package planner

import "time"

// Settings is the evaluated configuration, as far as planning depends on it.
type Settings struct {
	// Tera is what the proxy's "tera" means: 2^40 or 10^12 bytes.
	Tera Bytes
	// MinGID is the lowest group id that a directory may be given.
	MinGID GID
	// MaxMode is the most that a mode may grant. A mode that grants more is dangerous.
	MaxMode Mode
	// Root owns what belongs to nobody else: 0:0. If every system has filesystem "any", for trying
	// things out, and the caller is not root, it is the caller, who could not give anything to root.
	Root struct {
		UID UID
		GID GID
	}
	// Parents says what to do with existing directories of tenants and customers.
	Parents ParentsPolicy
	// Systems are sorted by name.
	Systems []System
	Waldur  WaldurSettings
	// Fingerprint is the SHA-256, in hex, of the evaluated systems, storage, approval, waldur.url and
	// variables. A plan that was made under another configuration is stale.
	Fingerprint string
	// Parts are digests of what the fingerprint covers, by name, so that a stale plan can say what has
	// changed.
	Parts []ConfigurationPart
}

// ConfigurationPart is one part of a configuration: `system "capstor"`, storage, approval,
// waldur.url or var.headroom. Its digest distinguishes it from other versions.
type ConfigurationPart struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Value is the value of a variable, perhaps shortened, for messages; empty for other parts.
	Value string `json:"value,omitempty"`
}

// WaldurSettings say which callbacks may be sent, and where to. The zero value has no URL, so that
// every order is blocked.
type WaldurSettings struct {
	// URL is the base URL that callback targets must match. It ends in a slash.
	URL string
	// Aliases are other base URLs by which the proxy names the same Waldur. They are rewritten to URL.
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
	// Slugs are more storageSystem.keys of the proxy that mean this system. The label always does.
	Slugs []string
	// Directory is where the system is: a clean storage path, relative to storage.root.
	Directory string
	// Paths are more mount path prefixes with their folders, the longest prefix first.
	Paths []PathMapping
	// Filesystem is what must be mounted there: "lustre", "nfs", "xfs", "ext4", …, or "any".
	Filesystem string
	// Archive is the storage path of the folder for archived directories.
	Archive          string
	ArchiveRetention time.Duration
	// Overcommit is how many times the capacity of its filesystem hard limits may promise without
	// being dangerous; 0 means any amount.
	Overcommit Ratio `json:",omitzero"`
	Quota      QuotaSettings
	// Traits are what the backend of its quotas can do. They are zero if no limits are set.
	Traits Traits
}

// PathMapping maps mount paths below Prefix ("/scratch") to Folder ("capstor/legacy"), a storage
// path.
type PathMapping struct{ Prefix, Folder string }

// QuotaSettings is a system's quota block.
type QuotaSettings struct {
	// Kind is "none" or the name of a backend. The planner decides by [System.Traits], never by this
	// name.
	Kind string
	// By is what limits are set on; empty if none are set.
	By QuotaBy
	// ProjectIDs are the project ids to give away, each to one resource. If there are none, the
	// project id is the group id.
	ProjectIDs ProjectRange
	// Client is "auto", "ioctl" or "lfs". LFS is the path of that program.
	Client, LFS string
	Shared      SharedPolicy
	OnRemove    RemovePolicy
	// Tool is the admin's program to set these limits, for `show --commands`.
	Tool Tool `json:",omitempty"`
	// Orders is "hold" or "complete", for kind "none".
	Orders string
	// Server is the management API that sets the limits; zero if there is none.
	Server QuotaServer `json:",omitzero"`
}

// QuotaServer is a management API that sets limits, and the part of it that is used.
type QuotaServer struct {
	// URL ends in a slash.
	URL string
	// CAFile has the certificates to check the server's certificate against; empty means the node's
	// own.
	CAFile string
	// Tenant is the name of the tenant; empty means the only one whose quotas are visible.
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

// RemovePolicy says what to do with a quota when its directory is archived.
type RemovePolicy string

// The values of quota.on_remove. Only a directory's own quota can be removed.
const (
	OnRemoveKeep   RemovePolicy = "keep"
	OnRemoveFreeze RemovePolicy = "freeze"
	OnRemoveRemove RemovePolicy = "remove"
)

// Tool is a program to set limits by hand.
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

// SharedPolicy says how several claims on one quota identity are combined.
type SharedPolicy string

// The values of quota.shared.
const (
	SharedRefuse SharedPolicy = "refuse"
	SharedSum    SharedPolicy = "sum"
	SharedMax    SharedPolicy = "max"
)

// Override changes what is wanted of the resources that it matches. Package override makes
// overrides from HCL. All methods are pure.
type Override interface {
	// Source names the override and says where it is in the configuration.
	Source() Provenance
	// Expired reports whether the override has expired at now.
	Expired(now time.Time) bool
	// GivesGroup reports whether the override can give a resource another group.
	GivesGroup() bool
	// Matches reports whether the override applies to this resource.
	Matches(Facts) bool
	// Apply evaluates the override's expressions with the proxy's values. An error blocks the
	// resource; it names the expression and the problem.
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

// Upstream is what the proxy says about a resource, for the expressions of overrides.
type Upstream struct {
	Facts Facts
	Mode  string
	Quota Limits
}

// From says where a wanted value comes from.
type From string

// The sources of a wanted value.
const (
	FromProxy    From = "proxy"
	FromDefault  From = "default"
	FromOverride From = "override"
	// FromArchive means that a restore puts the value back as it was archived.
	FromArchive From = "archive"
)

// Provenance says where a wanted value comes from. Override and At ("overrides.hcl:12") are set
// only for overrides. Using names the variables that the override uses, with their values:
// "var.headroom = 1.1".
type Provenance struct {
	From     From   `json:"from"`
	Override string `json:"override,omitempty"`
	At       string `json:"at,omitempty"`
	Using    string `json:"using,omitempty"`
}

// Hold keeps cscs-sync from the resources whose address matches Glob, until a time.
type Hold struct {
	Glob   string    `json:"glob"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}
