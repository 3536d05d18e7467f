package session

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/explain"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/report"
)

// with has a simulator as the node's proxy and Waldur, with one ordered project below a tenant and a customer.
func (n *node) with() *Session {
	n.Helper()
	sim := waldursim.New(waldursim.Options{})
	_, err := sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "bio",
		DataType: "store", GID: 30500, Limits: map[string]any{"storage": 1},
		Order: &waldursim.OrderSpec{Type: "Create"}})
	n.must(err)
	server := httptest.NewServer(sim)
	n.Cleanup(server.Close)
	n.write("proxy", waldursim.DefaultProxyToken)
	n.write("waldur", waldursim.DefaultWaldurToken)
	text, err := os.ReadFile(n.path("cscs-sync.hcl"))
	n.must(err)
	whole := strings.NewReplacer("http://127.0.0.1:1/api/", server.URL+"/api/",
		"http://127.0.0.1:1/", server.URL+"/api/storage-resources/").Replace(string(text))
	for _, name := range []string{"proxy", "waldur"} {
		whole = strings.Replace(whole, `env("TOKEN")`, `file("`+n.path(name)+`")`, 1)
	}
	n.write("cscs-sync.hcl", whole)
	s, err := Open(n.path("cscs-sync.hcl"), config.Read, n.process)
	n.must(err)
	return s
}

// TestPlanWithoutAProcess: a session plans, reports and explains.
func TestPlanWithoutAProcess(t *testing.T) {
	n := newNode(t, "")
	s := n.with()
	source, err := s.Source(nil)
	n.must(err)
	p, err := s.Engine().Plan(t.Context(), engine.Request{Source: source})
	n.must(err)
	if len(p.Items) != 3 || len(p.Plan.Core.Actions) == 0 {
		t.Fatalf("%d items, plan %+v", len(p.Items), p.Plan.Core)
	}
	in, err := s.ReportInput(p)
	n.must(err)
	if text := string(report.New(in).Text()); !strings.Contains(text, "capstor") {
		t.Errorf("the report says\n%s", text)
	}
	why := &explain.Input{Planned: p, Settings: &s.Config.Settings, Root: s.Config.Storage.Root, Ledger: s.Store,
		Now: s.Process.Now(), Width: 80}
	n.must(why.Recall(s.Store.Files()))
	n.must(why.Read(s.Engine(), s.Store.Files()))
	if why.Trusted || len(why.Policy) != len(p.Plan.Core.Actions) {
		t.Errorf("trusted %v, %d decisions", why.Trusted, len(why.Policy))
	}
	text, err := explain.Listed(t.Context(), why, p.Items[0].MountPath)
	if err != nil || !strings.Contains(text, p.Items[0].MountPath) {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestLoopWithoutAProcess: what the policy does not allow is held; the report, the explanation and the page name the plan.
func TestLoopWithoutAProcess(t *testing.T) {
	n := newNode(t, "run { listen = \"127.0.0.1:9811\" }\n")
	s := n.with()
	l := s.Loop(loop.Options{Once: true}, Supervision{Notify: func(string) {}, Log: s.Process.Log})
	if why := l.Round(t.Context(), loop.LaneAudit); why != loop.AllHeld {
		t.Fatalf("the round ended with %s", why)
	}
	waiting, rejected, err := s.Held()
	n.must(err)
	if len(waiting) != 1 || len(rejected) != 0 || len(s.HeldFiles()) != 1 {
		t.Fatalf("%d wait, %d are rejected, files %q", len(waiting), len(rejected), s.HeldFiles())
	}
	file := s.HeldFiles()[0]
	if _, err := os.Stat(file); err != nil || file != waiting[0].File {
		t.Errorf("the copy of %s: %v", waiting[0].File, err)
	}
	short := strings.TrimPrefix(waiting[0].ID, "sha256:")[:12]
	if p, err := s.statusView().Plan(short); err != nil || len(p.Core.Actions) == 0 {
		t.Errorf("on the page: %v", err)
	}
	why := &explain.Input{}
	source, err := s.Source(nil)
	n.must(err)
	why.Planned, err = s.Engine().Plan(t.Context(), engine.Request{Source: source})
	n.must(err)
	n.must(why.Read(s.Engine(), s.Store.Files()))
	if got := why.Held[waiting[0].Keys[0]]; got != file {
		t.Errorf("it is held in %q", got)
	}
	name, unusable, err := s.Reject(t.Context(), short, "no")
	if err != nil || unusable || name != waiting[0].Name {
		t.Errorf("rejected %q: %v", name, err)
	}
	if _, err := os.Stat(file); err == nil || len(s.HeldFiles()) != 0 {
		t.Errorf("%s is still there", file)
	}
	if again, err := s.Unreject(t.Context(), short); err != nil || again != name {
		t.Errorf("forgotten %q: %v", again, err)
	}
}
