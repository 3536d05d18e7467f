package planner

import (
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// ActionKind is what a plan does with a resource. The names are part of the JSON contract.
type ActionKind string

// The actions. The first eight change something; blocked and waiting do not.
const (
	Create      ActionKind = "create"
	Adopt       ActionKind = "adopt"
	Update      ActionKind = "update"
	Archive     ActionKind = "archive"
	Restore     ActionKind = "restore"
	RejectOrder ActionKind = "reject"
	FailOrder   ActionKind = "fail"
	Report      ActionKind = "report"
	Blocked     ActionKind = "blocked"
	Waiting     ActionKind = "waiting"
	NothingToDo ActionKind = "unchanged"
)

// ActionKinds lists all kinds in the order of the summary.
func ActionKinds() []ActionKind {
	return []ActionKind{Create, Adopt, Update, Archive, Restore, RejectOrder, FailOrder, Report,
		Blocked, Waiting, NothingToDo}
}

// Acts reports whether actions of this kind change something.
func (k ActionKind) Acts() bool { return k != Blocked && k != Waiting && k != NothingToDo }

// Danger marks what can hurt. A dangerous action is shown first, never folded and never approved by
// default policy.
type Danger string

// The dangers, most dangerous first.
const (
	DangerArchive Danger = "archive"
	DangerMissing Danger = "missing"
	// DangerReplaced: another directory than the recorded one stands at the path.
	DangerReplaced    Danger = "replaced"
	DangerBelowUsage  Danger = "below_usage"
	DangerWiderAccess Danger = "wider_access"
	DangerGroup       Danger = "group"
	// DangerUnlimited: no hard limit is in force afterwards.
	DangerUnlimited Danger = "unlimited"
	// DangerOvercommit: hard limits promise more than the system's overcommit allows.
	DangerOvercommit Danger = "overcommit"
	// DangerTakenOver: data comes under a group or a quota that others use.
	DangerTakenOver Danger = "taken_over"
)

// Plan is one plan: a core, which is approved and has the plan's id, and a context, which explains
// it.
type Plan struct {
	Core    Core    `json:"core"`
	Context Context `json:"context"`
}

// Core is exactly what will be done. Same wishes on the same storage give the same core, byte for
// byte as JSON, whatever the order of input, host, time or usage.
type Core struct {
	// Configuration is [Settings.Fingerprint].
	Configuration string    `json:"configuration"`
	Selection     Selection `json:"selection"`
	// Actions are sorted by address, then key.
	Actions []Action `json:"actions"`
}

// Selection is what the command line picked out. Lists are sorted and without duplicates.
type Selection struct {
	Targets  []string       `json:"targets,omitempty"`
	Excludes []string       `json:"excludes,omitempty"`
	Rejects  []OrderVerdict `json:"rejects,omitempty"`
	Fails    []OrderVerdict `json:"fails,omitempty"`
	// Restores are addresses to bring back from the archive.
	Restores []string `json:"restores,omitempty"`
}

// OrderVerdict rejects or fails the order of the resource at an address, with the words that Waldur
// is told.
type OrderVerdict struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

// ParseVerdict reads ADDRESS=REASON.
func ParseVerdict(s string) (OrderVerdict, error) {
	address, why, _ := strings.Cut(s, "=")
	v := OrderVerdict{Address: address, Reason: strings.TrimSpace(why)}
	if v.Address == "" || v.Reason == "" {
		return OrderVerdict{}, fmt.Errorf("%q: want ADDRESS=REASON", s)
	}
	return v, nil
}

// Action is what will be done with one resource.
type Action struct {
	Key     Key        `json:"key"`
	Address string     `json:"address"`
	Kind    ActionKind `json:"action"`
	Target  Target     `json:"target"`
	// System is the label of the system block; Storage the storage path.
	System  string `json:"system"`
	Storage string `json:"storage"`
	// Inode is that of the directory to be changed or moved; 0 where none exists yet, or where it
	// does not matter.
	Inode uint64 `json:"inode,omitempty"`
	// Parents are storage paths of missing ancestors that are no resource, topmost first: made
	// root:root 0755.
	Parents []string `json:"parents,omitempty"`
	// Quota is the identity whose limits change; nil if none do.
	Quota *QuotaID `json:"quota,omitempty"`
	// Handle is what the backend called the quota when it was observed; empty where there was none,
	// and where quotas have no names.
	Handle string `json:"handle,omitempty"`
	// Changes are in the order of [Attributes].
	Changes []Change `json:"changes,omitempty"`
	// Order is the order's id, without dashes.
	Order string `json:"order,omitempty"`
	// Callbacks are sent in this order.
	Callbacks []Callback `json:"callbacks,omitempty"`
	// Verdict is what Waldur is told when an order is rejected or failed.
	Verdict string `json:"verdict,omitempty"`
	// Tag reports whether everything below the directory is given its project id, once the quota is
	// set.
	Tag bool `json:"tag,omitempty"`
	// Folder is the archive folder: where an archived directory goes.
	Folder string `json:"folder,omitempty"`
	// Retention is how long an archived directory is kept at least, from the time at which the plan
	// began.
	Retention time.Duration `json:"retention,omitempty"`
	// Freeze reports whether the quota's hard limit is lowered to what is used once the directory is
	// archived.
	Freeze bool `json:"freeze,omitempty"`
	// Unlimit reports whether the quota of the directory is removed once that is archived.
	Unlimit bool `json:"unlimit,omitempty"`
	// From is the storage path in the archive that a restore brings back.
	From   string   `json:"from,omitempty"`
	Danger []Danger `json:"danger,omitempty"`
}

// After is what the action makes of an attribute; false if it does not speak of it.
func (a *Action) After(at Attribute) (Value, bool) {
	for i := range a.Changes {
		if a.Changes[i].Attribute == at {
			return a.Changes[i].After, true
		}
	}
	return Value{}, false
}

// Change is one attribute's change. Before is what was observed, after what is desired.
type Change struct {
	Attribute Attribute `json:"attribute"`
	Before    Value     `json:"before"`
	After     Value     `json:"after"`
}

// MarshalJSON writes what reflection would, with one allocation: a plan has thousands of changes.
func (c Change) MarshalJSON() ([]byte, error) {
	name, err := c.Attribute.MarshalText()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 96)
	b = append(append(append(b, `{"attribute":"`...), name...), `","before":`...)
	if b, err = c.Before.appendJSON(b); err != nil {
		return nil, err
	}
	if b, err = c.After.appendJSON(append(b, `,"after":`...)); err != nil {
		return nil, err
	}
	return append(b, '}'), nil
}

