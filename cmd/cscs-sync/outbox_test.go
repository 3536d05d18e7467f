package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// waiting is what `callbacks list` shows.
func (s *service) waiting() (list []ledger.Delivery) {
	s.t.Helper()
	s.check(json.Unmarshal([]byte(s.ok("callbacks", "list", "--json")), &list))
	return list
}

// approved makes an approved plan of everything.
func (s *service) approved(name string) {
	s.t.Helper()
	s.ok("plan", "--out", name)
	s.ok("approve", name)
}

// reporting has quotas reported as options.
func (s *service) reporting() {
	s.edit("waldur {", "waldur {\n  report_quotas = true")
}

// growing is one active resource with an order for more.
func growing(s *service) {
	s.active("grow", 30601)
	s.settle()
	s.grow(2)
}

func (s *service) grow(tera int) waldursim.OrderView {
	s.t.Helper()
	o, err := s.sim.UpdateResource("capstor-grow-store", waldursim.UpdateSpec{Limits: map[string]any{"storage": tera}})
	s.check(err)
	return o
}

func (s *service) options() string {
	s.t.Helper()
	r, err := s.sim.Resource("capstor-grow-store")
	s.check(err)
	return fmt.Sprint(r.Options)
}

// unchanged is a fault that answers 200 and does nothing.
func unchanged(path string, times int) waldursim.Fault {
	return waldursim.Fault{Method: "POST", Path: path, Kind: waldursim.FaultStatus, Status: 200, Body: "{}", Count: times}
}

// wantOrderly wants the callbacks of each resource to have taken effect in the order that Waldur needs.
func (s *service) wantOrderly() {
	s.t.Helper()
	of := map[string]string{}
	for _, r := range s.sim.State() {
		of[strings.ReplaceAll(r.UUID, "-", "")] = r.Slug
		for _, o := range r.Orders {
			of[o.UUID] = r.Slug
		}
	}
	rank := map[string]int{"approve_by_provider": 1, "set_backend_id": 2, "update_options_direct": 2, "set_state_done": 3}
	last := map[string]int{}
	for _, q := range s.sim.Requests() {
		parts := strings.Split(strings.Trim(q.Path, "/"), "/")
		if !q.Callback || !q.TookEffect || len(parts) != 4 {
			continue
		}
		slug, ok := of[strings.ReplaceAll(parts[2], "-", "")]
		if now := rank[parts[3]]; !ok || now > 0 && now < last[slug] {
			s.t.Errorf("%s of %s took effect after what has to follow it", parts[3], slug)
		} else {
			last[slug] = max(now, last[slug])
		}
	}
}

// wantSaid wants an empty outbox, or exit code 4 with words.
func (s *service) wantSaid(what string, code int, out string) {
	s.t.Helper()
	if left := s.waiting(); len(left) > 0 && (code != exitPartial || !strings.Contains(out, "callbacks list")) {
		s.t.Errorf("%s: exit %d with %d callbacks in the outbox:\n%s", what, code, len(left), out)
	}
}

// resumption is a way in which what a kill left is taken up, before the plan is applied again.
type resumption struct {
	name  string
	first func(*service)
	// loses reports whether a person gave callbacks up.
	loses bool
}

func resumptions() []resumption {
	return []resumption{
		{name: "apply", first: func(*service) {}},
		{name: "callbacks retry", first: func(s *service) { s.ok("callbacks", "retry") }},
		{name: "run --once", first: func(s *service) { s.here("run", "--once") }},
		{name: "one retried", first: func(s *service) {
			if left := s.waiting(); len(left) > 0 {
				s.ok("callbacks", "retry", fmt.Sprint(left[0].Seq))
			}
		}},
		{name: "last one dropped", loses: true, first: func(s *service) {
			if left := s.waiting(); len(left) > 0 {
				s.ok("callbacks", "drop", "--reason", "closed by hand", fmt.Sprint(left[len(left)-1].Seq))
			}
		}},
	}
}

