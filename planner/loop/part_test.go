package loop

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/state"
)

// partSite is a site with a state: an audit has listed and recorded it, and then something changed.
type partSite struct {
	loop  *Loop
	store *state.Store
	items []planner.Item
	now   time.Time
}

func newPartSite(dir string) (*partSite, error) {
	s := &partSite{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	store, err := state.Open(dir, state.Options{Now: clock})
	s.store = store
	s.loop = &Loop{clock: clock, log: slog.New(slog.DiscardHandler), cfg: Config{
		AuditInterval: time.Hour, Engine: &engine.Engine{Store: store, Now: clock,
			Settings: &planner.Settings{Tera: 1 << 40, MinGID: 1000, MaxMode: 0o2775,
				Fingerprint: "f00d", Parents: planner.ParentsCreate,
				Waldur: planner.WaldurSettings{URL: "https://waldur.example.com/api/"},
				Systems: []planner.System{{Name: "capstor", Directory: "capstor",
					Archive: "capstor/.trash", Quota: planner.QuotaSettings{Kind: planner.QuotaLustre,
						By: planner.ByGroup, Shared: planner.SharedSum},
					Traits: planner.Traits{Unit: 1, Soft: true, MaxSpace: 1 << 60,
						MaxInodes: 1 << 48}}}}}}}
	return s, err
}

// uuid returns a UUID without dashes for a number.
func uuid(n int) string { return fmt.Sprintf("%032x", n) }

func partItem(i int, path string, gid int) planner.Item {
	hard, _ := planner.ParseDecimal("10.0")
	return planner.Item{Key: planner.Key{Item: uuid(i), System: "capstor", DataType: "store"},
		Status: planner.StatusActive, MountPath: path, Permission: "2770", GID: int64(gid),
		HasGID: true, Target: planner.TargetProject, Name: fmt.Sprint("p", i), Parent: uuid(900),
		Quotas: &planner.ProxyQuotas{planner.SpaceHard: hard, planner.InodesHard: hard}}
}

func partRecord(it *planner.Item) planner.Record {
	return planner.Record{Key: it.Key, Address: it.MountPath, System: "capstor",
		Storage: it.MountPath[1:], Target: it.Target, Inode: 7, Group: planner.GID(it.GID),
		Mode: 0o2770, QuotaBy: planner.ByGroup, QuotaID: uint32(it.GID),
		Claim: planner.Limits{planner.SpaceHard: planner.LimitOf(planner.Bytes(1 << 40))}}
}

// audit lists and records a drawn site.
func (s *partSite) audit(t *rapid.T) error {
	customer := partItem(900, "/capstor/c0", 0)
	customer.Target, customer.Status = planner.TargetCustomer, planner.StatusPending
	s.items = []planner.Item{customer}
	for i := range rapid.IntRange(1, 30).Draw(t, "items") {
		s.items = append(s.items, partItem(i, fmt.Sprintf("/capstor/c%d/p%d",
			rapid.IntRange(0, 9).Draw(t, "customer"), i), rapid.IntRange(2000, 2015).Draw(t, "gid")))
		if it := &s.items[i+1]; rapid.IntRange(0, 4).Draw(t, "is not active") == 0 {
			it.Status = rapid.SampledFrom(append(orderStatuses, planner.StatusRemoved)).Draw(t, "status")
			if rapid.Bool().Draw(t, "has an order") {
				it.URLs = partOrder(400 + i)
			}
		}
	}
	var written uint64
	var g *planner.Graph
	err := s.store.Update(func(tx ledger.Tx) error {
		for i := range s.items[1:] {
			r := partRecord(&s.items[i+1])
			switch rapid.IntRange(0, 9).Draw(t, "recorded") {
			case 0:
				continue
			case 1:
				r.Group, r.QuotaID = r.Group+1, r.QuotaID+1
			case 2:
				r.Storage += "-old"
			}
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		known, err := tx.Recorded()
		written = tx.Written()
		g = planner.Desire(&planner.Input{Settings: s.loop.cfg.Engine.Settings, Items: s.items,
			Complete: true, Recorded: known})
		return err
	})
	for range rapid.IntRange(0, 2).Draw(t, "changes during the audit") {
		err = errors.Join(err, s.change(t))
	}
	return errors.Join(err, s.store.Update(func(tx ledger.Tx) error {
		_, err := tx.Rename(g.Renamed())
		return errors.Join(err, tx.SetIndex(s.now, written,
			index.Make(s.loop.cfg.Engine.Settings, s.items, g.Loose())))
	}))
}

// change does what an apply, a person or a renamed system may have done since.
func (s *partSite) change(t *rapid.T) error {
	it := s.items[rapid.IntRange(1, len(s.items)-1).Draw(t, "changed")]
	return s.store.Update(func(tx ledger.Tx) (err error) {
		r := partRecord(&it)
		switch rapid.IntRange(0, 6).Draw(t, "change") {
		case 0:
			r.Group, r.QuotaID = 2000, 2000
			err = tx.PutRecord(r)
		case 1:
			_, err = tx.DeleteRecord(it.Key)
		case 2:
			now := it.Key
			now.System = "renamed"
			_, err = tx.Rename(map[planner.Key]planner.Key{it.Key: now})
		case 3:
			if rapid.Bool().Draw(t, "and forgotten") {
				_, err = tx.DeleteRecord(it.Key)
			}
			err = errors.Join(err, tx.PutArchived(planner.Archived{Key: it.Key, Address: it.MountPath,
				System: "capstor", Storage: r.Storage, Archive: "capstor/.trash/" + it.Name, Inode: 7,
				Group: r.Group, QuotaBy: r.QuotaBy, QuotaID: r.QuotaID, At: s.now}))
		case 4: // an apply that left a directory unfinished
			r.Unfinished = true
			err = tx.PutRecord(r)
		case 5: // a rescan that found no archive
			err = tx.ReplaceArchiveRegister(nil)
		case 6: // a create of a resource that no audit has listed
			it = partItem(100+rapid.IntRange(0, 9).Draw(t, "new"), it.MountPath+"0", 2001)
			err = tx.PutRecord(partRecord(&it))
		}
		return err
	})
}

// list draws what the orders lane lists: some resources with orders, and a customer.
func (s *partSite) list(t *rapid.T) []planner.Item {
	listed := []planner.Item{s.items[0]}
	for i := range rapid.IntRange(1, 3).Draw(t, "ordered") {
		it := partItem(200+i, fmt.Sprintf("/capstor/c%d/p%d", i, rapid.IntRange(0, 40).Draw(t, "at")),
			rapid.IntRange(2000, 2015).Draw(t, "gid"))
		if rapid.Bool().Draw(t, "known") {
			it = s.items[rapid.IntRange(1, len(s.items)-1).Draw(t, "which")]
		}
		it.Status = rapid.SampledFrom([]planner.Status{planner.StatusPending, planner.StatusUpdating,
			planner.StatusRemoving}).Draw(t, "status")
		it.NewQuotas, it.URLs = it.Quotas, partOrder(300+i)
		listed = append(listed, it)
	}
	return listed
}

// partOrder returns the callbacks of an order with this number.
func partOrder(n int) map[planner.Callback]string {
	const base = "https://waldur.example.com/api/marketplace-orders/"
	return map[planner.Callback]string{planner.Approve: base + uuid(n) + "/approve_by_provider/",
		planner.SetStateDone: base + uuid(n) + "/set_state_done/"}
}

// plan makes the plan for what is listed, from some items and records.
func (s *partSite) plan(items []planner.Item, rec planner.Recorded, listed []planner.Item,
	ids map[uint32]bool) (text string, needsAll bool) {
	g := planner.Desire(&planner.Input{Settings: s.loop.cfg.Engine.Settings, Items: items,
		Recorded: rec, Watch: planner.KeysOf(listed), Now: s.now})
	seen := planner.Observed{Mounts: map[string]planner.Mount{"capstor": {Filesystem: "lustre"}}}
	for _, place := range g.Targets().All() {
		n := strings.Count(place.Path, "1") + strings.Count(place.Path, "3")
		seen.Directories = append(seen.Directories, planner.Directory{Inode: uint64(6 + n),
			State: planner.DirAbsent + planner.DirState(n%2), Group: planner.GID(2000 + n)})
	}
	for range g.QuotaTargets(seen).All() {
		seen.Quotas = append(seen.Quotas, planner.QuotaState{Limits: planner.NoLimits(),
			Space: planner.UsageOf(planner.Bytes(0)), Inodes: planner.UsageOf(planner.Inodes(0))})
	}
	p := planner.Compare(g, seen, planner.Context{})
	p.Context.Warnings = nil // a plan of a part does not warn of others
	out, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		panic(err)
	}
	return string(out), g.NeedsAll(&seen, ids)
}

// TestPartIsThePlanOfTheWhole: what the orders lane plans from the part of the state that it reads
// is what it plans from all of it, whatever was recorded, renamed, removed and archived since the
// last audit.
func TestPartIsThePlanOfTheWhole(t *testing.T) {
	dir, n, compared := t.TempDir(), 0, 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		at := filepath.Join(dir, fmt.Sprint(n))
		defer os.RemoveAll(at)
		s, err := newPartSite(at)
		if err == nil {
			err = s.audit(t)
		}
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			err = errors.Join(err, s.change(t))
		}
		if err != nil {
			t.Fatal(err)
		}
		r := &round{loop: s.loop, lane: LaneOrders,
			orders: &perStatus{failed: map[planner.Status]error{}}}
		if rapid.Bool().Draw(t, "not all are listed") {
			r.orders.failed[planner.StatusError] = errRead
		}
		listed := s.list(t)
		var part *engine.Part
		err = s.store.View(func(tx ledger.Tx) (err error) {
			part, err = r.part(tx, listed, planner.KeysOf(listed))
			return err
		})
		recorded, err2 := s.store.Recorded()
		all, err3 := r.indexed(listed, &recorded)
		if err := errors.Join(err, err2, err3); err != nil || part == nil {
			t.Fatalf("no part: %v", err)
		}
		some, needsAll := s.plan(part.Items, part.Recorded, listed, part.IDs)
		whole, _ := s.plan(all, recorded, listed, part.IDs)
		if needsAll {
			return
		}
		compared++
		if some, whole := plantest.Difference(some, whole); some != whole {
			t.Fatalf("of a part\n%s\nof the whole\n%s", some, whole)
		}
	})
	if compared < n/3 {
		t.Errorf("of %d sites, only %d could be compared", n, compared)
	}
}

