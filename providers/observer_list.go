package providers

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// QuotaLister is a [QuotaReader] that can also read many quotas with one call. A call may hang even
// beyond ctx.
type QuotaLister interface {
	QuotaReader
	// List reads quotas of the given subjects, which are of one kind and sorted. It returns those of
	// which the backend has a complete record; the caller reads the others with Get. [ErrNoList] means
	// that the system cannot list quotas and need not be asked again.
	List(ctx context.Context, system planner.System, of []planner.Subject) (QuotaListing, error)
}

// QuotaListing is the result of listing quotas: states by id, or by the storage path of a
// directory.
type QuotaListing struct {
	IDs   map[uint32]planner.QuotaState
	Paths map[string]planner.QuotaState
}

// Of returns the state of a subject, and whether the listing has it.
func (l QuotaListing) Of(s planner.Subject) (planner.QuotaState, bool) {
	if s.By == planner.ByDirectory {
		state, ok := l.Paths[s.Path]
		return state, ok
	}
	state, ok := l.IDs[s.ID]
	return state, ok
}

// ErrNoList means that quotas cannot be listed there.
var ErrNoList = errors.New("quotas cannot be listed there, only read one by one")

const (
	// listLeast is the least number of a filesystem's quotas for which they are listed.
	listLeast = 64
	// listMost and listSpan bound one call, in quotas and in ids: Lustre's client searches the whole
	// range again for each quota that it finds. A range of fewer than listFew quotas is not worth a
	// call.
	listMost, listSpan, listFew = 1000, 10_000, 8
)

// listed is the result of one call. The first and the last call each read a single quota: a list
// silently leaves out a server that is down, but a single read does not. some reports whether the
// call gave an answer, and whole whether nothing was left out.
type listed struct {
	states QuotaListing
	some   bool
	whole  bool
	err    error
}

// idRange holds indexes into the list of targets. The targets are of one kind on one system, sorted
// by id.
type idRange []int32

// list answers those of a filesystem's targets that can be read in bulk, and returns the others.
func (s *StorageObserver) list(ctx context.Context, filesystem string,
	targets planner.Targets[planner.QuotaTarget], of []int32,
	answers []planner.QuotaState) (rest []int32) {
	lister, ok := s.o.Quotas.(QuotaLister)
	first := targets.At(int(of[0]))
	system := s.systems[first.System]
	if ok && first.Subject.By == planner.ByDirectory {
		return s.listDirectories(ctx, lister, filesystem, system, targets, of, answers)
	}
	if !ok || len(of) < listLeast || s.cannotList(system.Name) {
		return of
	}
	ranges := idRanges(targets, of)
	if len(ranges) == 0 {
		return of
	}
	// First a single read, then the lists, then a single read again.
	last := ranges[len(ranges)-1]
	calls := slices.Concat([]idRange{ranges[0][:1]}, ranges, []idRange{last[len(last)-1:]})
	have := make([]bool, targets.Len())
	for i, l := range s.listRanges(ctx, lister, filesystem, system, targets, calls) {
		for _, at := range calls[i] {
			if state, ok := l.states.Of(targets.At(int(at)).Subject); ok && !have[at] {
				answers[at], have[at] = state, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(of), func(at int32) bool { return have[at] })
}

// listDirectories answers all directories from one list, because finding a single quota by its path
// costs a list, too. The list is complete, or it is an error, which is then the answer for each
// directory. Where nothing can be listed, the caller reads the quotas one by one.
func (s *StorageObserver) listDirectories(ctx context.Context, lister QuotaLister,
	filesystem string,
	system planner.System, targets planner.Targets[planner.QuotaTarget], of []int32,
	answers []planner.QuotaState) (rest []int32) {
	p := pool[listed]{workers: 1, deadline: s.o.ListDeadline,
		unknown: func(why string) listed { return listed{err: errors.New(why)} },
		alive:   func(l listed) bool { return l.some || errors.Is(l.err, ErrNoList) },
		call: func(ctx context.Context, _ int) listed {
			return readRange(ctx, lister, system, targets, of)
		}}
	list := make([]listed, 1)
	runPool(ctx, s, filesystem, system.Name, []int32{0}, list, p, newTally("", 0, nil))
	if errors.Is(list[0].err, ErrNoList) {
		return of
	}
	missing := planner.UnknownQuota("the list of quotas leaves it out")
	if list[0].err != nil {
		missing = planner.UnknownQuota(list[0].err.Error())
	}
	for _, at := range of {
		state, ok := list[0].states.Of(targets.At(int(at)).Subject)
		if !ok || list[0].err != nil {
			state = missing
		}
		answers[at] = state
	}
	return nil
}

// idRanges divides the targets of a filesystem into ranges that are worth a call.
func idRanges(targets planner.Targets[planner.QuotaTarget], of []int32) (all []idRange) {
	kinds := map[planner.QuotaBy][]uint64{} // an id and then the target, in one number
	for i, at := range of {
		s := targets.At(int(at)).Subject
		if kinds[s.By] == nil {
			kinds[s.By] = make([]uint64, 0, len(of)-i)
		}
		kinds[s.By] = append(kinds[s.By], uint64(s.ID)<<32|uint64(at))
	}
	for _, by := range slices.Sorted(maps.Keys(kinds)) {
		slices.Sort(kinds[by])
		all = append(all, rangesIn(kinds[by])...)
	}
	return all
}

// rangesIn divides the sorted targets of one kind.
func rangesIn(sorted []uint64) (all []idRange) {
	for len(sorted) > 0 {
		first, n := sorted[0]>>32, 1
		for n < min(listMost, len(sorted)) && sorted[n]>>32-first < listSpan {
			n++
		}
		if n >= listFew {
			r := make(idRange, n)
			for i := range r {
				r[i] = int32(uint32(sorted[i]))
			}
			all = append(all, r)
		}
		sorted = sorted[n:]
	}
	return all
}

// listRanges makes one call after the other, because two at once have hung Lustre's client. After
// an incomplete answer it makes no further call, and no list is believed.
func (s *StorageObserver) listRanges(ctx context.Context, lister QuotaLister, filesystem string,
	system planner.System, targets planner.Targets[planner.QuotaTarget],
	calls []idRange) []listed {
	numbers := make([]int32, len(calls))
	for i := range numbers {
		numbers[i] = int32(i)
	}
	last := len(calls) - 1
	stop := false // only the pool's one worker uses it
	p := pool[listed]{workers: 1, deadline: s.o.QuotaDeadline,
		unknown: func(string) listed { return listed{} },
		alive:   func(l listed) bool { return l.some || errors.Is(l.err, ErrNoList) },
		call: func(ctx context.Context, i int) (l listed) {
			switch {
			case stop:
			case i == 0 || i == last:
				l = readOne(ctx, lister, system, targets.At(int(calls[i][0])).Subject)
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

func readOne(ctx context.Context, lister QuotaLister, system planner.System,
	of planner.Subject) listed {
	q := lister.Get(ctx, system, of)
	if q.LimitsWhy() != "" {
		return listed{}
	}
	return listed{states: QuotaListing{IDs: map[uint32]planner.QuotaState{of.ID: q}}, some: true,
		whole: q.Space.Known() && q.Inodes.Known()}
}

func readRange(ctx context.Context, lister QuotaLister, system planner.System,
	targets planner.Targets[planner.QuotaTarget], of idRange) (l listed) {
	subjects := make([]planner.Subject, len(of))
	for i, at := range of {
		subjects[i] = targets.At(int(at)).Subject
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
