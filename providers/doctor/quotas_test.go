package doctor

import (
	"strconv"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// TestForks says what starting lfs costs only where it is started, and names the ioctl only where a
// person chose lfs.
func TestForks(t *testing.T) {
	e := newExamination(t)
	err := e.in.State.Update(func(tx ledger.Tx) error {
		for i := range uint32(40) {
			r := planner.Record{Key: planner.Key{Item: strconv.Itoa(int(i)), System: "capstor"},
				Address: "/a",
				System:  "capstor", Storage: "capstor/a", QuotaBy: planner.ByGroup, QuotaID: 30000 + i/2}
			if i >= 30 {
				r.System = "iopsstor"
			}
			if err := tx.PutRecord(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const each = ". lfs is started for each: 800ms, so that the 15 recorded quotas take about 1.5s"
	const better = `. With client = "auto" no process is started where the filesystem answers the ioctl, ` +
		"which takes some microseconds"
	for _, tt := range []struct{ client, via, want string }{
		{"auto", "ioctl", ""},
		{"auto", "lfs", each},
		{"lfs", "lfs", each + better},
	} {
		sys := planner.System{Name: "capstor"}
		sys.Quota.By, sys.Quota.Client = planner.ByGroup, tt.client
		if got := e.lfsCost(sys, tt.via, 800*time.Millisecond); got != tt.want {
			t.Errorf("client %s, read via %s: %q, want %q", tt.client, tt.via, got, tt.want)
		}
	}
}
