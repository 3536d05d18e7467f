// Package report computes what people ask of a site as a whole: how full its systems are and how
// much of them is promised, who is near or over a limit, who uses little, what is not done and why,
// what is archived, and what was changed lately. It is pure, and a report changes nothing.
package report

import (
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// FormatVersion is the version of the report's JSON.
const FormatVersion = "1.0"

// Input is everything that a report is made from.
type Input struct {
	Plan   *planner.Plan
	Views  []planner.View
	Quotas []planner.QuotaView
	Mounts map[string]planner.Mount
	// Archived is the archive register, Holds what is on hold, and History the entries of the
	// period.
	Archived []planner.Archived
	Holds    []planner.Hold
	History  []ledger.Entry
	Now      time.Time
}

// Report is the account of a site. Lists are never nil.
type Report struct {
	FormatVersion string    `json:"format_version"`
	Made          time.Time `json:"made"`
	Source        string    `json:"source"`
	Systems       []System  `json:"systems"`
	// Resources are the projects' and users' directories, sorted by address.
	Resources []Resource        `json:"resources"`
	Drift     []planner.Drift   `json:"drift"`
	Blocked   []planner.Refusal `json:"blocked"`
	Waiting   []planner.Refusal `json:"waiting"`
	Warnings  []planner.Warning `json:"warnings"`
	Holds     []planner.Hold    `json:"holds"`
	Archived  []Archived        `json:"archived"`
	// Changes are the plans that ended in the last [Period], the latest first.
	Changes []Change `json:"changes"`
	// Pending counts what a plan would do now.
	Pending planner.Counts `json:"pending"`
}

// Period is how far back a report looks for changes.
const Period = 30 * 24 * time.Hour

// System is how full one system is.
type System struct {
	Name string `json:"name"`
	// Capacity, Used and Free are what its filesystem says, in bytes; null where it does not, which
	// Problem explains.
	Capacity *planner.Bytes `json:"capacity"`
	Used     *planner.Bytes `json:"used"`
	Free     *planner.Bytes `json:"free"`
	Problem  string         `json:"problem,omitempty"`
	// Promised is the sum of the hard limits, and Quotas how many there are. Unlimited and Unknown
	// count those that add nothing to it, because they have no limit, or because it could not be
	// observed.
	Promised  planner.Bytes `json:"promised"`
	Quotas    int           `json:"quotas"`
	Unlimited int           `json:"unlimited"`
	Unknown   int           `json:"unknown"`
	Resources int           `json:"resources"`
}

// Overcommitted reports whether more is promised than there is.
func (s *System) Overcommitted() bool { return s.Capacity != nil && s.Promised > *s.Capacity }

// State is how a resource stands to its limits.
type State string

// The states of a resource, the worst first.
const (
	Over    State = "over"
	Grace   State = "grace"
	Near    State = "near"
	Idle    State = "idle"
	Usual   State = "usual"
	Unknown State = "unknown"
)

// Resource is one directory with what is used of its quota.
type Resource struct {
	Address  string         `json:"address"`
	Name     string         `json:"name"`
	System   string         `json:"system"`
	Target   planner.Target `json:"target"`
	Tenant   string         `json:"tenant"`
	Customer string         `json:"customer"`
	// Quota is what the limits are set on; empty if there is none. Sharing counts the resources
	// that claim it.
	Quota   string `json:"quota,omitempty"`
	Sharing int    `json:"sharing"`
	// Usage has one entry for each quantity that quotas count: space, and files.
	// It is empty where nothing is known.
	Usage []Usage `json:"usage"`
	// GraceEnds is when the first running grace period ends.
	GraceEnds *time.Time `json:"grace_ends"`
	State     State      `json:"state"`
}

// Usage is what is used of one quantity, and the limits in force, as plans write values.
type Usage struct {
	// Of is "space", in bytes, or "inodes".
	Of   string        `json:"of"`
	Soft planner.Value `json:"soft"`
	Hard planner.Value `json:"hard"`
	Used planner.Value `json:"used"`
	// hard is the attribute of the hard limit, whose unit amounts have.
	hard planner.Attribute
}

// Space is what is used in bytes.
func (r *Resource) Space() Usage { return r.of(planner.SpaceHard) }

// Inodes is what is used in files.
func (r *Resource) Inodes() Usage { return r.of(planner.InodesHard) }

func (r *Resource) of(hard planner.Attribute) Usage {
	for _, u := range r.Usage {
		if u.hard == hard {
			return u
		}
	}
	return Usage{hard: hard}
}

// Archived is one directory in the archive.
type Archived struct {
	Address string    `json:"address"`
	System  string    `json:"system"`
	Archive string    `json:"archive"`
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"`
	// Expired means that its retention is over; nothing is ever deleted for that.
	Expired bool `json:"expired"`
}

// Change is one plan that ended.
type Change struct {
	Time time.Time `json:"time"`
	Plan string    `json:"plan"`
	// By applied it, and Approvers let it.
	By        string         `json:"by"`
	Approvers []string       `json:"approvers"`
	Event     string         `json:"event"`
	Counts    map[string]int `json:"counts"`
}
