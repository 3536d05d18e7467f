package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Archived is one directory in the archive.
type Archived struct {
	Address string    `json:"address"`
	System  string    `json:"system"`
	Archive string    `json:"archive"`
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"`
	// Expired means that its retention is over. Nothing is ever deleted because of that.
	Expired bool `json:"expired"`
	// Space and Inodes are what a quota counts of it; null if no quota does, which Note explains.
	Space  *planner.Bytes  `json:"space"`
	Inodes *planner.Inodes `json:"inodes"`
	Note   string          `json:"note,omitempty"`
}

// counter returns the quota that counts only what an archived directory holds; false if none does,
// which note explains.
func counter(in *Input, a *planner.Archived) (t planner.QuotaTarget, note string, ok bool) {
	id, has := a.Limited()
	mount := in.Mounts[a.System]
	i := slices.IndexFunc(in.Systems, func(s planner.System) bool { return s.Name == a.System })
	switch {
	case !has:
		return t, "it had no quota", false
	case i < 0 || mount.Filesystem == "":
		return t, "its system could not be looked at", false
	case id.By == planner.ByDirectory && !in.Systems[i].Traits.FollowsRename:
		return t, "its quota stayed where it was", false
	case id.By == planner.ByDirectory:
		id.Path = a.Archive
	}
	return planner.QuotaTarget{Subject: id.On(mount.Filesystem), System: a.System}, "", true
}

// ArchiveTargets returns the quotas to read so that a report knows the sizes of archived
// directories: each once, and none that a resource uses too.
func ArchiveTargets(in *Input) []planner.QuotaTarget {
	claimed := claimedQuotas(in)
	seen := map[planner.Subject]bool{}
	var targets []planner.QuotaTarget
	for i := range in.Archived {
		t, _, ok := counter(in, &in.Archived[i])
		if ok && !claimed[t.Subject] && !seen[t.Subject] {
			seen[t.Subject] = true
			targets = append(targets, t)
		}
	}
	return targets
}

func claimedQuotas(in *Input) map[planner.Subject]bool {
	claimed := map[planner.Subject]bool{}
	for i := range in.Quotas {
		if len(in.Quotas[i].Keys) > 0 {
			claimed[in.Quotas[i].Subject] = true
		}
	}
	return claimed
}

// archived lists the register, with the shortest remaining retention first.
func archived(in *Input) []Archived {
	claimed := claimedQuotas(in)
	sharing := map[planner.Subject]int{}
	for i := range in.Archived {
		if t, _, ok := counter(in, &in.Archived[i]); ok {
			sharing[t.Subject]++
		}
	}
	list := []Archived{}
	for i := range in.Archived {
		a := &in.Archived[i]
		x := Archived{Address: a.Address, System: a.System, Archive: a.Archive, At: a.At,
			Until: a.Until, Expired: !a.Until.After(in.Now)}
		t, note, ok := counter(in, a)
		switch state, read := in.ArchiveStates[t.Subject]; {
		case !ok:
			x.Note = note
		case claimed[t.Subject]:
			x.Note = "the quota of " + t.Subject.String() + " counts a resource, too"
		case sharing[t.Subject] > 1:
			x.Note = "the quota of " + t.Subject.String() + " counts several of these"
		case !read:
			x.Note = "its quota was not read"
		case !state.Space.Known():
			x.Note = "what is used could not be read: " + planner.Clause(state.SpaceWhy())
		default:
			x.Space, x.Inodes = state.Space.Amount(), state.Inodes.Amount()
			if t.Subject.By == planner.ByGroup {
				x.Note = "all that " + t.Subject.String() + " owns on the filesystem"
			}
		}
		list = append(list, x)
	}
	slices.SortStableFunc(list, func(a, b Archived) int {
		return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.Archive, b.Archive))
	})
	return list
}
