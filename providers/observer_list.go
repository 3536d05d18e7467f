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
	// List reads those of the subjects, which are of one kind and sorted, that the backend has a whole record of; the others
	// are to be read by Get. [ErrNoList] says that it can't, and need not be asked again.
	List(ctx context.Context, system planner.System, of []planner.Subject) (QuotaListing, error)
}

// QuotaListing is what a list of quotas gave: states by id, or by the storage paths of directories.
type QuotaListing struct {
	IDs   map[uint32]planner.QuotaState
	Paths map[string]planner.QuotaState
}

// Of returns the state of a subject; false if the list has none.
func (l QuotaListing) Of(s planner.Subject) (planner.QuotaState, bool) {
	if s.By == planner.ByDirectory {
		state, ok := l.Paths[s.Path]
		return state, ok
	}
	state, ok := l.IDs[s.ID]
	return state, ok
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

// listed is what one call gave. The first and the last read one quota by itself: a server that is away is left out of a list
// without a word, but not out of a single answer. Some reports that it gave an
// answer, and whole that nothing was left out.
type listed struct {
	states QuotaListing
	some   bool
	whole  bool
	err    error
}

// idRange are the places in the list of targets of identities of one kind on one system, sorted by id.
type idRange []int32

// list answers what can be read in bulk of a filesystem's targets, and gives back the others.
func (s *StorageObserver) list(ctx context.Context, filesystem string, targets []planner.QuotaTarget, of []int32,
	answers []planner.QuotaState) (rest []int32) {
	lister, ok := s.o.Quotas.(QuotaLister)
	system := s.systems[targets[of[0]].System]
	if ok && targets[of[0]].Subject.By == planner.ByDirectory {
		return s.listDirectories(ctx, lister, filesystem, system, targets, of, answers)
	}
	if !ok || len(of) < listLeast || s.cannotList(system.Name) {
		return of
	}
	ranges := idRanges(targets, of)
	if len(ranges) == 0 {
		return of
	}
	// One answer by itself, then the lists, then one by itself again.
	last := ranges[len(ranges)-1]
	calls := slices.Concat([]idRange{ranges[0][:1]}, ranges, []idRange{last[len(last)-1:]})
	have := make([]bool, len(targets))
	for i, l := range s.listRanges(ctx, lister, filesystem, system, targets, calls) {
		for _, at := range calls[i] {
			if state, ok := l.states.Of(targets[at].Subject); ok && !have[at] {
				answers[at], have[at] = state, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(of), func(at int32) bool { return have[at] })
}

// listDirectories answers all directories by one list: to find a single quota by its path costs a list, too. It is complete,
// or an error, which is then the answer; where nothing can be listed, they are read one by one.
func (s *StorageObserver) listDirectories(ctx context.Context, lister QuotaLister, filesystem string, system planner.System,
	targets []planner.QuotaTarget, of []int32, answers []planner.QuotaState) (rest []int32) {
	p := pool[listed]{workers: 1, deadline: s.o.ListDeadline,
		unknown: func(why string) listed { return listed{err: errors.New(why)} },
		alive:   func(l listed) bool { return l.some || errors.Is(l.err, ErrNoList) },
		call:    func(ctx context.Context, _ int) listed { return readRange(ctx, lister, system, targets, of) }}
	list := make([]listed, 1)
	runPool(ctx, s, filesystem, system.Name, []int32{0}, list, p, newTally("", 0, nil))
	if errors.Is(list[0].err, ErrNoList) {
		return of
	}
	for _, at := range of {
		state, ok := list[0].states.Of(targets[at].Subject)
		switch {
		case list[0].err != nil:
			state = unknownQuota(list[0].err.Error())
		case !ok:
			state = unknownQuota("the list of quotas leaves it out")
		}
		answers[at] = state
	}
	return nil
}

// idRanges cuts the targets of a filesystem into ranges that are worth a call.
func idRanges(targets []planner.QuotaTarget, of []int32) (all []idRange) {
	sorted := slices.Clone(of)
	slices.SortFunc(sorted, func(a, b int32) int {
		x, y := targets[a].Subject, targets[b].Subject
		return cmp.Or(cmp.Compare(x.By, y.By), cmp.Compare(x.ID, y.ID))
	})
	for len(sorted) > 0 {
		first, n := targets[sorted[0]].Subject, 1
		for n < min(listMost, len(sorted)) {
			next := targets[sorted[n]].Subject
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

// listRanges makes one call after the other: two at once have hung Lustre's client. After one that was not whole nothing
// further is asked, and no list is believed.
func (s *StorageObserver) listRanges(ctx context.Context, lister QuotaLister, filesystem string, system planner.System,
	targets []planner.QuotaTarget, calls []idRange) []listed {
	numbers := make([]int32, len(calls))
	for i := range numbers {
		numbers[i] = int32(i)
	}
	last := len(calls) - 1
	stop := false // of the one worker's
	p := pool[listed]{workers: 1, deadline: s.o.QuotaDeadline, unknown: func(string) listed { return listed{} },
		alive: func(l listed) bool { return l.some || errors.Is(l.err, ErrNoList) },
		call: func(ctx context.Context, i int) (l listed) {
			switch {
			case stop:
			case i == 0 || i == last:
				l = readOne(ctx, lister, system, targets[calls[i][0]].Subject)
			default:
				l = readRange(ctx, lister, system, targets, calls[i])
			}
			stop = stop || !l.whole
			return l
		}}
	answers := make([]listed, len(calls))
	runPool(ctx, s, filesystem, system.Name, numbers, answers, p, newTally("", 0, nil))
	believed := answers[0].whole && answers[last].whole
	for i := range answers[1:last] {
		l := &answers[1+i]
		if errors.Is(l.err, ErrNoList) {
			s.mu.Lock()
			s.noList[system.Name] = true
			s.mu.Unlock()
		}
		if !believed {
			l.states = QuotaListing{}
		}
	}
	return answers
}

func readOne(ctx context.Context, lister QuotaLister, system planner.System, of planner.Subject) listed {
	q := lister.Get(ctx, system, of)
	if q.LimitsWhy != "" {
		return listed{}
	}
	return listed{states: QuotaListing{IDs: map[uint32]planner.QuotaState{of.ID: q}}, some: true,
		whole: q.Space.Known && q.Inodes.Known}
}

func readRange(ctx context.Context, lister QuotaLister, system planner.System, targets []planner.QuotaTarget, of idRange) (l listed) {
	subjects := make([]planner.Subject, len(of))
	for i, at := range of {
		subjects[i] = targets[at].Subject
	}
	l.states, l.err = lister.List(ctx, system, subjects)
	l.some, l.whole = l.err == nil, l.err == nil
	return l
}

func (s *StorageObserver) cannotList(system string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noList[system]
}
