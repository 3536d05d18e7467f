package feedback

import (
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/reason"
)

var now = time.Date(2026, 11, 22, 21, 40, 0, 0, time.UTC)

const id = "03db262c12205903b33a624a77eae6c8"

func TestAmount(t *testing.T) {
	const tera = planner.Bytes(1 << 40)
	for n, want := range map[planner.Bytes]string{0: "0.00", tera: "1.00", tera / 2: "0.50",
		tera / 1000: "0.00", tera / 100: "0.01", tera*12 + tera/4: "12.25", 1<<64 - 1: "16777216.00"} {
		if got := amount(n, tera); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	if got := amount(15e11, 1e12); got != "1.50" {
		t.Errorf("in TB: %s", got)
	}
}

// TestUsages: only usage of one resource alone is reported, and only if Waldur takes it.
func TestUsages(t *testing.T) {
	state := func(known bool) *planner.QuotaState {
		if !known {
			return &planner.QuotaState{}
		}
		return &planner.QuotaState{Space: planner.UsageOf(planner.Bytes(1 << 40))}
	}
	key := func(n string) planner.Key { return planner.Key{Item: id[:31] + n, System: "cap"} }
	view := func(n string, s planner.Status, target planner.Target) planner.View {
		return planner.View{Key: key(n), Address: "/" + n, Status: s, Target: target, Managed: true}
	}
	p := planner.TargetProject
	views := []planner.View{view("1", planner.StatusActive, p), view("2", planner.StatusPending, p),
		view("3", planner.StatusActive, p), view("4", planner.StatusActive, p),
		view("5", planner.StatusActive, p), view("6", planner.StatusRemoving, p),
		view("7", planner.StatusActive, planner.TargetTenant), view("8", planner.StatusError, p)}
	quotas := []planner.QuotaView{
		{Keys: []planner.Key{key("3"), key("4")}, State: state(true)},
		{Keys: []planner.Key{key("5")}, State: state(false)}}
	for _, n := range []string{"1", "2", "6", "7", "8"} {
		quotas = append(quotas, planner.QuotaView{Keys: []planner.Key{key(n)}, State: state(true)})
	}
	got := Usages(views, quotas, 1<<40, now)
	if len(got) != 2 || got[0].Address != "/1" || got[1].Address != "/6" ||
		got[0].Says != "1.00" || got[0].Period != "2026-11" {
		t.Errorf("%+v", got)
	}
	want := `{"resource":"` + got[0].ID + `","usages":[{"amount":"1.00","type":"storage"}]}`
	if string(got[0].Body()) != want {
		t.Errorf("%s", got[0].Body())
	}
}

// TestMemory: a note is not sent again until it changes, the month changes, or it is not known
// whether Waldur took it.
func TestMemory(t *testing.T) {
	m := Reported{}
	n := Note{Usage, id, "/x", "1.00", "2026-11"}
	due := func(n Note, at time.Time) bool { return len(m.Due([]Note{n}, at)) == 1 }
	if !due(n, now) {
		t.Fatal("what was never told is not due")
	}
	m.Took(n)
	other, month := n, n
	other.Says, month.Period = "2.00", "2026-12"
	if due(n, now) || !due(other, now) || !due(month, now) {
		t.Error("it is not the change that is due")
	}
	m.Failed(other, "no answer", false, 0, now)
	if due(other, now.Add(time.Minute)) || !due(other, now.Add(3*time.Minute)) {
		t.Error("what failed does not wait two minutes")
	}
	if !due(n, now.Add(3*time.Minute)) {
		t.Error("the amount of before is not told again although another may have been taken")
	}
	m.Took(n)
	m.Failed(other, "400", true, 0, now)
	if due(other, now.Add(23*time.Hour)) || !due(other, now.Add(25*time.Hour)) {
		t.Error("what was refused does not wait a day")
	}
	if due(n, now.Add(25*time.Hour)) {
		t.Error("what was refused counts as if it had been taken")
	}
	if !due(other, now.Add(-48*time.Hour)) {
		t.Error("a clock that was ahead keeps it waiting")
	}
	m.Forget(Usage, nil)
	if len(m) != 0 {
		t.Errorf("a resource that is gone is remembered: %v", m)
	}
}

// TestMessageIsTakenBack: an empty message is sent only if there was a message before, or may have
// been.
func TestMessageIsTakenBack(t *testing.T) {
	m := Reported{}
	none, held := Note{Message, id, "/x", "", ""}, Note{Message, id, "/x", HeldMessage, ""}
	if len(m.Due([]Note{none}, now)) != 0 {
		t.Error("nothing is told to an order that nothing was told")
	}
	m.Failed(held, "no answer", false, 0, now)
	if len(m.Due([]Note{none}, now.Add(time.Hour))) != 1 {
		t.Error("a message that may have been taken is not taken back")
	}
	m.Took(held)
	if len(m.Due([]Note{none}, now)) != 1 {
		t.Error("a message is not taken back")
	}
	m.Took(none)
	if len(m) != 0 {
		t.Errorf("%v", m)
	}
	m.Failed(held, "409", true, 0, now)
	if len(m.Due([]Note{none}, now.Add(25*time.Hour))) != 0 {
		t.Error("a message that was refused is taken back")
	}
}

// TestMessagesSayNothingOfTheSite: whatever the reason is, the message is one of a few sentences.
func TestMessagesSayNothingOfTheSite(t *testing.T) {
	said := map[string]bool{}
	for _, info := range reason.All() {
		said[Blocked(info.Code)] = true
	}
	if len(said) > 7 {
		t.Errorf("%d messages", len(said))
	}
}
