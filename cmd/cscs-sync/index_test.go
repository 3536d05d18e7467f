package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// sharing is a site on which store and archive of one project share the quota of a group, each at 10 TiB, with a loop whose
// last audit has listed both.
func sharing(t *testing.T, shared, more string) *turnedLoop {
	s := newService(t, more)
	s.edit("client = \"lfs\"", fmt.Sprintf("client = \"lfs\"\n    shared = %q", shared))
	for _, kind := range []string{"store", "archive"} {
		s.order(kind, 10)
	}
	s.settle()
	c := s.turnedLoop()
	c.ends(loop.LaneAudit, loop.NoChanges)
	return c
}

// order adds a resource of the project "one" with an order to create it.
func (s *service) order(kind string, tera int) {
	s.t.Helper()
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: "one", DataType: kind, GID: 30500,
		Limits: map[string]any{"storage": tera}, Order: &waldursim.OrderSpec{Type: "Create"}})
	s.check(err)
}

// wants orders another limit, in TiB.
func (s *service) wants(kind string, tera int) {
	s.t.Helper()
	_, err := s.sim.UpdateResource("capstor-one-"+kind, waldursim.UpdateSpec{Limits: map[string]any{"storage": tera}})
	s.check(err)
}

// cancels the last order of a resource.
func (s *service) cancels(kind string) {
	s.t.Helper()
	_, err := s.sim.SetOrderState(s.lastOrder("capstor-one-"+kind).UUID, waldursim.Canceled)
	s.check(err)
}

// isHard checks the hard limit of the shared group, in TiB.
func (s *service) isHard(tera uint64) {
	s.t.Helper()
	q, err := lfssim.ReadQuota(filepath.Join(s.dir, "lfs.json"), "test", lfssim.Group, 30500)
	s.check(err)
	if q.BlockHard != tera<<30 {
		s.t.Fatalf("the group's hard limit is %d TiB, want %d; the log:\n%s", q.BlockHard>>30, tera, s.log())
	}
}

// byHand plans, approves and applies outside of the loop.
func (c *turnedLoop) byHand(plan string) {
	c.ok("plan", "--out", plan)
	c.ok("approve", plan)
	c.ok("apply", plan)
}

// TestOrdersBetweenAudits: what the orders lane has applied since the last audit counts in a shared quota, whoever applied
// it, whatever the way in which claims are put together, and in a loop that was started since.
func TestOrdersBetweenAudits(t *testing.T) {
	t.Run("sum", func(t *testing.T) {
		c := sharing(t, "sum", "")
		c.isHard(20)
		c.wants("store", 20)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(30)
		c.wants("archive", 40)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(60)
		c.wants("store", 21)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(61)
		c.ends(loop.LaneAudit, loop.NoChanges)
	})
	t.Run("max", func(t *testing.T) {
		c := sharing(t, "max", "")
		c.wants("store", 50)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(50)
		c.wants("archive", 40)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(50)
		c.ends(loop.LaneAudit, loop.NoChanges)
	})
	t.Run("by hand", func(t *testing.T) {
		c := sharing(t, "sum", "")
		c.wants("store", 20)
		c.byHand("hand.plan")
		c.wants("archive", 40)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(60)
	})
	t.Run("another process", func(t *testing.T) {
		c := sharing(t, "sum", "")
		c.wants("store", 20)
		c.ends(loop.LaneOrders, loop.Applied)
		c = c.service.turnedLoop()
		c.wants("archive", 40)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(60)
	})
	t.Run("a new claim", func(t *testing.T) {
		c := sharing(t, "sum", "")
		c.order("users", 5)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(25)
		c.wants("store", 20)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(35)
	})
	t.Run("a removed claim", func(t *testing.T) {
		c := sharing(t, "sum", "auto_approve {\n  allow = [\"create\", \"quota_raise\", \"report\", \"archive\"]\n  max_archives = 5\n}\n")
		_, err := c.sim.TerminateResource("capstor-one-archive", "")
		c.check(err)
		c.ends(loop.LaneOrders, loop.Applied)
		if c.exists("capstor/archive/cscs/eth/one")() {
			t.Fatalf("it was not archived; the log:\n%s", c.service.log())
		}
		c = c.service.turnedLoop()
		c.wants("store", 20)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(30) // what lies in the archive still belongs to the group
		c.order2("archive2", "/capstor/archive/cscs/eth/one")
		c.ends(loop.LaneOrders, loop.Applied)
		if !c.exists("capstor/archive/cscs/eth/one")() {
			t.Errorf("the path of what was archived is not free; the log:\n%s", c.service.log())
		}
	})
}

// order2 adds a resource of another group at a path.
func (s *service) order2(project, path string) {
	s.t.Helper()
	_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "eth", Project: project, DataType: "store", GID: 30900,
		BackendID: path, Limits: map[string]any{"storage": 1}, Order: &waldursim.OrderSpec{Type: "Create"}})
	s.check(err)
}

