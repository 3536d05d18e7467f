package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// spoiled are the ways in which a plan file can be one that this version can't use: of other rules, of other rules and
// members that this version does not know, cut off, of another format, or nothing at all.
func (s *service) spoiled(path string) map[string]func() {
	write := func(change func([]byte) []byte) func() {
		return func() {
			s.check(s.files().Write(path, change(s.keptPlan(path)), nil))
		}
	}
	approvals := func(data []byte) []byte {
		if i := bytes.Index(data, []byte("-----BEGIN CSCS-SYNC APPROVAL")); i >= 0 {
			return data[i:]
		}
		return nil
	}
	return map[string]func(){
		"of other rules": write(func(data []byte) []byte { return append(s.foreignBytes(data, "99,"), approvals(data)...) }),
		"of other rules and members": write(func(data []byte) []byte {
			return append(s.foreignBytes(data, `1,"of_another_time":true,`), approvals(data)...)
		}),
		"with a text that was changed": write(func(data []byte) []byte { return bytes.Replace(data, []byte("Plan "), []byte("plan "), 1) }),
		"of another file format":       write(func(data []byte) []byte { return bytes.Replace(data, []byte("plan v1"), []byte("plan v2"), 1) }),
	}
}

// TestABegunPlanThatCannotBeReadIsKept: another build finds a plan that it can't read, with a directory unfinished. The file
// stays, byte for byte, its resource is left alone, the ledger has it as begun, and it is said once. The build that can read it
// ends it as if nothing had been.
func TestABegunPlanThatCannotBeReadIsKept(t *testing.T) {
	for _, what := range []string{"of other rules", "of other rules and members", "with a text that was changed", "of another file format"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := newTurnedLoop(t, "")
			c.create("second", 30501)
			c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
			c.ends(loop.LaneOrders, loop.PartialRound)
			c.lfsMended()
			begun := c.begun()
			if len(begun) != 1 {
				t.Fatal(begun)
			}
			good := c.keptPlan(begun[0])
			tree := c.tree()
			c.spoiled(begun[0])[what]()
			bad := c.keptPlan(begun[0])
			for _, which := range []loop.Lane{loop.LaneAudit, loop.LaneOrders, loop.LaneAudit} {
				c.later(3 * time.Hour)
				c.Round(t.Context(), which)
			}
			if left := c.keptPlan(begun[0]); !bytes.Equal(left, bad) || c.tree() != tree || len(c.pending()) != 0 {
				t.Errorf("held %v; the tree:\n%s\nthe log:\n%s", c.pending(), c.tree(), c.service.log())
			}
			if n := strings.Count(c.service.log(), "begun plan can't be used by this version, and is kept"); n != 1 {
				t.Errorf("said %d times:\n%s", n, c.service.log())
			}
			if _, out := c.here("doctor"); !strings.Contains(strings.Join(strings.Fields(out), " "), "is kept, but this version can't use it") {
				t.Errorf("doctor says nothing of it:\n%s", out)
			}
			c.check(c.files().Write(begun[0], good, nil))
			c.later(3 * time.Hour)
			c.Round(t.Context(), loop.LaneOrders)
			r, err := c.sim.Resource("capstor-second-store")
			if left := c.begun(); err != nil || r.State != waldursim.OK || len(left) > 0 {
				t.Errorf("in the end: %+v, %v, %v; the log:\n%s", r, err, left, c.service.log())
			}
		})
	}
}

// TestABegunPlanThatWasGivenUpIsRemoved: a person has given up a plan that nobody could read.
func TestABegunPlanThatWasGivenUpIsRemoved(t *testing.T) {
	c := newTurnedLoop(t, "")
	c.create("second", 30501)
	c.lfsFault(lfssim.Fault{On: lfssim.OnSetquota, Errno: "EIO"})
	c.ends(loop.LaneOrders, loop.PartialRound)
	begun := c.begun()
	c.spoiled(begun[0])["of another file format"]()
	c.later(3 * time.Hour)
	c.Round(t.Context(), loop.LaneOrders)
	short := strings.TrimSuffix(filepath.Base(begun[0]), ".plan")
	if out, err := c.command("state", "abandon", short, "--reason", "of another build").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.Round(t.Context(), loop.LaneOrders)
	if left := c.begun(); slices.Contains(left, begun[0]) {
		t.Errorf("%v; the log:\n%s", left, c.service.log())
	}
}

