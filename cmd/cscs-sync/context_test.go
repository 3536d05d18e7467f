package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// edit changes one place of a context; it reports false when there is no such change.
type edit struct {
	place string
	apply func(*planner.Context) bool
}

// editWords are tried where a member takes only some.
var editWords = []string{"edited", "default", "override", "mode", "space_hard", "approve", "capstor", "zzz"}

// edits are all changes that reflection finds in a context: each member of each list, map or structure, with several values; a
// list without its last element, and one with one more.
func edits(v reflect.Value, place string, at func(*planner.Context) reflect.Value) (list []edit) {
	set := func(name string, change func(reflect.Value) bool) {
		list = append(list, edit{place + " " + name, func(c *planner.Context) bool { return change(at(c)) }})
	}
	switch {
	case v.Type() == reflect.TypeFor[planner.Value]():
		for _, other := range []planner.Value{planner.Number(7), planner.UnlimitedValue(), planner.ModeValue(0o700), {}} {
			set(fmt.Sprint("is ", other), func(x reflect.Value) bool { x.Set(reflect.ValueOf(other)); return true })
		}
	case v.Type() == reflect.TypeFor[planner.Limit]():
		for _, other := range []planner.Limit{planner.LimitOf(planner.Bytes(7)), planner.Unlimited(), {}} {
			set(fmt.Sprint("is ", other.Value()), func(x reflect.Value) bool { x.Set(reflect.ValueOf(other)); return true })
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			list = append(list, edits(v.Index(i), fmt.Sprintf("%s[%d]", place, i),
				func(c *planner.Context) reflect.Value { return at(c).Index(i) })...)
		}
	case v.Type() == reflect.TypeFor[time.Time]():
		for _, d := range []time.Duration{-10 * 365 * 24 * time.Hour, -24 * time.Hour, time.Minute, 10 * 365 * 24 * time.Hour} {
			set(fmt.Sprint("moves by ", d), func(x reflect.Value) bool {
				x.Set(reflect.ValueOf(x.Interface().(time.Time).Add(d)))
				return true
			})
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			list = append(list, edits(v.Field(i), place+"."+v.Type().Field(i).Name,
				func(c *planner.Context) reflect.Value { return at(c).Field(i) })...)
		}
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			set("is there", func(x reflect.Value) bool { x.Set(reflect.New(x.Type().Elem())); return true })
			return list
		}
		set("is gone", func(x reflect.Value) bool { x.SetZero(); return true })
		list = append(list, edits(v.Elem(), place, func(c *planner.Context) reflect.Value { return at(c).Elem() })...)
	case v.Kind() == reflect.Slice:
		set("has one more", func(x reflect.Value) bool { x.Set(reflect.Append(x, filled(x.Type().Elem()))); return true })
		for i := range v.Len() {
			list = append(list, edits(v.Index(i), fmt.Sprintf("%s[%d]", place, i),
				func(c *planner.Context) reflect.Value { return at(c).Index(i) })...)
		}
		set("has one less", func(x reflect.Value) bool {
			if x.Len() == 0 {
				return false
			}
			x.Set(x.Slice(0, x.Len()-1))
			return true
		})
	case v.Kind() == reflect.String:
		for _, w := range editWords {
			set("is "+w, func(x reflect.Value) bool { x.SetString(w); return true })
		}
	case v.Kind() == reflect.Bool:
		set("is the other", func(x reflect.Value) bool { x.SetBool(!x.Bool()); return true })
	case v.CanInt():
		for _, d := range []int64{1, -1, int64(24 * time.Hour)} {
			set(fmt.Sprint("changes by ", d), func(x reflect.Value) bool { x.SetInt(x.Int() + d); return true })
		}
	case v.CanUint():
		for _, n := range []uint64{0, 1, 1 << 40} {
			set(fmt.Sprint("is ", n), func(x reflect.Value) bool { x.SetUint(n); return true })
		}
	default:
		panic("context_test.go can't change a " + v.Type().String() + " at " + place)
	}
	return list
}

