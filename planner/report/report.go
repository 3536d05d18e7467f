// Package report computes what people ask about a whole site: how full its systems are and how much
// of them is promised, which resources are near or over a limit or use little, what is not done and
// why, what is archived, and what was changed recently. It is pure, and a report changes nothing.
package report

import (
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/scan"
)

// formatVersion is the version of the report's JSON.
const formatVersion = "1.0"

// Input is everything that a report is made from.
type Input struct {
	Plan   *planner.Plan
	Views  []planner.View
	Quotas []planner.QuotaView
	Mounts map[string]planner.Mount
	// Systems are the configured systems.
	Systems []planner.System
	// Archived is the archive register, Holds has the holds in force, Held the plans that wait for a
	// person, and History the entries of the period.
	Archived []planner.Archived
	Holds    []planner.Hold
	Held     []Held
	History  []ledger.Entry
	// ArchiveStates are the quotas of [ArchiveTargets], as far as they were read.
	ArchiveStates map[planner.Subject]planner.QuotaState
	// Scan is what no resource wants; nil if nobody looked.
	Scan *scan.Report
	Now  time.Time
}

// Held is a plan that waits for a person.
type Held struct {
	Plan  string    `json:"plan"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
	// Summary counts what the plan does. Danger says which of that is dangerous, and Because which
	// rules hold it.
	Summary string           `json:"summary"`
	Danger  []planner.Danger `json:"danger"`
	Because []string         `json:"because"`
}

// Report is a report about a site. Lists are never nil.
type Report struct {
	FormatVersion string    `json:"format_version"`
	Made          time.Time `json:"made"`
	Source        string    `json:"source"`
	Systems       []System  `json:"systems"`
	// Resources are the directories of projects and users, sorted by address.
	Resources []Resource        `json:"resources"`
	Drift     []planner.Drift   `json:"drift"`
	Blocked   []planner.Refusal `json:"blocked"`
	Waiting   []planner.Refusal `json:"waiting"`
	Warnings  []planner.Warning `json:"warnings"`
	Holds     []planner.Hold    `json:"holds"`
	Archived  []Archived        `json:"archived"`
	// Changes are the plans that ended in the last [Period], latest first.
	Changes []Change `json:"changes"`
	// Done sums up the changes by approver. The approver of most plans comes first.
	Done []Done `json:"done"`
	// Held are the plans that wait for a person.
	Held []Held `json:"held"`
	// Unmanaged is what no resource wants; null if nobody looked.
	Unmanaged *scan.Report `json:"unmanaged"`
	// Pending counts what a plan would do now.
	Pending planner.Counts `json:"pending"`
}

// Period is how far back a report looks for changes.
const Period = 30 * 24 * time.Hour

// System says how full one system is.
type System struct {
	Name string `json:"name"`
	// Capacity, Used and Free are what its filesystem says, in bytes. They are null if it does not say
	// so, which Problem explains.
	Capacity *planner.Bytes `json:"capacity"`
	Used     *planner.Bytes `json:"used"`
	Free     *planner.Bytes `json:"free"`
	Problem  string         `json:"problem,omitempty"`
	// Promised is the sum of the hard limits, and Quotas is their number. Unlimited and Unknown count
	// the quotas that add nothing to the sum, because they have no limit or it could not be observed.
	Promised  planner.Bytes `json:"promised"`
	Quotas    int           `json:"quotas"`
	Unlimited int           `json:"unlimited"`
	Unknown   int           `json:"unknown"`
	Resources int           `json:"resources"`
	// Overcommit is the system's factor, as the configuration writes it. Allowed is what hard limits
	// may promise with it; null if that is not known.
	Overcommit string         `json:"overcommit,omitempty"`
	Allowed    *planner.Bytes `json:"allowed"`
}

// overcommitted reports whether more is promised than there is.
func (s *System) overcommitted() bool { return s.Capacity != nil && s.Promised > *s.Capacity }

// overAllowed reports whether more is promised than the system's overcommit allows.
func (s *System) overAllowed() bool { return s.Allowed != nil && s.Promised > *s.Allowed }

// State says how a resource's usage compares with its limits.
type State string

// The states of a resource, worst first.
const (
	Over    State = "over"
	Grace   State = "grace"
	Near    State = "near"
	Idle    State = "idle"
	Usual   State = "usual"
	Unknown State = "unknown"
)

// Resource is one directory with the usage of its quota.
type Resource struct {
	Address  string         `json:"address"`
	Name     string         `json:"name"`
	System   string         `json:"system"`
	Target   planner.Target `json:"target"`
	Tenant   string         `json:"tenant"`
	Customer string         `json:"customer"`
	// Quota is what the limits are set on; empty if there is none. Sharing counts the resources that
	// claim it.
	Quota   string `json:"quota,omitempty"`
	Sharing int    `json:"sharing"`
	// Usage has one entry for each quantity that quotas count: space and files. It is empty if nothing
	// is known.
	Usage []Usage `json:"usage"`
	// GraceEnds is when the first running grace period ends.
	GraceEnds *time.Time `json:"grace_ends"`
	State     State      `json:"state"`
}

// Usage is the usage of one quantity, and the limits in force, in the form of a plan's values.
type Usage struct {
	// Of is "space", in bytes, or "inodes".
	Of   string        `json:"of"`
	Soft planner.Value `json:"soft"`
	Hard planner.Value `json:"hard"`
	Used planner.Value `json:"used"`
	// hard is the attribute of the hard limit, which has the unit of the amounts.
	hard planner.Attribute
}

// space returns the usage in bytes.
func (r *Resource) space() Usage { return r.of(planner.SpaceHard) }

// inodes returns the usage in files.
func (r *Resource) inodes() Usage { return r.of(planner.InodesHard) }

func (r *Resource) of(hard planner.Attribute) Usage {
	for _, u := range r.Usage {
		if u.hard == hard {
			return u
		}
	}
	return Usage{hard: hard}
}