// TestOutboxAfterAKill kills an apply at each point between queue, send, answer and note, for each kind of action. However
// it is taken up, two applies later each callback took effect once, in order, and nothing waits in silence.
func TestOutboxAfterAKill(t *testing.T) {
	verdict := func(state waldursim.OrderState) func(*service) {
		return func(s *service) {
			s.create("a", 30501)
			r, err := s.sim.Resource("capstor-a-store")
			s.check(err)
			_, err = s.sim.SetOrderState(r.Orders[0].UUID, state)
			s.check(err)
		}
	}
	scenes := []killScene{
		{name: "create", prepare: func(s *service) { s.create("a", 30501) }},
		{name: "create, approve without effect", prepare: func(s *service) { s.create("a", 30501) },
			faults: []waldursim.Fault{unchanged("approve_by_provider", 1)}},
		{name: "create, done without effect", prepare: func(s *service) { s.create("a", 30501) },
			faults: []waldursim.Fault{unchanged("set_state_done", 1)}},
		{name: "create, token refused", prepare: func(s *service) { s.create("a", 30501) },
			faults: []waldursim.Fault{{Method: "POST", Path: "set_backend_id", Kind: waldursim.FaultStatus, Status: 401, Count: 1}}},
		{name: "create, answers lost", prepare: func(s *service) { s.create("a", 30501) },
			faults: []waldursim.Fault{{Path: "approve_by_provider", Kind: waldursim.FaultLost}, {Path: "set_state_done", Kind: waldursim.FaultTruncate}}},
		{name: "create, 404 once", prepare: func(s *service) { s.create("a", 30501) },
			faults: []waldursim.Fault{{Method: "POST", Path: "set_state_done", Kind: waldursim.FaultStatus, Status: 404, Count: 1}}},
		{name: "create, Basic", prepare: func(s *service) { s.basic(); s.create("a", 30501) }},
		{name: "limits, reported", prepare: func(s *service) { s.reporting(); growing(s) }},
		{name: "options", prepare: func(s *service) {
			s.active("grow", 30601)
			s.settle()
			_, err := s.sim.UpdateResource("capstor-grow-store", waldursim.UpdateSpec{Options: map[string]any{"hard_quota_space": 3}})
			s.check(err)
		}},
		{name: "archive", prepare: func(s *service) { s.active("old", 30602); s.settle(); s.terminate("old") }},
		{name: "reject", prepare: verdict(waldursim.PendingProvider), plan: []string{"plan", "--reject", "/capstor/store/cscs/eth/a=no room"}},
		{name: "fail", prepare: verdict(waldursim.Executing), plan: []string{"plan", "--fail", "/capstor/store/cscs/eth/a=no room"}},
		{name: "report", prepare: func(s *service) {
			s.create("a", 30501)
			s.approved("first.plan")
			s.check(s.sim.Inject(unchanged("approve_by_provider", -1)))
			s.here("apply", "first.plan")
			s.sim.ClearFaults()
			for _, d := range s.waiting()[:1] {
				s.ok("callbacks", "drop", "--reason", "to report it again", fmt.Sprint(d.Seq))
			}
		}},
	}
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) { scene.killAtCallbacks(t) })
	}
}

// killAtCallbacks kills at each point of a scene that has to do with callbacks, and takes up what that left: in one way after
// the other, or with CSCS_TEST_LONG in every way.
func (k killScene) killAtCallbacks(t *testing.T) {
	whole := k.site(t)
	file := filepath.Join(whole.dir, "points")
	whole.inject(k)
	whole.applyUntilDone([]string{"CSCS_TEST_POINTS=" + file})
	whole.wantOrderly()
	want := whole.ending().waldur
	data, err := os.ReadFile(file)
	whole.check(err)
	killed := 0
	for i, point := range strings.Fields(strings.ReplaceAll(string(data), " ", "_")) {
		if !slices.Contains([]string{"record_written", "callback", "answer", "callback_noted"}, point) {
			continue
		}
		killed++
		if slowdown > 1 && killed%5 != 1 {
			continue // all points are for the run without the race detector
		}
		all := resumptions()
		if os.Getenv("CSCS_TEST_LONG") == "" {
			all = all[(killed+killed/len(all))%len(all):][:1]
		}
		for _, r := range all {
			t.Run(fmt.Sprintf("%s %d, %s", point, i+1, r.name), func(t *testing.T) { k.killAtCallback(t, i+1, r, want) })
		}
	}
	if killed < 4 {
		t.Errorf("killed at %d points only", killed)
	}
}

func (k killScene) killAtCallback(t *testing.T, at int, r resumption, want string) {
	t.Parallel()
	s := k.site(t)
	s.inject(k)
	cmd := s.fixed([]string{fmt.Sprint("CSCS_TEST_KILL=", at)}, "apply", "--parallelism", "1", "p.plan")
	if err := cmd.Run(); err == nil || !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Fatalf("it was not killed: %v", err)
	}
	s.sim.ClearFaults()
	before := len(s.waiting())
	r.first(s)
	for _, what := range []string{"the first resume", "the second"} {
		code, out := s.here("apply", "--parallelism", "1", "p.plan")
		_, _ = s.Write([]byte(out))
		if used := strings.Contains(out, "was already applied"); code != exitDone && code != exitPartial && !used {
			t.Fatalf("%s: exit %d\n%s", what, code, out)
		} else if !used {
			s.wantSaid(what, code, out)
		}
		if strings.Contains(out, "not found") {
			t.Errorf("%s: %s", what, out)
		}
	}
	s.wantOrderly()
	if left := s.waiting(); len(left) > 0 {
		t.Errorf("%d callbacks wait: %+v\n%s", len(left), left, s.log())
	}
	for call, n := range s.effective() {
		if n != 1 {
			t.Errorf("%s took effect %d times", call, n)
		}
	}
	if got := s.ending().waldur; got != want && !(r.loses && before > 0) {
		t.Errorf("Waldur ends as\n%s\nwant\n%s\n%s", got, want, s.log())
	}
}