// filled is a value with something in every member.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == reflect.TypeFor[planner.Value]():
		v.Set(reflect.ValueOf(planner.Number(7)))
	case t == reflect.TypeFor[planner.Limit]():
		v.Set(reflect.ValueOf(planner.LimitOf(planner.Bytes(7))))
	case t.Kind() == reflect.Array:
		for i := range v.Len() {
			v.Index(i).Set(filled(t.Elem()))
		}
	case t == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(testTime))
	case t == reflect.TypeFor[planner.Callback]():
		v.SetString(string(planner.Approve))
	case t == reflect.TypeFor[planner.Attribute]():
		v.SetUint(uint64(planner.SpaceHard))
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).Type.Kind() != reflect.Bool && t.Field(i).IsExported() {
				v.Field(i).Set(filled(t.Field(i).Type))
			}
		}
	case t.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, filled(t.Elem())))
		if t.Elem() == reflect.TypeFor[planner.Contribution]() { // one alone shares nothing
			v.Set(reflect.Append(v, filled(t.Elem())))
		}
	case t.Kind() == reflect.String:
		v.SetString("zzz")
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	}
	return v
}

// decided is what is done with a plan and by whose approval: all that the engine and the ledger get.
func decided(t *testing.T, s *session.Session, plan *planner.Plan, blocks [][]byte) (apply.Job, []ledger.Approval, error) {
	t.Helper()
	p := &engine.Proposal{Plan: plan, ID: canonical.ID(plan.Core), Path: "p.plan", Blocks: blocks}
	e := s.Engine()
	begun, steps, err := e.Begun(p)
	if err != nil {
		return apply.Job{}, nil, err
	}
	approvals, err := e.Judge(p, begun)
	if err != nil {
		return apply.Job{}, nil, err
	}
	job, _, err := e.Prepare(t.Context(), p, engine.Options{}, begun, steps)
	return job, approvals, err
}

// TestTheContextDecidesNothing approves a plan, changes its context in every way that makes a valid plan file, and prepares to
// apply it with that approval. What would be done is what the approved plan does, or the file is refused. Each member of the
// context has to be changed by at least one edit, so a new one is covered too.
func TestTheContextDecidesNothing(t *testing.T) {
	s := newService(t, "")
	changed(s)
	s.create("bio", 30501)
	s.create("low", 5) // blocked
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "uzh", Project: "later", DataType: "store", GID: 30502,
		Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create", State: waldursim.PendingConsumer}})
	s.check(err)
	s.check(os.Chmod(s.real("grow"), 0o700)) // drift
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	data, err := os.ReadFile(filepath.Join(s.dir, "p.plan"))
	s.check(err)
	node := s.inProcess(func() time.Time { return testTime }).s
	parse := func(data []byte) *planfile.File {
		t.Helper()
		file, err := planfile.Parse(data)
		s.check(err)
		return file
	}
	file := parse(data)
	want, approvals, err := decided(t, node, file.Plan, file.Approvals)
	if err != nil || len(want.Work) < 5 {
		t.Fatalf("%d, %v", len(want.Work), err)
	}
	covered := map[string]int{"Renderer": 1, "Counts": 1} // another one is foreign; and these count what the plan has
	context := reflect.ValueOf(&file.Plan.Context).Elem()
	for i, e := range edits(context, "Context", func(c *planner.Context) reflect.Value { return reflect.ValueOf(c).Elem() }) {
		if slowdown > 1 && i%8 != 0 && covered[e.member()] >= 10 {
			continue // all of them without the race detector
		}
		edited := parse(data).Plan
		if !e.apply(&edited.Context) || edited.Context.Renderer != canonical.Renderer {
			continue
		}
		made, err := planfile.Marshal(edited, render.Options{})
		if err != nil || canonical.ContextDigest(edited) == canonical.ContextDigest(file.Plan) {
			continue // no plan file, or the same one
		}
		other := parse(made)
		if canonical.ID(other.Plan.Core) != canonical.ID(file.Plan.Core) {
			t.Fatalf("%s: another id", e.place)
		}
		covered[e.member()]++
		job, by, err := decided(t, node, other.Plan, file.Approvals)
		if exitCode(err) == exitRefused {
			continue
		}
		if err != nil || !reflect.DeepEqual(job, want) || !reflect.DeepEqual(by, approvals) {
			t.Errorf("%s: something else is done: %v", e.place, err)
		}
	}
	for i := range context.NumField() {
		if name := context.Type().Field(i).Name; covered[name] == 0 {
			t.Errorf("no edit of the context's member %s makes a plan file: add one", name)
		}
	}
	if covered["Details"] < 10 {
		t.Errorf("only %d edits of details", covered["Details"])
	}
}

