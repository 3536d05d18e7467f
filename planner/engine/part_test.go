package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// recorded is a state with two resources, and a directory that was left unfinished.
type recorded struct {
	sharedState
	known planner.Recorded
	reads *int
}

func (s recorded) View(f func(ledger.Tx) error) error { return f(s) }
func (recorded) RecordCount() uint64                  { return 3 }
func (s recorded) Recorded() (planner.Recorded, error) {
	*s.reads++
	return s.known, nil
}

// one is a proxy that lists one resource, and a storage with one directory, of group 2001.
type one struct {
	nothing
	item planner.Item
}

func (o one) List(context.Context, []planner.Status) ([]planner.Item, error) {
	return []planner.Item{o.item}, nil
}
func (o one) Observer(context.Context, int) (engine.Observer, func(), error) {
	return o, func() {}, nil
}
func (one) Mounts(context.Context, []planner.System) map[string]planner.Mount {
	return map[string]planner.Mount{"capstor": {Filesystem: "lustre"}}
}
func (one) Directories(_ context.Context,
	of planner.Targets[planner.Place]) (found []planner.Directory) {
	for range of.All() {
		found = append(found, planner.Directory{State: planner.DirPresent, Inode: 7, Group: 2001})
	}
	return found
}

// TestAPartThatIsNotEnough: if a directory counts for a group of which the part does not have
// everything, everything is read, for the same listing. Either way, the plan knows how many
// resources are recorded, without unfinished directories.
func TestAPartThatIsNotEnough(t *testing.T) {
	key := func(item string) planner.Key {
		return planner.Key{Item: item, System: "capstor", DataType: "store"}
	}
	records, err := planner.PackRecords(planner.Record{Key: key("b")}, planner.Record{Key: key("d")},
		planner.Record{Key: key("c"), Unfinished: true})
	if err != nil {
		t.Fatal(err)
	}
	listed := planner.Item{Key: key("a"), Target: planner.TargetProject, Permission: "2770",
		Status: planner.StatusActive, MountPath: "/capstor/a", GID: 2000, HasGID: true,
		URLs: map[planner.Callback]string{planner.Approve: "https://waldur.example.com/"}}
	for _, isEnough := range []bool{true, false} {
		reads, parts, completed := 0, 0, 0
		whole := planner.Recorded{Records: records}
		proxy := one{item: listed}
		e := &engine.Engine{Storage: proxy, Now: time.Now, Store: recorded{known: whole, reads: &reads},
			Settings: &planner.Settings{Systems: []planner.System{{Name: "capstor",
				Directory: "capstor", Quota: planner.QuotaSettings{Kind: planner.QuotaLustre,
					By: planner.ByGroup}}}}}
		p, err := e.Plan(t.Context(), engine.Request{Source: proxy, OnlyListed: true,
			Statuses: []planner.Status{planner.StatusActive},
			Part: func(_ ledger.Tx, some []planner.Item, watch map[planner.Key]bool) (*engine.Part,
				error) {
				parts++
				if len(some) != 1 || !watch[key("a")] {
					t.Errorf("a part is sought for %v and %v", some, watch)
				}
				return &engine.Part{Items: some, Recorded: whole,
					IDs: map[uint32]bool{2000: true, 2001: isEnough}}, nil
			},
			Complete: func(some []planner.Item, _ *planner.Recorded) ([]planner.Item, error) {
				completed++
				return append(some, planner.Item{Key: key("b")}), nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		want, items := 1, 2
		if isEnough {
			want, items = 0, 1
		}
		if parts != 1 || reads != want || completed != want || len(p.Items) != items ||
			len(p.Listed) != 1 || !p.Listed[key("a")] || p.Known != 2 {
			t.Errorf("enough %t: %d parts, read %d times, completed %d times: %d items, %v listed, "+
				"%d known", isEnough, parts, reads, completed, len(p.Items), p.Listed, p.Known)
		}
	}
}
