package planner_test

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestRenamedSlug: if the proxy has another key for a system, what is recorded under the old one
// stays valid, including archived directories and callbacks. That is so only at its own place, and
// only once the old key is no longer listed.
func TestRenamedSlug(t *testing.T) {
	other := func(it *planner.Item) { it.Key.System = "cscs-capstor" }
	rec := func() planner.Recorded { return records(recordOf("bio", 30500)) }
	kept := func() planner.Recorded {
		r := rec()
		old := recordOf("bio", 30500)
		r.Records, r.Archived = planner.Records{},
			map[planner.Key]planner.Archived{old.Key: {Key: old.Key, System: "capstor",
				Storage: old.Storage, Archive: "capstor/.trash/x", Inode: 9, Group: 30500,
				Mode: 0o2770,
				At:   now}}
		return r
	}
	for _, tc := range []struct {
		name  string
		items []planner.Item
		rec   planner.Recorded
		// want has the action and what blocks, in short. follows reports whether the record gets the new
		// key.
		want    string
		stands  bool
		follows bool
	}{
		{"it goes on", items(project("bio", 30500, other)), rec(), "", true, true},
		{"with other limits, it is an update",
			items(project("bio", 30500, other,
				func(it *planner.Item) { it.Quotas = quotas("11.0", "11.0") })), rec(), "update",
			true,
			true},
		{"a directory that is gone is missing, and not made again",
			items(project("bio", 30500, other)), rec(), "create missing", false, true},
		{"one that was archived is brought back", items(project("bio", 30500, other)), kept(),
			"restore missing", false, true},
		{"at another place it has moved",
			items(project("bio", 30500, other, at("/capstor/store/cscs/eth/elsewhere"))), rec(),
			"moved", true, false},
		{"the old key is still listed", items(project("bio", 30500), project("bio", 30500, other)),
			rec(), "conflict", true, false},
		{"another item on its path is a newcomer", items(project("bio2", 30501, other, at(bio))),
			rec(), "conflict", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newModel()
			if tc.stands {
				asWanted(m, "bio", 30500)
			}
			p, g := plan(&planner.Input{Items: tc.items, Recorded: tc.rec, Complete: true}, m)
			var got []string
			for _, a := range p.Core.Actions {
				if a.Target.IsBranch() {
					continue
				}
				got = append(got, string(a.Kind))
				for _, d := range a.Danger {
					got = append(got, string(d))
				}
			}
			for _, b := range p.Context.Blocked {
				got = append(got, string(b.Reasons[0].Code))
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("%s, want %s: %+v", s, tc.want, p.Context.Blocked)
			}
			old, now := recordOf("bio", 30500).Key, tc.items[len(tc.items)-1].Key
			warned := 0
			for _, w := range p.Context.Warnings {
				if w.Code == "renamed" {
					warned++
				}
			}
			if follows := g.Renamed()[old] == now; follows != tc.follows ||
				(warned == 1) != tc.follows {
				t.Errorf("renamed %v, warned %d times: %v", g.Renamed(), warned, p.Context.Warnings)
			}
		})
	}
	r := rec()
	r.Undelivered = []planner.Undelivered{{Key: recordOf("bio", 30500).Key}}
	_, g := plan(&planner.Input{Items: items(project("bio", 30500, other)), Recorded: r},
		newModel())
	_, was := r.Records.Of(recordOf("bio", 30500).Key)
	if u := g.Recorded().Undelivered; u[0].Key.System != "cscs-capstor" ||
		r.Undelivered[0].Key.System != "capstor" || !was {
		t.Errorf("callbacks %v; what was given is %v, with its record: %v", u, r.Undelivered, was)
	}
}