var errRead = errors.New("not listed")

// TestPartNeedsARecentIndex: without an index, with one that is old, incomplete or of another
// configuration, and if it is not known what was recorded since, everything is read.
func TestPartNeedsARecentIndex(t *testing.T) {
	for name, spoil := range map[string]func(*partSite) error{
		"": func(*partSite) error { return nil },
		"no index": func(s *partSite) error {
			return s.store.Update(func(tx ledger.Tx) error { return tx.SetIndex(time.Time{}, 0, nil) })
		},
		"an old one": func(s *partSite) error { s.now = s.now.Add(4 * time.Hour); return nil },
		"another configuration": func(s *partSite) error {
			s.loop.cfg.Engine.Settings.Fingerprint = "cafe"
			return nil
		},
		"parents are enforced": func(s *partSite) error {
			s.loop.cfg.Engine.Settings.Parents = planner.ParentsEnforce
			return nil
		},
		"an index of another form": func(s *partSite) error {
			return s.store.Update(func(tx ledger.Tx) error {
				return tx.SetIndex(s.now, tx.Written(), []json.RawMessage{json.RawMessage(`"AQAB"`)})
			})
		},
		"an index without its items": func(s *partSite) error {
			return s.store.Update(func(tx ledger.Tx) error {
				_, _, chunks, err := tx.Index()
				return errors.Join(err, tx.SetIndex(s.now, tx.Written(), chunks[:1]))
			})
		},
		"much was recorded since": func(s *partSite) error {
			return s.store.Update(func(tx ledger.Tx) error {
				for i := range 10_001 {
					it := partItem(1000+i, "/capstor/c0/many", 2000)
					if err := tx.PutRecord(partRecord(&it)); err != nil {
						return err
					}
				}
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := newPartSite(filepath.Join(t.TempDir(), "state"))
			if err != nil {
				t.Fatal(err)
			}
			s.items = []planner.Item{partItem(1, "/capstor/c0/p1", 2000)}
			err = s.store.Update(func(tx ledger.Tx) error {
				return tx.SetIndex(s.now, tx.Written(),
					index.Make(s.loop.cfg.Engine.Settings, s.items, nil))
			})
			if err := errors.Join(err, spoil(s)); err != nil {
				t.Fatal(err)
			}
			r := &round{loop: s.loop, lane: LaneOrders}
			err = s.store.View(func(tx ledger.Tx) error {
				part, err := r.part(tx, s.items, planner.KeysOf(s.items))
				if (part != nil) != (name == "") {
					t.Errorf("a part is read: %v", part != nil)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
