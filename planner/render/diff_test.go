package render

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

func TestDiff(t *testing.T) {
	old, latest := plantest.Mixed(), plantest.Mixed()
	if d := Diff(old, latest); !d.Identical || d.contextOnly() {
		t.Errorf("the same plan: %+v", d)
	}
	latest.Context.Made = latest.Context.Made.Add(3600e9)
	latest.Context.Details[0].Usage = &planner.UsageNote{Space: plantest.Num(1),
		Inodes: plantest.Num(1)}
	d := Diff(old, latest)
	if d.Identical || !d.contextOnly() || len(d.Added)+len(d.Gone)+len(d.Changed) != 0 ||
		len(d.Context) != 2 {
		t.Errorf("another context: %+v", d)
	}
	golden(t, "diff-context.txt", d.Text(Options{}))

	latest = plantest.Base()
	plantest.AddCreate(latest, "/capstor/store/cscs/eth/climate", 0)
	plantest.AddRaise(latest, "/capstor/scratch/cscs/mch/msopr", 11, 20*plantest.TiB,
		15*plantest.TiB, 12*plantest.TiB)
	plantest.AddRaise(latest, "/capstor/scratch/cscs/mch/another", 13, 20*plantest.TiB,
		11*plantest.TiB, 12*plantest.TiB)
	plantest.AddBlocked(latest)
	latest.Context.Blocked[0].Reasons[0].Text = "the proxy gives group id 7, the least allowed " +
		"is 1000 (storage.min_gid)"
	latest.Core.Configuration = strings.Repeat("0", 64)
	d = Diff(old, latest)
	if len(d.Added) != 1 || len(d.Gone) != 5 || len(d.Changed) != 1 || len(d.Whole) != 1 ||
		d.contextOnly() {
		t.Errorf("%d added, %d gone, %d changed, %d whole", len(d.Added), len(d.Gone),
			len(d.Changed), len(d.Whole))
	}
	golden(t, "diff.txt", d.Text(Options{}))
	if strings.ContainsRune(string(Diff(plantest.Hostile(), latest).Text(Options{})), esc) {
		t.Error("a text from outside is not escaped")
	}
}

// Two warnings of one kind are two warnings, and the same two are no difference.
func TestDiffOfFieldsWithOneName(t *testing.T) {
	warn := func(texts ...string) *planner.Plan {
		p := plantest.Base()
		for _, s := range texts {
			p.Context.Warnings = append(p.Context.Warnings, planner.Warning{Code: "expired",
				Text: s})
		}
		return p
	}
	for _, c := range []struct {
		old, latest []string
		want        []FieldDiff
	}{
		{[]string{"a", "b"}, []string{"a", "b"}, nil},
		{[]string{"a", "b"}, []string{"b", "a"}, nil},
		{[]string{"a", "a"}, []string{"a"}, []FieldDiff{{"warning expired", "a", ""}}},
		{[]string{"a", "b"}, []string{"c", "b", "d"}, []FieldDiff{{"warning expired", "a", "c"},
			{"warning expired", "", "d"}}},
	} {
		if got := Diff(warn(c.old...), warn(c.latest...)).Context; !slices.Equal(got, c.want) {
			t.Errorf("%q to %q: %q, want %q", c.old, c.latest, got, c.want)
		}
	}
}

func TestDiffOfWhatExplainsAnAction(t *testing.T) {
	old, latest := plantest.Mixed(), plantest.Mixed()
	d := &latest.Context.Details[0]
	d.Reasons[0].Text, d.Notes[0], d.Usage.Space = "another", plantest.ByOverride("new", "x.hcl:1"),
		plantest.Num(1)
	got := Diff(old, latest)
	var names []string
	for _, f := range got.Context {
		names = append(names, f.Name)
	}
	a := &old.Core.Actions[0]
	want := []string{"reason " + a.Address, a.Changes[0].Attribute.String() + " " + a.Address +
		" comes from", "what is used"}
	if !got.contextOnly() || !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}

// A field of an action that diff does not know would be approved unseen.
func TestDiffKnowsEveryFieldOfAnAction(t *testing.T) {
	other := planner.Action{Address: "/x", Kind: planner.Archive, Target: planner.TargetUser,
		System: "x", Storage: "x", Inode: 7, Parents: []string{"x"},
		Quota: &planner.QuotaID{By: planner.ByProject, ID: 7},
		Changes: []planner.Change{plantest.Change(planner.Owner, plantest.Num(1),
			plantest.Num(2))}, Order: "x",
		Callbacks: []planner.Callback{planner.Reject}, Verdict: "x", Folder: "x",
		Retention: time.Hour, Freeze: true, Unlimit: true, Handle: "x", Tag: true, From: "x",
		Danger: []planner.Danger{planner.DangerGroup}}
	fields := reflect.TypeFor[planner.Action]()
	for i := range fields.NumField() {
		old, latest := plantest.Base(), plantest.Base()
		old.Core.Actions, latest.Core.Actions = []planner.Action{{}}, []planner.Action{{}}
		value := reflect.ValueOf(other).Field(i)
		if fields.Field(i).Name == "Key" {
			continue // what actions are paired by
		}
		if value.IsZero() {
			t.Fatalf("this test does not know the field %s", fields.Field(i).Name)
		}
		reflect.ValueOf(&latest.Core.Actions[0]).Elem().Field(i).Set(value)
		latest.Context.Details, old.Context.Details = make([]planner.Detail, 1),
			make([]planner.Detail, 1)
		latest.Context.Details[0].Notes = make([]planner.ChangeNote,
			len(latest.Core.Actions[0].Changes))
		if d := Diff(old, latest); len(d.Changed) != 1 {
			t.Errorf("another %s is not seen", fields.Field(i).Name)
		}
	}
}

func TestMarked(t *testing.T) {
	for _, c := range [][3]string{
		{"the proxy gives group id 0, too low", "the proxy gives group id 7, too low",
			"the proxy gives group id [-0-]{+7+}, too low"},
		{"something else altogether here", "nothing at all like before",
			"something else altogether here -> nothing at all like before"},
	} {
		if got := marked(c[0], c[1]); got != c[2] {
			t.Errorf("%s", got)
		}
	}
}