// TestCancelledOrders: an order that the complete listing of orders lacks is no order any more. Its held plan goes, which the
// log and the history say, and its claim is what is recorded.
func TestCancelledOrders(t *testing.T) {
	t.Run("a lowering", func(t *testing.T) {
		c := sharing(t, "sum", "")
		c.wants("store", 5)
		c.ends(loop.LaneAudit, loop.AllHeld) // so that the index has the order, too
		c.ends(loop.LaneOrders, loop.AllHeld)
		if n := len(c.pending()); n != 1 {
			t.Fatalf("%d held plans", n)
		}
		c.cancels("store")
		c.ends(loop.LaneOrders, loop.NoChanges)
		if held := c.pending(); len(held) != 0 || !c.says("no longer held")() {
			t.Fatalf("held plans %v; the log:\n%s", held, c.service.log())
		}
		if history := c.ok("state", "history"); !strings.Contains(history, "order is over") {
			t.Errorf("the history does not say it:\n%s", history)
		}
		c.wants("archive", 40)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(50)
	})
	t.Run("a create", func(t *testing.T) {
		c := sharing(t, "sum", "auto_approve {\n  allow = [\"quota_raise\", \"report\"]\n}\n")
		c.order("users", 5)
		c.ends(loop.LaneAudit, loop.AllHeld)
		c.cancels("users")
		c.wants("archive", 40)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(50)
		if held := c.pending(); len(held) != 0 {
			t.Errorf("held plans %v", held)
		}
	})
	t.Run("a removal", func(t *testing.T) {
		c := sharing(t, "sum", "")
		_, err := c.sim.TerminateResource("capstor-one-archive", "")
		c.check(err)
		c.ends(loop.LaneAudit, loop.AllHeld)
		c.cancels("archive")
		c.wants("store", 20)
		c.ends(loop.LaneOrders, loop.Applied)
		c.isHard(30)
		if held := c.pending(); len(held) != 0 {
			t.Errorf("held plans %v", held)
		}
	})
	t.Run("not while a status could not be listed", func(t *testing.T) {
		c := sharing(t, "sum", "")
		c.wants("store", 5)
		c.ends(loop.LaneAudit, loop.AllHeld)
		c.check(c.sim.Inject(waldursim.Fault{Path: "status=updating", Kind: "status", Status: 500, Count: -1}))
		c.Round(t.Context(), loop.LaneOrders)
		if n := len(c.pending()); n != 1 {
			t.Errorf("%d held plans; the log:\n%s", n, c.service.log())
		}
	})
}

// TestContributionsAreShown: a plan of a shared quota shows what each resource adds, before and after, so that the total can
// be checked against the order: as text, Markdown, HTML and JSON, in a held plan, and by explain.
func TestContributionsAreShown(t *testing.T) {
	c := sharing(t, "sum", "auto_approve {\n  allow = [\"report\"]\n}\n")
	c.wants("store", 20)
	c.ends(loop.LaneOrders, loop.AllHeld)
	text := c.ok("show", filepath.Join("state/pending", filepath.Base(c.pending()[0])))
	for _, out := range []string{c.ok("plan"), text} {
		for _, want := range []string{
			"group 30500 on capstor: the sum of 2 resources",
			"~ space_hard = 20 TiB -> 30 TiB",
			"/capstor/archive/cscs/eth/one space_soft = 10 TiB space_hard = 10 TiB inodes_soft",
			"/capstor/store/cscs/eth/one ~ space_soft = 10 TiB -> 20 TiB ~ space_hard = 10 TiB -> 20 TiB ~ inodes_soft",
		} {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
				t.Errorf("the plan lacks %q:\n%s", want, out)
			}
		}
	}
	c.ok("plan", "--out", "p.plan")
	for _, form := range []string{"--markdown", "--html"} {
		if out := c.ok("show", form, "p.plan"); !strings.Contains(out, "the sum of 2 resources") {
			t.Errorf("%s lacks it:\n%s", form, out)
		}
	}
	var doc struct {
		Shared []struct {
			ID            int
			Contributions []struct {
				Address, Counts string
				Before, After   map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(c.ok("show", "--json", "p.plan")), &doc); err != nil || len(doc.Shared) != 1 {
		t.Fatalf("JSON: %+v, %v", doc, err)
	}
	sum := 0.0
	for _, x := range doc.Shared[0].Contributions {
		sum += x.After["space_hard"].(float64)
	}
	if sum != 30<<40 {
		t.Errorf("the contributions come to %g", sum)
	}
	if out := c.ok("explain", "30500"); !strings.Contains(out, "shared quota of group 30500 on capstor: the sum of 2 resources") ||
		!strings.Contains(out, "recorded: space 10 TiB soft, 10 TiB hard") {
		t.Errorf("explain:\n%s", out)
	}
	c.approveAll()
	c.ends(loop.LaneOrders, loop.Applied)
	c.isHard(30)
	// archived, it is still shown
	_, err := c.sim.TerminateResource("capstor-one-archive", "")
	c.check(err)
	c.ends(loop.LaneOrders, loop.AllHeld)
	c.approveAll()
	c.ends(loop.LaneOrders, loop.Applied)
	c.wants("store", 25)
	if out := c.ok("plan"); !strings.Contains(out, "/capstor/archive/cscs/eth/one (archived: its files still count)") {
		t.Errorf("the plan:\n%s", out)
	}
}

// TestOlderStateClaims: an older state is put back, in which a resource claims another limit than it has by now. What an
// audit sees as wanted replaces that, so that the sum is right once the resource is archived.
func TestOlderStateClaims(t *testing.T) {
	c := sharing(t, "sum", "")
	now, copied := filepath.Join(c.dir, "state"), filepath.Join(c.dir, "state.copy")
	c.check(exec.Command("cp", "-a", now, copied).Run())
	c.wants("archive", 4)
	c.byHand("lower.plan")
	c.isHard(14)
	c.check(os.RemoveAll(now))
	c.check(os.Rename(copied, now))
	c.ends(loop.LaneAudit, loop.NoChanges)
	_, err := c.sim.TerminateResource("capstor-one-archive", "")
	c.check(err)
	c.byHand("end.plan")
	c.order("users", 5)
	c.byHand("users.plan")
	c.isHard(19)
}
