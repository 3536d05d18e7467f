package planner_test

import (
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// A directory that an apply left unfinished is finished, and nothing else is said about it. It is
// not adopted, is no drift, is not missing once it is gone, and is not a recorded holder of its
// path. Another directory in its place may belong to anybody.
func TestUnfinishedDirectories(t *testing.T) {
	it := project("bio", 30500)
	for _, c := range []struct {
		name  string
		spoil func(m *model, r *planner.Record, at string)
		want  planner.ActionKind
	}{
		{"closed, as it was left", func(*model, *planner.Record, string) {}, planner.Create},
		{"left open", func(m *model, _ *planner.Record,
			at string) {
			m.dirs[at] = reopened(m.dirs[at])
		}, planner.Create},
		{"another inode", func(_ *model, r *planner.Record, _ string) { r.Inode++ }, planner.Adopt},
		{"made at another time", func(m *model, r *planner.Record, at string) {
			d := m.dirs[at]
			d.Born, r.Born = 2, 1
			m.dirs[at] = d
		}, planner.Adopt},
		{"at another path", func(_ *model, r *planner.Record,
			_ string) {
			r.Storage = "capstor/store/cscs/eth/chem"
		}, planner.Adopt},
		{"gone", func(m *model, _ *planner.Record, at string) { delete(m.dirs, at) },
			planner.Create},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newModel()
			const at = "capstor/store/cscs/eth/bio"
			m.put(at, 0, 0o700)
			r := planner.Record{Key: it.Key, Address: it.MountPath, System: "capstor", Storage: at,
				Target: it.Target, Inode: m.dirs[at].Inode, Mode: 0o700, Unfinished: true}
			c.spoil(m, &r, at)
			p, g := plan(&planner.Input{Items: items(it), Recorded: records(r), KeepRecords: true},
				m)
			i := slices.IndexFunc(p.Core.Actions,
				func(a planner.Action) bool { return a.Key == it.Key })
			if i < 0 || p.Core.Actions[i].Kind != c.want {
				t.Fatalf("actions are %+v", p.Core.Actions)
			}
			a, reasons := p.Core.Actions[i], p.Context.Details[i].Reasons
			said := slices.ContainsFunc(reasons,
				func(r planner.Reason) bool { return r.Code == "unfinished" })
			if finish := a.Inode != 0 && a.Kind == planner.Create; said != finish || finish &&
				a.Inode != r.Inode {
				t.Errorf("inode %d, reasons %+v", a.Inode, reasons)
			}
			if a.Kind == planner.Create && len(a.Danger) > 0 {
				t.Errorf("dangers %v", a.Danger)
			}
			if len(g.AsWanted()) > 0 {
				t.Errorf("it is taken for wanted: %+v", g.AsWanted())
			}
		})
	}
}

func reopened(d planner.Directory) planner.Directory {
	d.Mode, d.Group = 0o770, 30500
	return d
}

// An unfinished record keeps its mark in its packed form, and is not one of the records.
func TestUnfinishedRecords(t *testing.T) {
	r := planner.Record{Key: project("bio", 30500).Key, Address: "/a", Storage: "a", Inode: 7,
		Unfinished: true}
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var back planner.Record
	if err := back.UnmarshalBinary(b); err != nil || !back.Unfinished || back.Inode != 7 {
		t.Errorf("%+v, %v", back, err)
	}
	all, err := planner.PackRecords(r)
	if err != nil || all.Len() != 0 {
		t.Errorf("%d records, %v", all.Len(), err)
	}
	if _, ok := all.Of(r.Key); ok {
		t.Error("it counts as recorded")
	}
	if u, ok := all.Unfinished(r.Key); !ok || u.Inode != 7 {
		t.Errorf("%+v, %t", u, ok)
	}
}

// A customer's directory that an apply left closed is finished, although existing ones stay as they
// are.
func TestUnfinishedParents(t *testing.T) {
	m := newModel()
	asWanted(m, "bio", 30500)
	const at = "capstor/store/cscs/eth"
	m.put(at, 0, 0o700)
	all := items(project("bio", 30500))
	var customer planner.Item
	for _, it := range all {
		if it.MountPath == "/capstor/store/cscs/eth" {
			customer = it
		}
	}
	r := planner.Record{Key: customer.Key, Address: customer.MountPath, System: "capstor",
		Storage: at, Target: customer.Target, Inode: m.dirs[at].Inode, Unfinished: true}
	p, _ := plan(&planner.Input{Items: all, Recorded: records(r)}, m)
	if len(p.Core.Actions) != 1 || p.Core.Actions[0].Kind != planner.Create ||
		p.Core.Actions[0].Inode != r.Inode || p.Core.Actions[0].Key != customer.Key {
		t.Errorf("actions are %+v", p.Core.Actions)
	}
	r.Inode++
	if p, _ = plan(&planner.Input{Items: all, Recorded: records(r)}, m); len(p.Core.Actions) != 0 {
		t.Errorf("another directory stands there: %+v", p.Core.Actions)
	}
	if p, _ = plan(&planner.Input{Items: all}, m); len(p.Core.Actions) != 0 {
		t.Errorf("nothing is recorded of it: %+v", p.Core.Actions)
	}
}