// TestCanceledAfterAKill: an apply is killed between queue and note, then the customer cancels. What is left can have no
// effect: it goes, recorded and said, whoever comes first.
func TestCanceledAfterAKill(t *testing.T) {
	k := killScene{prepare: func(s *service) { s.create("a", 30501) }}
	whole := k.site(t)
	file := filepath.Join(whole.dir, "points")
	whole.applyUntilDone([]string{"CSCS_TEST_POINTS=" + file})
	data, err := os.ReadFile(file)
	whole.check(err)
	points := strings.Split(strings.TrimSpace(string(data)), "\n")
	queued := len(points) - slices.Index(reversed(points), "record written")
	for at := queued; at < len(points)-1; at++ { // before the last answer
		for _, how := range [][]string{{"apply", "p.plan"}, {"callbacks", "retry"}, {"run", "--once"}} {
			t.Run(fmt.Sprintf("%s %d, %s", points[at-1], at, how[0]), func(t *testing.T) {
				t.Parallel()
				s := k.site(t)
				_ = s.fixed([]string{fmt.Sprint("CSCS_TEST_KILL=", at)}, "apply", "--parallelism", "1", "p.plan").Run()
				left := len(s.waiting())
				_, err := s.sim.SetOrderState(s.lastOrder("capstor-a-store").UUID, waldursim.Canceled)
				s.check(err)
				s.sim.ClearRequests()
				code, out := s.here(slices.Clone(how)...)
				if left == 0 || how[0] == "apply" && (code != exitPartial || !strings.Contains(out, "its order is canceled")) {
					t.Errorf("%d waited; exit %d\n%s", left, code, out)
				}
				if now := s.waiting(); len(now) > 0 || !strings.Contains(s.ok("state", "history"), "its order is canceled") {
					t.Errorf("in the outbox: %+v\n%s", now, out)
				}
				for call := range s.effective() {
					t.Errorf("%s took effect", call)
				}
			})
		}
	}
}

// TestApproveWithoutEffect: Waldur answers 200 and leaves the order as it is. Once: the same apply approves again. For ever:
// it is parked with words and nothing after it is sent. A drop names what it takes along, and the next plan starts over.
func TestApproveWithoutEffect(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("once", 31000)
	s.approved("once.plan")
	s.check(s.sim.Inject(unchanged("approve_by_provider", 1)))
	s.ok("apply", "once.plan")

	s.create("never", 31001)
	s.approved("p.plan")
	s.sim.ClearRequests()
	s.check(s.sim.Inject(unchanged("approve_by_provider", -1)))
	code, out := s.here("apply", "p.plan")
	if code != exitPartial || !strings.Contains(out, "1 done but not reported") || !strings.Contains(out, "its order is still pending-provider") {
		t.Errorf("exit %d\n%s", code, out)
	}
	for range 3 {
		if code, out = s.here("callbacks", "retry"); code != exitPartial {
			t.Fatalf("exit %d\n%s", code, out)
		}
	}
	left := s.waiting()
	if len(left) != 3 || !left[0].Parked || !strings.Contains(left[0].Problem, "pending-provider after 4 rounds of tries") {
		t.Fatalf("%+v", left)
	}
	for _, q := range s.sim.Requests() {
		if strings.Contains(q.Path, "set_state_done") {
			t.Errorf("sent before the approve: %+v", q)
		}
	}
	s.sim.ClearFaults()
	out = s.ok("callbacks", "drop", "--reason", "start over", fmt.Sprint(left[0].Seq))
	if strings.Count(out, "is given up too") != 2 || len(s.waiting()) != 0 {
		t.Errorf("the drop says\n%s", out)
	}
	s.approved("again.plan")
	s.ok("apply", "again.plan")
	if got := fmt.Sprint(s.effects()); got != "map[approve_by_provider:1 set_backend_id:1 set_state_done:1]" {
		t.Errorf("took effect: %s", got)
	}
}

