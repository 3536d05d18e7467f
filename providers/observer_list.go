package providers

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// QuotaLister is a [QuotaReader] that can also read many identities by one call. It may hang even beyond ctx.
type QuotaLister interface {
	QuotaReader
	// List reads those of the ids, which are sorted and of one kind, that the filesystem has a whole record of; the others are
	// to be read by Get. [ErrNoList] tells that it can't, and need not be asked again.
	List(ctx context.Context, system planner.System, by planner.QuotaBy, ids []uint32) (map[uint32]planner.QuotaState, error)
}

// ErrNoList tells that quotas cannot be listed there.
var ErrNoList = errors.New("quotas cannot be listed there, only read one by one")

const (
	// listLeast is from how many identities of a filesystem on they are listed.
	listLeast = 64
	// listMost and listSpan bound one call, in identities and in numbers: Lustre's client searches all that lie in a range
	// for each that it finds. A range of fewer than listFew is not worth the call.
	listMost, listSpan, listFew = 1000, 10_000, 8
)

// listed is what one call of a listing gave. The first and the last call of each read one quota by itself: a server that
// is away leaves its part out of a list without a word, but not out of a single answer. Whole tells that nothing was left out.
type listed struct {
	states map[uint32]planner.QuotaState
	whole  bool
	err    error
}

// idRange are the places in the list of targets of identities of one kind on one system, sorted by id.
type idRange []int32

// list answers what can be read in bulk of a filesystem's targets, and gives back the others.
func (s *StorageObserver) list(ctx context.Context, filesystem string, targets []planner.QuotaTarget, of []int32, answers []planner.QuotaState) (rest []int32) {
	lister, ok := s.o.Quotas.(QuotaLister)
	system := s.systems[targets[of[0]].System]
	if !ok || len(of) < listLeast || s.cannotList(system.Name) {
		return of
	}
	ranges := idRanges(targets, of)
	if len(ranges) == 0 {
		return of
	}
	have := make([]bool, len(targets))
	for i, l := range s.listRanges(ctx, lister, filesystem, system, targets, ranges) {
		for _, at := range ranges[i] {
			if state, ok := l.states[targets[at].Identity.ID]; ok {
				answers[at], have[at] = state, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(of), func(at int32) bool { return have[at] })
}

// idRanges cuts the targets of a filesystem into ranges that are worth a call.
func idRanges(targets []planner.QuotaTarget, of []int32) (all []idRange) {
	sorted := slices.Clone(of)
	slices.SortFunc(sorted, func(a, b int32) int {
		x, y := targets[a].Identity, targets[b].Identity
		return cmp.Or(cmp.Compare(x.By, y.By), cmp.Compare(x.ID, y.ID))
	})
	for len(sorted) > 0 {
		first, n := targets[sorted[0]].Identity, 1
		for n < min(listMost, len(sorted)) {
			next := targets[sorted[n]].Identity
			if next.By != first.By || next.ID-first.ID >= listSpan {
				break
			}
			n++
		}
		if n >= listFew {
			all = append(all, sorted[:n])
		}
		sorted = sorted[n:]
	}
	return all
}

// listRanges makes one call after the other: two at once have hung Lustre's client.
func (s *StorageObserver) listRanges(ctx context.Context, lister QuotaLister, filesystem string, system planner.System, targets []planner.QuotaTarget, ranges []idRange) []listed {
	last := len(ranges) + 1
	calls := make([]int32, last+1)
	for i := range calls {
		calls[i] = int32(i)
	}
	stop := false // of the one worker's
	probe := func(ctx context.Context, at int32) listed {
		q := lister.Get(ctx, system, targets[at].Identity)
		return listed{whole: q.LimitsWhy == "" && q.Space.Known && q.Inodes.Known}
	}
	p := pool[listed]{workers: 1, deadline: s.o.QuotaDeadline, unknown: func(string) listed { return listed{} },
		alive: func(l listed) bool { return l.whole || l.states != nil || errors.Is(l.err, ErrNoList) },
		call: func(ctx context.Context, i int) (l listed) {
			switch {
			case stop:
			case i == 0:
				l = probe(ctx, ranges[0][0])
			case i == last:
				l = probe(ctx, ranges[len(ranges)-1][0])
			default:
				r := ranges[i-1]
				ids := make([]uint32, len(r))
				for i, at := range r {
					ids[i] = targets[at].Identity.ID
				}
				l.states, l.err = lister.List(ctx, system, targets[r[0]].Identity.By, ids)
				l.whole = l.err == nil
			}
			stop = stop || !l.whole
			return l
		}}
	answers := make([]listed, len(calls))
	runPool(ctx, s, filesystem, system.Name, calls, answers, p, newTally("", 0, nil))
	for _, l := range answers {
		if errors.Is(l.err, ErrNoList) {
			s.mu.Lock()
			s.noList[system.Name] = true
			s.mu.Unlock()
		}
	}
	if !answers[0].whole || !answers[last].whole {
		return nil
	}
	return answers[1:last]
}

func (s *StorageObserver) cannotList(system string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noList[system]
}