// member is the member of the context that an edit changes.
func (e edit) member() string {
	return regexp.MustCompile(`^Context\.(\w+)`).FindStringSubmatch(e.place)[1]
}

// edited is a plan file with another context, and the approvals that it had.
func (s *service) edited(path string, change func(*planner.Context)) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, path))
	s.check(err)
	file, err := planfile.Parse(data)
	s.check(err)
	change(&file.Plan.Context)
	other, err := planfile.Marshal(file.Plan, render.Options{})
	s.check(err)
	s.check(os.WriteFile(filepath.Join(s.dir, path), slices.Concat(append([][]byte{other}, file.Approvals...)...), 0o600))
}

// TestTheArchiveIsKeptAsApproved: name and date of an archived directory come from the time at which the plan began, whatever
// the context says, and a resumed plan makes the same.
func TestTheArchiveIsKeptAsApproved(t *testing.T) {
	for name, made := range map[string]time.Duration{"as it was": 0, "a year back": -365 * 24 * time.Hour, "a minute ahead": time.Minute} {
		for _, kill := range []string{"", "3"} {
			s := newService(t, "")
			s.active("old", 30602)
			s.settle()
			s.passed += time.Hour
			s.terminate("old")
			s.ok("plan", "--out", "p.plan")
			s.ok("approve", "p.plan")
			s.edited("p.plan", func(c *planner.Context) { c.Made = c.Made.Add(made) })
			s.passed += time.Hour
			if kill != "" {
				if err := s.fixed([]string{"CSCS_TEST_KILL=" + kill}, "apply", "p.plan").Run(); err == nil {
					t.Fatal("not killed")
				}
				s.passed += 26 * time.Hour
			}
			s.ok("apply", "p.plan")
			found, err := filepath.Glob(filepath.Join(s.dir, "mnt/capstor/.trash/20261122T234003Z-*-old"))
			out := s.ok("archive", "list", "--json")
			if err != nil || len(found) != 1 || !strings.Contains(out, "2027-02-20T23:40:03Z") {
				t.Errorf("%s, killed at %q: %v, %v\n%s", name, kill, found, err, out)
			}
		}
	}
}

// TestAnEditedContextDoesNotOvertake: a plan was overtaken by one that was made later. No other context of it runs.
func TestAnEditedContextDoesNotOvertake(t *testing.T) {
	s := newService(t, "")
	s.active("mode", 30611)
	s.active("more", 30612)
	s.settle()
	spoil := func() {
		s.check(os.Chmod(s.real("mode"), 0o700))
		s.check(os.Chmod(s.real("more"), 0o700))
	}
	spoil()
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.passed += time.Hour
	s.ok("plan", "--target", "/capstor/store/cscs/uzh/mode", "--out", "q.plan")
	s.ok("approve", "q.plan")
	s.ok("apply", "q.plan")
	spoil()
	for name, change := range map[string]func(*planner.Context){
		"as it was": func(*planner.Context) {}, "made later": func(c *planner.Context) { c.Made = c.Made.Add(2 * time.Hour) },
		"of a later history": func(c *planner.Context) { c.Ledger = 1 << 40 },
		"both":               func(c *planner.Context) { c.Made, c.Ledger = c.Made.Add(2*time.Hour), 1<<40 },
	} {
		s.edited("p.plan", change)
		code, out := s.here("apply", "p.plan")
		if info, err := os.Stat(s.real("mode")); code != exitRefused || err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: exit %d, %v\n%s", name, code, err, out)
		}
	}
}
