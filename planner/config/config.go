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
	// Proxy is nil without a proxy block: then plans need saved responses, and apply is refused.
	Proxy *Proxy
	// Waldur is nil without a waldur block: then orders are blocked, and apply is refused.
	Waldur      *Waldur
	Storage     Storage
	Approval    Approval
	AutoApprove policy.Policy
	Run         Run
	// Hidden is what messages must not show: secrets, and what URLs take from files and the
	// environment.
	Hidden planner.Hidden
	// QuotaAccess is what management APIs of quotas let us in with, by system.
	QuotaAccess map[string]QuotaAccess
	// State is the absolute path of the state's folder: of all of it, or of this node's files where
	// it is shared.
	State string
	// Shared is the state that nodes share; nil if it lies in State.
	Shared *SharedState
	// Scope is the variables and locals, for expressions.
	Scope *expr.Scope
	// Overrides are in file order.
	Overrides []planner.Override
	// Sources are the files read, by name, for showing excerpts. Literal secrets in them are
	// blanked out.
	Sources map[string]*hcl.File
}

// Node returns this node's name among those that share the state: the host's, unless the
// configuration names it.
func (c *Config) Node(host string) string {
	if c.Shared != nil && c.Shared.Node != "" {
		return c.Shared.Node
	}
	return host
}

// Proxy is where the resources are listed.
type Proxy struct {
	// URL ends in a slash; without it the proxy redirects.
	URL string
	// Token is not set where OIDC is.
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

// Waldur is where callbacks go. What planning needs of it is in [planner.WaldurSettings].
type Waldur struct {
	// URL ends in a slash.
	URL   string
	Token Secret
	// ReportUsage and OrderMessages say what Waldur is told beside callbacks.
	ReportUsage, OrderMessages bool
}

// QuotaAccess is what a management API lets us in with: a token, or a user with a password.
type QuotaAccess struct {
	Token    Secret
	User     string
	Password Secret
}

// Storage is where the systems lie on this node.
type Storage struct {
	// Root is absolute and clean; storage paths are relative to it.
	Root string
	// Archive is the storage path of the archive common to all systems; empty if each has its own.
	Archive string
}

// Approval is what a plan needs before it may be applied.
type Approval struct {
	// Required counts different people.
	Required int
	// AllowedSigners is an absolute path; empty if approvals are local.
	AllowedSigners string
	ValidFor       time.Duration
}

// Run is the unattended loop.
type Run struct {
	Interval, AuditInterval time.Duration
	// Listen is the loopback address for metrics and health, such as 127.0.0.1:9811; empty for
	// none.
	Listen string
	// Notify is told of each held plan, once; nil for nobody.
	Notify *Notify
}

// Notify is who is told of held plans, as JSON: a program on its standard input, a URL by POST, or
// both.
type Notify struct {
	// Exec is a program, by absolute path, and its arguments; no shell is involved.
	Exec []string
	// Webhook is a URL; Token, if set, goes along as a bearer token.
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

// SecretMode is what [Load] does about secrets.
type SecretMode uint8

// What to do about secrets. None of the modes reads a secret that is not needed.
const (
	// Read opens, checks and reads them.
	Read SecretMode = iota
	// CheckOnly finds out whether they are there and protected; it keeps no value.
	CheckOnly
	// Skip does not look at any file or variable that the configuration names: for commands away
	// from the node. The fingerprint is empty if waldur.url comes from one.
	Skip
)

// Options are how to load.
type Options struct {
	Secrets SecretMode
	// StateURL has the URL of a shared state read even where other secrets are skipped.
	StateURL bool
	// Variables give values to variables, in order: of several for one variable the last counts.
	Variables []VariableInput
}

// VariableInput is one --var or --var-file.
type VariableInput struct {
	// Assignment is NAME=VALUE. Empty: the values are in File.
	Assignment string
	File       string
}