// TestCanceledOnTheWay: the customer cancels while a callback is sent. It is dropped, recorded and said; the resource's next
// order is carried out and reported as ever.
func TestCanceledOnTheWay(t *testing.T) {
	for _, at := range []string{"approve_by_provider", "set_state_done"} {
		t.Run(at, func(t *testing.T) {
			s := newService(t, "")
			if at == "approve_by_provider" { // what was reported before the end is pinned
				s.reporting()
			}
			growing(s)
			s.approved("p.plan")
			s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: at, Kind: waldursim.FaultCancel}))
			code, out := s.here("apply", "p.plan")
			if code != exitPartial || !strings.Contains(out, "canceled; dropped it") || !strings.Contains(out, "1 done but not reported") {
				t.Errorf("exit %d\n%s", code, out)
			}
			if left := s.waiting(); len(left) != 0 {
				t.Errorf("left in the outbox: %+v", left)
			}
			if strings.Contains(out, "callbacks list") || strings.Count(out, "tell Waldur") != 1 {
				t.Errorf("it names a list that is empty, or says more than once that the order is over:\n%s", out)
			}
			if history := s.ok("state", "history"); !strings.Contains(history, "canceled") {
				t.Errorf("the history says nothing:\n%s", history)
			}
			o := s.grow(4)
			s.approved("next.plan")
			s.ok("apply", "next.plan")
			if o, err := s.sim.Order(o.UUID); err != nil || o.State != waldursim.Done {
				t.Errorf("the next order is %s, %v", o.State, err)
			}
		})
	}
}

// TestParkedHoldsBackItsOwn: a callback that is parked for an order that was cancelled since holds back no later order, and
// goes with the next apply of its resource.
func TestParkedHoldsBackItsOwn(t *testing.T) {
	s := newService(t, "")
	first := func() waldursim.OrderView { s.active("grow", 30601); s.settle(); return s.grow(2) }()
	s.approved("p.plan")
	s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: "approve_by_provider", Kind: waldursim.FaultStatus, Status: 400, Body: `["Offering is unavailable."]`}))
	if code, out := s.here("apply", "p.plan"); code != exitPartial || !strings.Contains(out, "it is parked") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	_, err := s.sim.SetOrderState(first.UUID, waldursim.Canceled)
	s.check(err)
	o := s.grow(3)
	s.approved("next.plan")
	s.ok("apply", "next.plan")
	if o, err := s.sim.Order(o.UUID); err != nil || o.State != waldursim.Done || len(s.waiting()) != 0 {
		t.Errorf("the next order is %s, %v; %+v", o.State, err, s.waiting())
	}
}

// TestOldOutbox: the state is put back from a backup, with callbacks of an order that was done long ago. Nothing of it
// replaces what is newer.
func TestOldOutbox(t *testing.T) {
	for _, how := range [][]string{{"callbacks", "retry"}, {"run", "--once"}} {
		t.Run(strings.Join(how, " "), func(t *testing.T) {
			s := newService(t, "")
			s.reporting()
			growing(s)
			s.create("a", 30501)
			s.approved("p.plan")
			s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: "/api/marketplace", Kind: waldursim.FaultStatus, Status: 500, Count: -1}))
			if code, out := s.here("apply", "p.plan"); code != exitPartial {
				t.Fatalf("exit %d\n%s", code, out)
			}
			s.sim.ClearFaults()
			backup := filepath.Join(s.dir, "backup")
			copyTree(t, filepath.Join(s.dir, "state"), backup)
			s.ok("callbacks", "retry")
			s.grow(5)
			r, err := s.sim.Resource("capstor-grow-store")
			s.check(err)
			_, err = s.sim.SetOrderState(r.Orders[len(r.Orders)-1].UUID, waldursim.Done)
			s.check(err)
			id, moved := "capstor-grow-store", "/capstor/store/cscs/eth/moved"
			_, err = s.sim.ChangeResource(id, waldursim.ResourceChange{Options: map[string]any{"hard_quota_space": 5}})
			s.check(err)
			_, err = s.sim.ChangeResource("capstor-a-store", waldursim.ResourceChange{BackendID: &moved})
			s.check(err)

			s.check(os.RemoveAll(filepath.Join(s.dir, "state")))
			copyTree(t, backup, filepath.Join(s.dir, "state"))
			s.sim.ClearRequests()
			s.passed += 2 * time.Hour
			s.here(how...)
			if got := s.options(); !strings.Contains(got, "hard_quota_space:5") {
				t.Errorf("the options are %s now", got)
			}
			if a, err := s.sim.Resource("capstor-a-store"); err != nil || a.BackendID != moved {
				t.Errorf("the backend id is %s now, %v", a.BackendID, err)
			}
			for call, n := range s.effective() {
				t.Errorf("%s took effect %d times", call, n)
			}
			if left := s.waiting(); len(left) != 0 {
				t.Errorf("left in the outbox: %+v", left)
			}
			if history := s.ok("state", "history"); !strings.Contains(history, "now has another value") {
				t.Errorf("the history says nothing:\n%s", history)
			}
		})
	}
}

func reversed(list []string) []string {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// copyTree copies a folder with all owners and modes.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
