package held_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// batch is a state with nothing but documents and a history.
type batch struct {
	ledger.Tx
	files   map[string]string
	now     time.Time
	history []ledger.Entry
}

func (b *batch) Now() time.Time { return b.now }

func (b *batch) File(name string) ([]byte, bool, error) {
	data, found := b.files[name]
	return []byte(data), found, nil
}

func (b *batch) PutFile(name string, data []byte) error {
	b.files[name] = string(data)
	return nil
}

func (b *batch) DeleteFile(name string) (existed bool, err error) {
	_, existed = b.files[name]
	delete(b.files, name)
	return existed, nil
}

func (b *batch) EachFile(prefix string, f func(name string, data []byte) error) error {
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if err := f(name, []byte(b.files[name])); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) AppendHistory(e ledger.Entry) (string, error) {
	b.history = append(b.history, e)
	return "", nil
}

// newBatch is a state that holds plans, with a note that a person was told of each.
func newBatch(t *testing.T, plans ...*planner.Plan) *batch {
	t.Helper()
	b := &batch{files: map[string]string{}, now: plantest.Made()}
	for _, p := range plans {
		data, err := planfile.Marshal(p, render.Options{})
		if err != nil {
			t.Fatal(err)
		}
		stem := path.Join(held.Folder, canonical.ShortID(canonical.ID(p.Core)))
		b.files[stem+".plan"], b.files[stem+".webhook.told"] = string(data), ""
	}
	return b
}

// two are plans of different days.
func two() (older, newer *planner.Plan) {
	older, newer = plantest.Base(), plantest.Base()
	plantest.AddCreate(older, "/capstor/store/cscs/eth/a", 1)
	plantest.AddArchive(newer)
	newer.Context.Made = older.Context.Made.Add(24 * time.Hour)
	return older, newer
}

var anna = ledger.Person{Who: "anna", Host: "mgmt1"}

func waiting(t *testing.T, b *batch) (plans []held.Plan, unusable []held.Unusable) {
	t.Helper()
	plans, unusable, err := held.Waiting(b, "/state")
	if err != nil {
		t.Fatal(err)
	}
	return plans, unusable
}

// TestWaiting lists the newest plan first, with what people need to know of it.
func TestWaiting(t *testing.T) {
	older, newer := two()
	plans, unusable := waiting(t, newBatch(t, older, newer))
	if len(plans) != 2 || len(unusable) != 0 || plans[0].ID != canonical.ID(newer.Core) {
		t.Fatalf("%d plans, %d unusable, the first is %+v", len(plans), len(unusable), plans)
	}
	if p := plans[1]; p.Summary != "1 to create" || p.Addresses[0] != "/capstor/store/cscs/eth/a" ||
		p.File != "/state/pending/"+canonical.ShortID(p.ID)+".plan" {
		t.Errorf("the older plan: %+v", p)
	}
	if p := plans[0]; !slices.Contains(p.Danger, planner.DangerArchive) {
		t.Errorf("the newer plan has the dangers %q", p.Danger)
	}
}

// TestFind takes a name, an id, and enough digits of one id.
func TestFind(t *testing.T) {
	older, newer := two()
	plans, _ := waiting(t, newBatch(t, older, newer))
	digits := strings.TrimPrefix(plans[1].ID, "sha256:")
	for ref, ok := range map[string]bool{plans[1].Name: true, plans[1].ID: true, digits[:4]: true,
		held.Prefix + digits[:12]: true, digits[:3]: false, "": false, "nothing": false} {
		p, err := held.Find(ref, plans)
		if (err == nil) != ok || ok && p.ID != plans[1].ID {
			t.Errorf("%q means %q: %v", ref, p.Name, err)
		}
	}
	if _, err := held.Find(digits[:4], append(plans, plans[1])); err == nil ||
		!strings.Contains(err.Error(), "means 2 held plans") {
		t.Errorf("digits of two plans: %v", err)
	}
}

// TestReject removes a plan with what was noted of it, and remembers the rejection until somebody
// takes it back, or until it is old and nothing would hold the plan any more.
func TestReject(t *testing.T) {
	older, newer := two()
	b := newBatch(t, older, newer)
	id := canonical.ID(older.Core)
	if _, err := held.Reject(b, id, "not now", anna); err != nil {
		t.Fatal(err)
	}
	if plans, _ := waiting(t, b); len(plans) != 1 || len(b.files) != 3 {
		t.Errorf("%d plans are left, and %d files", len(plans), len(b.files))
	}
	isRejected := func(want bool) {
		t.Helper()
		if is, err := held.IsRejected(b, id); err != nil || is != want {
			t.Errorf("rejected: %t, want %t (%v)", is, want, err)
		}
	}
	isRejected(true)
	if e := b.history[0]; e.Event != "reject" || e.Plan != id || e.Who != "anna" ||
		!strings.HasSuffix(e.Text, "rejected: not now") {
		t.Errorf("the history has %+v", e)
	}
	b.now = b.now.Add(7 * 24 * time.Hour)
	if err := held.Forget(b, map[string]bool{id: true}, anna); err != nil {
		t.Fatal(err)
	}
	isRejected(true) // something would hold it
	if err := held.Forget(b, nil, anna); err != nil {
		t.Fatal(err)
	}
	isRejected(false)
	if len(b.history) != 2 {
		t.Errorf("the history: %+v", b.history)
	}
}

// TestUnreject takes a rejection back by the digits of the plan.
func TestUnreject(t *testing.T) {
	older, _ := two()
	b := newBatch(t, older)
	if _, err := held.Reject(b, canonical.ID(older.Core), "", anna); err != nil {
		t.Fatal(err)
	}
	if _, err := held.Unreject(b, canonical.ShortID(canonical.ID(older.Core)), anna); err != nil {
		t.Fatal(err)
	}
	if len(b.files) != 0 {
		t.Errorf("left: %v", slices.Collect(maps.Keys(b.files)))
	}
}

// TestRemoveUnusable removes only what nobody can use, and only by the name of its file.
func TestRemoveUnusable(t *testing.T) {
	older, newer := two()
	b := newBatch(t, older, newer)
	bad := canonical.ShortID(canonical.ID(older.Core)) + ".plan"
	good := canonical.ShortID(canonical.ID(newer.Core)) + ".plan"
	b.files[path.Join(held.Folder, bad)] = "cscs-sync plan v99\n"
	if _, unusable := waiting(t, b); len(unusable) != 1 {
		t.Fatalf("unusable: %+v", unusable)
	}
	for _, name := range []string{good, strings.TrimSuffix(bad, ".plan"), "../" + bad, ""} {
		if removed, err := held.RemoveUnusable(b, name, "", anna); removed || err != nil {
			t.Errorf("%q: removed %t, %v", name, removed, err)
		}
	}
	if removed, err := held.RemoveUnusable(b, bad, "damaged", anna); !removed || err != nil {
		t.Errorf("removed %t, %v", removed, err)
	}
	if len(b.files) != 2 || len(b.history) != 1 || !strings.HasSuffix(b.history[0].Text, ": damaged") {
		t.Errorf("%d files are left; the history: %+v", len(b.files), b.history)
	}
}
