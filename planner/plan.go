package planner

import (
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// ActionKind says what a plan does with a resource. The names are part of the JSON contract.
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

// Danger marks an action that can do harm. A dangerous action is shown first, is never folded, and
// is never approved by the default policy.
type Danger string

// The dangers, most dangerous first.
const (
	DangerArchive Danger = "archive"
	DangerMissing Danger = "missing"
	// DangerReplaced means that another directory than the recorded one is at the path.
	DangerReplaced    Danger = "replaced"
	DangerBelowUsage  Danger = "below_usage"
	DangerWiderAccess Danger = "wider_access"
	DangerGroup       Danger = "group"
	// DangerUnlimited means that no hard limit will be in force.
	DangerUnlimited Danger = "unlimited"
	// DangerOvercommit means that hard limits promise more than the system's overcommit allows.
	DangerOvercommit Danger = "overcommit"
	// DangerTakenOver means that data comes under a group or a quota that others use.
	DangerTakenOver Danger = "taken_over"
)

// Plan has a core, which people approve and which has the plan's id, and a context, which explains
// the core.
type Plan struct {
	Core    Core    `json:"core"`
	Context Context `json:"context"`
}

// Core is exactly what will be done. The same wishes on the same storage give the same core, byte
// for byte as JSON, whatever the order of the input, the host, the time or the usage.
type Core struct {
	// Configuration is [Settings.Fingerprint].
	Configuration string    `json:"configuration"`
	Selection     Selection `json:"selection"`
	// Actions are sorted by address, then by key.
	Actions []Action `json:"actions"`
}

// Selection is what the command line selected. The lists are sorted and have no duplicates.
type Selection struct {
	Targets  []string       `json:"targets,omitempty"`
	Excludes []string       `json:"excludes,omitempty"`
	Rejects  []OrderVerdict `json:"rejects,omitempty"`
	Fails    []OrderVerdict `json:"fails,omitempty"`
	// Restores are the addresses to bring back from the archive.
	Restores []string `json:"restores,omitempty"`
}

// IsEmpty reports whether the command line selects nothing, so that a plan is about everything.
func (s *Selection) IsEmpty() bool {
	return len(s.Targets)+len(s.Excludes)+len(s.Rejects)+len(s.Fails)+len(s.Restores) == 0
}

// OrderVerdict rejects or fails the order of the resource at an address. Waldur gets the reason.
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
	// System is the label of the system block, and Storage is the storage path.
	System  string `json:"system"`
	Storage string `json:"storage"`
	// Inode is the inode of the directory to change or move. It is 0 if there is none yet or it does
	// not matter.
	Inode uint64 `json:"inode,omitempty"`
	// Parents are the storage paths of missing ancestors that are no resource, topmost first. They are
	// made root:root 0755.
	Parents []string `json:"parents,omitempty"`
	// Quota is the identity whose limits change; nil if none do.
	Quota *QuotaID `json:"quota,omitempty"`
	// Handle is the backend's name for the quota that was observed. It is empty if there was none, or
	// if quotas have no names.
	Handle string `json:"handle,omitempty"`
	// Changes are in the order of [Attributes].
	Changes []Change `json:"changes,omitempty"`
	// Order is the order's id, without dashes.
	Order string `json:"order,omitempty"`
	// Callbacks are the callbacks to send, in this order.
	Callbacks []Callback `json:"callbacks,omitempty"`
	// Verdict is the reason that Waldur gets when an order is rejected or failed.
	Verdict string `json:"verdict,omitempty"`
	// Tag reports whether everything below the directory is given its project id, once the quota is
	// set.
	Tag bool `json:"tag,omitempty"`
	// Folder is the archive folder that an archived directory goes to.
	Folder string `json:"folder,omitempty"`
	// Retention is how long an archived directory is kept at least, counted from when the plan began.
	Retention time.Duration `json:"retention,omitempty"`
	// Freeze reports whether the quota's hard limits are lowered to the usage once the directory is
	// archived.
	Freeze bool `json:"freeze,omitempty"`
	// Unlimit reports whether the directory's quota is removed once the directory is archived.
	Unlimit bool `json:"unlimit,omitempty"`
	// From is the storage path in the archive that a restore brings back.
	From   string   `json:"from,omitempty"`
	Danger []Danger `json:"danger,omitempty"`
}

// After returns the value that the action gives an attribute; false if it does not change the
// attribute.
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

// MarshalJSON writes what reflection would write, with one allocation, because a plan has thousands
// of changes.
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

