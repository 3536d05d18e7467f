package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// Config is an evaluated configuration.
type Config struct {
	// Settings is what planning depends on.
	Settings planner.Settings
	// Proxy is nil without a proxy block. Plans need saved responses then, and apply is refused.
	Proxy *Proxy
	// Waldur is nil without a waldur block. Orders are blocked then, and apply is refused.
	Waldur      *Waldur
	Storage     Storage
	Approval    Approval
	AutoApprove policy.Policy
	Run         Run
	// Hidden is what messages must not show: secrets, and the parts of URLs that come from files and
	// the environment.
	Hidden planner.Hidden
	// QuotaAccess has the credentials for the management APIs of quotas, by system.
	QuotaAccess map[string]QuotaAccess
	// State is the absolute path of the state's folder. If the state is shared, it has only this
	// node's own files.
	State string
	// Shared is the state that nodes share; nil if the state is in State.
	Shared *SharedState
	// Scope has the variables and locals, for expressions.
	Scope *expr.Scope
	// Overrides are in file order.
	Overrides []planner.Override
	// Sources are the files that were read, by name, for showing excerpts. Secrets written into them
	// are blanked out.
	Sources map[string]*hcl.File
}

// Node returns this node's name among the nodes that share the state: the host name, unless the
// configuration names it.
func (c *Config) Node(host string) string {
	if c.Shared != nil && c.Shared.Node != "" {
		return c.Shared.Node
	}
	return host
}

// Proxy says where to list the resources.
type Proxy struct {
	// URL ends in a slash, because without it the proxy redirects.
	URL string
	// Token is not set if OIDC is.
	Token   Secret
	Timeout time.Duration
	OIDC    *OIDC
}

// OIDC gets tokens by client credentials.
type OIDC struct {
	TokenURL, ClientID string
	ClientSecret       Secret
	Scope              string
}

// Waldur says where to send callbacks. What planning needs of it is in [planner.WaldurSettings].
type Waldur struct {
	// URL ends in a slash.
	URL   string
	Token Secret
	// ReportUsage and OrderMessages say what to report to Waldur in addition to callbacks.
	ReportUsage, OrderMessages bool
}

// QuotaAccess has the credentials for a management API: a token, or a user with a password.
type QuotaAccess struct {
	Token    Secret
	User     string
	Password Secret
}

// Storage says where the systems are on this node.
type Storage struct {
	// Root is absolute and clean; storage paths are relative to it.
	Root string
	// Archive is the storage path of the archive common to all systems; empty if each has its own.
	Archive string
}

// Approval says what a plan needs before it may be applied.
type Approval struct {
	// Required is the number of different people.
	Required int
	// AllowedSigners is an absolute path; empty if approvals are local.
	AllowedSigners string
	ValidFor       time.Duration
}

// Run configures the unattended loop.
type Run struct {
	Interval, AuditInterval time.Duration
	// Listen is the loopback address for metrics and health, such as 127.0.0.1:9811; empty for none.
	Listen string
	// Notify is told about each held plan, once; nil for nobody.
	Notify *Notify
}

// Notify says who is told about held plans, as JSON: a program on its standard input, a URL by
// POST, or both.
type Notify struct {
	// Exec is the absolute path of a program, and its arguments. No shell is involved.
	Exec []string
	// Webhook is a URL. Token, if it is set, is sent as a bearer token.
	Webhook string
	Token   Secret
}

// AutoApproveWords returns the kinds of change that auto_approve.allow may name.
func AutoApproveWords() []string {
	return []string{"adopt", "archive", "below_usage", "create", "drift_mode", "drift_ownership",
		"drift_quota", "fail", "group",
		"mode", "quota_lower", "quota_raise", "reject", "report", "restore", "unlimited",
		"wider_access"}
}

// SecretMode says what [Load] does about secrets.
type SecretMode uint8

// The modes. None of them reads a secret that is not needed.
const (
	// Read opens, checks and reads them.
	Read SecretMode = iota
	// CheckOnly finds out whether secrets exist and are protected. It keeps no values.
	CheckOnly
	// Skip does not look at any file or variable that the configuration names, for commands away from
	// the node. The fingerprint is empty if waldur.url comes from one of them.
	Skip
)

// Options say how to load.
type Options struct {
	Secrets SecretMode
	// StateURL makes Load read the URL of a shared state even if other secrets are skipped.
	StateURL bool
	// Variables give values to variables, in order. If a variable has several, the last counts.
	Variables []VariableInput
}

// VariableInput is one --var or --var-file.
type VariableInput struct {
	// Assignment is NAME=VALUE. If it is empty, the values are in File.
	Assignment string
	File       string
}
