package providers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// lister is a storage that can list the quotas of even ids.
type lister struct {
	*storage
	lists, at, most atomic.Int64
	lengths         []int
	err             error
	partly          bool
	hang            chan struct{}
}

func (l *lister) Get(ctx context.Context, system planner.System,
	id planner.Subject) planner.QuotaState {
	q := l.storage.Get(ctx, system, id)
	q.Space, q.Inodes = planner.UsageOf(planner.Bytes(0)), planner.UsageOf(planner.Inodes(0))
	if l.partly {
		q.Space = planner.Usage[planner.Bytes]{}
	}
	return q
}

func (l *lister) List(_ context.Context, _ planner.System, of []planner.Subject) (QuotaListing,
	error) {
	l.lists.Add(1)
	if n := l.at.Add(1); n > l.most.Load() {
		l.most.Store(n)
	}
	defer l.at.Add(-1)
	if l.hang != nil {
		<-l.hang
	}
	l.lengths = append(l.lengths, len(of))
	states := map[uint32]planner.QuotaState{}
	for _, s := range of {
		if id := s.ID; id%2 == 0 {
			states[id] = planner.QuotaState{Source: byList,
				Limits: planner.Limits{planner.InodesHard: planner.LimitOf(planner.Inodes(id))}}
		}
	}
	return QuotaListing{IDs: states}, l.err
}

var byList = &planner.QuotaSource{Via: "list"}

func listing(l *lister) *StorageObserver {
	l.storage = newStorage()
	o := NewObserver(Options{Systems: systems("a", "b"), Directories: l, Quotas: l,
		Deadline: testDeadline, QuotaDeadline: testDeadline})
	o.Mounts(context.Background(), systems("a", "b"))
	return o
}

// answered compares each answer with its id, and counts the answers that came from a list.
func answered(t *testing.T, targets []planner.QuotaTarget, got []planner.QuotaState) (listed int) {
	t.Helper()
	for i, q := range got {
		if n, _ := q.Limits[planner.InodesHard].Number(); n != uint64(targets[i].Subject.ID) {
			t.Fatalf("%v: got %+v", targets[i], q)
		}
		if q.Via() == "list" {
			listed++
		}
	}
	return listed
}

// Ids are listed in ranges, one call at a time, and the gaps are read one by one.
func TestQuotasAreListed(t *testing.T) {
	l := &lister{}
	o := listing(l)
	targets := quotaTargets("a", "fs a", 2500)
	slices.Reverse(targets)
	for _, far := range []uint32{1 << 20, 1<<20 + 1} { // too few to be worth a call
		targets = append(targets, planner.QuotaTarget{System: "a",
			Subject: planner.Subject{Filesystem: "fs a", ID: far}})
	}
	before := l.calls.Load()
	listed := answered(t, targets, o.Quotas(t.Context(), planner.TargetsOf(targets...)))
	// the very last id is read by itself, too
	if singly := l.calls.Load() - before; listed != 1250 || singly != 1250+2+1 {
		t.Errorf("%d listed, %d read singly", listed, singly)
	}
	if !slices.Equal(l.lengths, []int{1000, 1000, 500}) || l.most.Load() != 1 {
		t.Errorf("ranges of %v, %d at a time", l.lengths, l.most.Load())
	}
}

// A few quotas are not worth a list. A system that cannot list is not asked again. A list is not
// believed after an error, or while single answers lack a server's part.
func TestQuotasAreNotListed(t *testing.T) {
	for name, c := range map[string]struct {
		n         int
		err       error
		partly    bool
		wantLists int64
	}{
		"few":                     {listLeast - 1, nil, false, 0},
		"not there":               {100, fmt.Errorf("exit 4: %w", ErrNoList), false, 1},
		"failed":                  {100, errors.New("busy"), false, 2},
		"a server's part missing": {100, nil, true, 0},
	} {
		l := &lister{err: c.err, partly: c.partly}
		o := listing(l)
		targets := quotaTargets("a", "fs a", c.n)
		for range 2 {
			got := o.Quotas(t.Context(), planner.TargetsOf(targets...))
			if listed := answered(t, targets, got); listed != 0 {
				t.Errorf("%s: %d by list", name, listed)
			}
		}
		if l.lists.Load() != c.wantLists {
			t.Errorf("%s: %d lists, want %d", name, l.lists.Load(), c.wantLists)
		}
	}
}

// A list that hangs makes its mount unknown and delays no other.
func TestListHangs(t *testing.T) {
	l := &lister{hang: make(chan struct{})}
	o := listing(l)
	targets := append(quotaTargets("a", "fs a", 500), quotaTargets("b", "fs b", 10)...)
	start := time.Now()
	got := o.Quotas(t.Context(), planner.TargetsOf(targets...))
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
	for i, q := range got {
		first := i == 0 // was read by itself, before the list
		if hangs := strings.Contains(q.LimitsWhy(), "still hangs"); hangs != (targets[i].System == "a" &&
			!first) {
			t.Fatalf("%v: %+v", targets[i], q)
		}
	}
	if o.Hanging() != 1 {
		t.Errorf("%d calls left behind, want 1", o.Hanging())
	}
	close(l.hang)
	waitFor(t, func() bool { return o.Hanging() == 0 })
}

// Directories are listed by one call, however few they are. If the list fails, they are unknown and
// read in no other way.
func TestDirectoryQuotasAreListed(t *testing.T) {
	l := &directoryLister{}
	l.storage = newStorage()
	o := NewObserver(Options{Systems: systems("a"), Directories: l, Quotas: l,
		ListDeadline: testDeadline})
	o.Mounts(t.Context(), systems("a"))
	var targets []planner.QuotaTarget
	for _, path := range []string{"a/2", "a/1", "a/left out"} {
		targets = append(targets, planner.QuotaTarget{System: "a",
			Subject: planner.Subject{Filesystem: "fs a", By: planner.ByDirectory, Path: path}})
	}
	before := l.calls.Load()
	got := o.Quotas(t.Context(), planner.TargetsOf(targets...))
	if got[0].Via() != "list" || got[1].Via() != "list" || got[2].LimitsWhy() == "" || l.lists != 1 ||
		l.calls.Load() != before {
		t.Errorf("%+v by %d lists", got, l.lists)
	}
	l.err = errors.New("page 2: 503")
	for _, q := range o.Quotas(t.Context(), planner.TargetsOf(targets...)) {
		if !strings.Contains(q.LimitsWhy(), "page 2: 503") || q.Limits.Known() || q.Space.Known() {
			t.Errorf("after an error: %+v", q)
		}
	}
}

// directoryLister is a storage that can list the quotas of directories.
type directoryLister struct {
	*storage
	lists int
	err   error
}

func (l *directoryLister) List(_ context.Context, _ planner.System,
	of []planner.Subject) (QuotaListing, error) {
	l.lists++
	states := map[string]planner.QuotaState{}
	for _, s := range of {
		if s.Path != "a/left out" {
			states[s.Path] = planner.QuotaState{Source: byList}
		}
	}
	return QuotaListing{Paths: states}, l.err
}