// Context is everything that explains a plan and decides nothing that is done: an approval holds
// for the same core with another context.
type Context struct {
	// Made is when, in UTC, to the second.
	Made time.Time `json:"made"`
	// Ledger is the number of the last entry of the state's history when this was planned: what
	// orders plans.
	Ledger  uint64 `json:"ledger,omitempty"`
	User    string `json:"user"`
	Host    string `json:"host"`
	Version string `json:"version"`
	// Renderer is the version of the rendering and compression rules; files of another one are
	// shown, never applied.
	Renderer int `json:"renderer"`
	// Source is where the resources came from: the proxy's host, or the names of files.
	Source string `json:"source"`
	// Configuration is [Settings.Parts].
	Configuration []ConfigurationPart `json:"configuration,omitempty"`
	// Systems are the labels of the systems that the plan looked at.
	Systems []string `json:"systems"`
	// Overrides counts the override blocks in force.
	Overrides int `json:"overrides"`
	// ValidFor is approval.valid_for.
	ValidFor time.Duration `json:"valid_for"`
	// Details has one entry for each of Core.Actions, in that order.
	Details  []Detail  `json:"details"`
	Blocked  []Refusal `json:"blocked,omitempty"`
	Waiting  []Refusal `json:"waiting,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
	// Drift lists what has changed outside of cscs-sync since it was recorded, also where nothing
	// is done about it.
	Drift       []Drift       `json:"drift,omitempty"`
	Undelivered []Undelivered `json:"undelivered,omitempty"`
	Counts      Counts        `json:"counts"`
	Promised    []Promise     `json:"promised,omitempty"`
	// Shared are the quotas that this plan sets and several resources claim: what each contributes.
	Shared []SharedQuota `json:"shared,omitempty"`
	// Unobserved counts resources of which something could not be observed; with any, a plan is not
	// complete (exit 4).
	Unobserved int `json:"unobserved,omitempty"`
}

// Detail explains one action.
type Detail struct {
	Reasons []Reason `json:"reasons"`
	// Notes has one entry for each change.
	Notes []ChangeNote `json:"notes,omitempty"`
	// Usage is what is used of the quota identity; nil where quotas play no part.
	Usage *UsageNote `json:"usage,omitempty"`
	// Kept are the limits of the action's quota that stay as they are: apply sets all four in one
	// call.
	Kept []KeptLimit `json:"kept,omitempty"`
	// Tool is what the commands that a plan shows set limits with.
	Tool Tool `json:"tool,omitempty"`
	// Unchanged counts the attributes that stay as they are and are not shown.
	Unchanged int `json:"unchanged,omitempty"`
}

// KeptLimit is a limit that stays as it is.
type KeptLimit struct {
	Attribute Attribute `json:"attribute"`
	Value     Value     `json:"value"`
}

// ChangeNote explains one change.
type ChangeNote struct {
	Provenance Provenance `json:"provenance"`
	// Drift reports whether the storage was changed outside of cscs-sync, and this undoes it.
	Drift bool `json:"drift,omitempty"`
}

// UsageNote is what is used of a quota identity.
type UsageNote struct {
	Space  Value `json:"space"`
	Inodes Value `json:"inodes"`
	// Claims counts the resources that share the identity, when there are several.
	Claims int `json:"claims,omitempty"`
	// DefaultSpace and DefaultInodes mean that the limits before are the filesystem's default
	// quota, and not the identity's own.
	DefaultSpace  bool `json:"default_space,omitempty"`
	DefaultInodes bool `json:"default_inodes,omitempty"`
	// Via is the way in which it was asked: "ioctl" or "lfs".
	Via string `json:"via,omitempty"`
}

// Used is how much is used of what an attribute limits.
func (u *UsageNote) Used(a Attribute) Value {
	if a.IsSpace() {
		return u.Space
	}
	return u.Inodes
}

// DefaultCovers reports whether the limit before is the filesystem's default; false for nil.
func (u *UsageNote) DefaultCovers(a Attribute) bool {
	return u != nil && QuotaState{DefaultSpace: u.DefaultSpace,
		DefaultInodes: u.DefaultInodes}.DefaultCovers(a)
}

// Reason says why something is done, or not done. Codes are stable; texts are for people.
type Reason struct {
	Code reason.Code `json:"code"`
	Text string      `json:"text"`
}

// Refusal is a resource for which nothing is done although something is wanted. Core has an action
// for the same key when QuotaOnly: the directory goes on.
type Refusal struct {
	Key       Key      `json:"key"`
	Address   string   `json:"address"`
	System    string   `json:"system"`
	Reasons   []Reason `json:"reasons"`
	QuotaOnly bool     `json:"quota_only,omitempty"`
}

// Warning is something that a reviewer should know.
type Warning struct {
	Code    reason.Code `json:"code"`
	Address string      `json:"address"`
	Text    string      `json:"text"`
}

// Drift is one attribute that somebody changed outside of cscs-sync.
type Drift struct {
	Address   string    `json:"address"`
	Attribute Attribute `json:"attribute"`
	Recorded  Value     `json:"recorded"`
	Observed  Value     `json:"observed"`
}

// Counts are the numbers of resources by action, and of tenant and customer directories to be made.
type Counts struct {
	Create    int `json:"create"`
	Adopt     int `json:"adopt"`
	Update    int `json:"update"`
	Archive   int `json:"archive"`
	Restore   int `json:"restore"`
	Reject    int `json:"reject"`
	Fail      int `json:"fail"`
	Report    int `json:"report"`
	Blocked   int `json:"blocked"`
	Waiting   int `json:"waiting"`
	Unchanged int `json:"unchanged"`
}

// Promise is the sum of the hard space limits on a system before and after the plan. Where the
// system has an overcommit, it is the sum on its whole filesystem, of all resources.
type Promise struct {
	System string `json:"system"`
	Before Bytes  `json:"before"`
	After  Bytes  `json:"after"`
	// Overcommit is the system's, as the configuration writes it; empty if it has none. Capacity and
	// Used are those of the filesystem, and Most is what may be promised there; 0 where there is no
	// overcommit, or where it is not known.
	Overcommit string `json:"overcommit,omitempty"`
	Capacity   Bytes  `json:"capacity,omitempty"`
	Used       Bytes  `json:"used,omitempty"`
	Most       Bytes  `json:"most,omitempty"`
}