// Context explains a plan and decides nothing that is done. An approval is also valid for the same
// core with another context.
type Context struct {
	// Made is when the plan was made, in UTC, to the second.
	Made time.Time `json:"made"`
	// Ledger is the number of the last entry in the state's history when the plan was made. It orders
	// plans.
	Ledger  uint64 `json:"ledger,omitempty"`
	User    string `json:"user"`
	Host    string `json:"host"`
	Version string `json:"version"`
	// Renderer is the version of the rendering and compression rules. Files of another version are
	// shown but never applied.
	Renderer int `json:"renderer"`
	// Source says where the resources came from: the proxy's host, or the names of files.
	Source string `json:"source"`
	// Configuration is [Settings.Parts].
	Configuration []ConfigurationPart `json:"configuration,omitempty"`
	// Systems are the labels of the systems that the plan looked at.
	Systems []string `json:"systems"`
	// Overrides counts the override blocks in force.
	Overrides int `json:"overrides"`
	// ValidFor is approval.valid_for.
	ValidFor time.Duration `json:"valid_for"`
	// Details has one entry for each of Core.Actions, in the same order.
	Details  []Detail  `json:"details"`
	Blocked  []Refusal `json:"blocked,omitempty"`
	Waiting  []Refusal `json:"waiting,omitempty"`
	Warnings []Warning `json:"warnings,omitempty"`
	// Drift lists what has changed outside of cscs-sync since it was recorded, even if nothing is done
	// about it.
	Drift       []Drift       `json:"drift,omitempty"`
	Undelivered []Undelivered `json:"undelivered,omitempty"`
	Counts      Counts        `json:"counts"`
	Promised    []Promise     `json:"promised,omitempty"`
	// Shared are the quotas that this plan sets and several resources claim, with what each
	// contributes.
	Shared []SharedQuota `json:"shared,omitempty"`
	// Unobserved counts the resources of which something could not be observed. If there are any, the
	// plan is not complete (exit code 4).
	Unobserved int `json:"unobserved,omitempty"`
}

// Detail explains one action.
type Detail struct {
	Reasons []Reason `json:"reasons"`
	// Notes has one entry for each change.
	Notes []ChangeNote `json:"notes,omitempty"`
	// Usage is the usage of the quota identity; nil if quotas do not matter here.
	Usage *UsageNote `json:"usage,omitempty"`
	// Kept are the limits of the action's quota that stay as they are. They are needed because apply
	// sets all four in one call.
	Kept []KeptLimit `json:"kept,omitempty"`
	// Tool is the program that the commands shown by a plan use to set limits.
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
	// Drift reports whether this change undoes a change that was made outside of cscs-sync.
	Drift bool `json:"drift,omitempty"`
}

// UsageNote is the usage of a quota identity.
type UsageNote struct {
	Space  Value `json:"space"`
	Inodes Value `json:"inodes"`
	// Claims counts the resources that share the identity, if there are several.
	Claims int `json:"claims,omitempty"`
	// DefaultSpace and DefaultInodes report whether the limits before are the filesystem's default
	// quota, and not the identity's own.
	DefaultSpace  bool `json:"default_space,omitempty"`
	DefaultInodes bool `json:"default_inodes,omitempty"`
	// Via is how the usage was read: "ioctl" or "lfs".
	Via string `json:"via,omitempty"`
}

// Used returns the usage of what an attribute limits.
func (u *UsageNote) Used(a Attribute) Value {
	if a.IsSpace() {
		return u.Space
	}
	return u.Inodes
}

// DefaultCovers reports whether the limit before is the filesystem's default. It returns false for
// nil.
func (u *UsageNote) DefaultCovers(a Attribute) bool {
	return u != nil && QuotaState{DefaultSpace: u.DefaultSpace,
		DefaultInodes: u.DefaultInodes}.DefaultCovers(a)
}

// Reason says why something is or is not done. Codes are stable; texts are for people.
type Reason struct {
	Code reason.Code `json:"code"`
	Text string      `json:"text"`
}

// Refusal is a resource for which nothing is done although something is wanted. If QuotaOnly is
// set, only its quota is left alone, and Core has an action for the same key.
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

// Counts has the number of resources by action, and of tenant and customer directories to make.
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

// Promise is the sum of the hard space limits on a system before and after the plan. If the system
// has an overcommit, it is the sum for all resources on its whole filesystem.
type Promise struct {
	System string `json:"system"`
	Before Bytes  `json:"before"`
	After  Bytes  `json:"after"`
	// Overcommit is the system's factor, as the configuration writes it; empty if it has none.
	// Capacity and Used are those of the filesystem, and Most is what may be promised there. They are
	// 0 if there is no overcommit or they are not known.
	Overcommit string `json:"overcommit,omitempty"`
	Capacity   Bytes  `json:"capacity,omitempty"`
	Used       Bytes  `json:"used,omitempty"`
	Most       Bytes  `json:"most,omitempty"`
}