// TestAnApprovedHeldPlanThatCannotBeReadIsKept: its changes are held again in another file, which can be approved and applied.
// One without approvals is made again in its place.
func TestAnApprovedHeldPlanThatCannotBeReadIsKept(t *testing.T) {
	for _, what := range []string{"of other rules", "of other rules and members", "with a text that was changed", "of another file format"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := newTurnedLoop(t, "")
			c.terminate("first")
			c.ends(loop.LaneAudit, loop.AllHeld)
			held := c.pending()[0]
			c.spoiled(held)[what]()
			c.ends(loop.LaneAudit, loop.AllHeld)
			if now := c.pending(); len(now) != 1 || now[0] != held || !c.says("removed a held plan")() {
				t.Fatalf("without approvals: %v; the log:\n%s", now, c.service.log())
			}
			c.approveAll()
			c.spoiled(held)[what]()
			bad := c.keptPlan(held)
			for range 2 {
				c.ends(loop.LaneAudit, loop.AllHeld)
				c.ends(loop.LaneOrders, loop.AllHeld)
			}
			now := c.pending()
			if left := c.keptPlan(held); !bytes.Equal(left, bad) || len(now) != 2 || !c.exists("capstor/store/cscs/eth/first")() {
				t.Fatalf("with approvals: %v; the log:\n%s", now, c.service.log())
			}
			if n := strings.Count(c.service.log(), "held plan with approvals can't be used by this version, and is kept"); n != 1 {
				t.Errorf("said %d times:\n%s", n, c.service.log())
			}
			other := now[0]
			if other == held {
				other = now[1]
			}
			if out, err := c.command("approve", other).CombinedOutput(); err != nil {
				t.Fatalf("approve: %v\n%s", err, out)
			}
			c.ends(loop.LaneOrders, loop.Applied)
			if left := c.keptPlan(held); !bytes.Equal(left, bad) || len(c.pending()) != 1 || c.exists("capstor/store/cscs/eth/first")() {
				t.Errorf("in the end: %v; the log:\n%s", c.pending(), c.service.log())
			}
			c.rejectsUnusable(held)
		})
	}
}

// rejectsUnusable removes a plan that nobody can use: by the name of its file, and by no digits that
// another plan may have.
func (c *turnedLoop) rejectsUnusable(path string) {
	c.t.Helper()
	name := filepath.Base(path)
	if out, err := c.command("held", "reject", strings.TrimSuffix(name, ".plan")).CombinedOutput(); err == nil {
		c.t.Errorf("digits were enough to remove it: %s", out)
	}
	if out, err := c.command("held", "list").CombinedOutput(); err != nil || !bytes.Contains(out, []byte("run `cscs-sync held reject "+name)) {
		c.t.Errorf("the list does not say how to remove it: %s (%v)", out, err)
	}
	if out, err := c.command("held", "reject", name, "--reason", "it is damaged").CombinedOutput(); err != nil {
		c.t.Fatalf("reject: %v\n%s", err, out)
	}
	if left := c.pending(); len(left) != 0 {
		c.t.Errorf("after that, %v are left", left)
	}
	if out, _ := c.command("state", "history").CombinedOutput(); !bytes.Contains(out, []byte("it is damaged")) {
		c.t.Errorf("the history does not have it:\n%s", out)
	}
}

// TestLeftoversOfKilledWritesGo: a write of a held plan's copy was killed before its rename.
func TestLeftoversOfKilledWritesGo(t *testing.T) {
	c := newTurnedLoop(t, "")
	left := filepath.Join(c.dir, "state/pending/.0a1b2c3d4e5f.plan.12345")
	c.check(os.MkdirAll(filepath.Dir(left), 0o700))
	c.check(os.WriteFile(left, []byte("cscs-sync plan v1\n"), 0o600))
	c.ends(loop.LaneAudit, loop.NoChanges)
	if _, err := os.Lstat(left); err != nil {
		t.Errorf("it may still be written: %v", err)
	}
	c.later(2 * time.Hour)
	c.ends(loop.LaneAudit, loop.NoChanges)
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
