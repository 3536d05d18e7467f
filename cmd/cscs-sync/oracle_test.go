package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// oracle computes what a quiet site must look like, from what was ordered and from what became of the orders at Waldur. It
// knows nothing of plans and asks no code of the product.
type oracle struct {
	// shared says what the claims of one group make together: "sum" or "max".
	shared string
	// specs are what was asked for at first, by slug.
	specs map[string]waldursim.ResourceSpec
	// born are the inodes in which the directories were first seen, by slug.
	born map[string]uint64
}

func newOracle(shared string) *oracle {
	return &oracle{shared: shared, specs: map[string]waldursim.ResourceSpec{}, born: map[string]uint64{}}
}

// fate is what must have become of the directory of a resource.
type fate int

const (
	absent   fate = iota // nobody has approved it
	standing             // it is there, as it was ordered
	archived             // it was there, and lies in the archive
	doubtful             // an order was cancelled while it may have been carried out
)

// tally is what the orders of a resource come to.
type tally struct {
	fate fate
	// tera is the limit that holds, and cancelled are those of orders that were cancelled since. What was archived before
	// its limit was set back keeps one of them.
	tera      int
	cancelled []int
	// open is an order that a quiet site must not have.
	open string
}

// tera reads a limit as the simulated Waldur holds it.
func tera(limits map[string]any) int {
	n := 0
	_, _ = fmt.Sscan(fmt.Sprint(limits["storage"]), &n)
	return n
}

// follow goes through the orders of a resource, the oldest first.
func (o *oracle) follow(r waldursim.ResourceView) tally {
	a := tally{fate: standing, tera: tera(o.specs[r.Slug].Limits)}
	for _, order := range r.Orders {
		switch order.State {
		case waldursim.PendingProvider, waldursim.Executing:
			a.open = fmt.Sprintf("%s order %s is still %s", order.Type, order.UUID, order.State)
		case waldursim.PendingConsumer:
			if order.Type == waldursim.Create {
				a.fate = absent
			}
		case waldursim.Done:
			a.does(order)
		default:
			a.undone(order)
		}
	}
	return a
}

// does takes in an order that was carried out.
func (a *tally) does(order waldursim.OrderView) {
	switch order.Type {
	case waldursim.Create:
		a.fate = standing
	case waldursim.Terminate:
		a.fate = archived
	case waldursim.Update:
		if len(order.Limits) > 0 {
			a.tera, a.cancelled = tera(order.Limits), nil
		}
	}
}

// sees notes the directories that appear, so that each is known by its inode from then on. A create that Waldur was told
// is done has made one.
func (o *oracle) sees(dir string, all []waldursim.ResourceView) (faults []string) {
	for _, r := range all {
		if _, known := o.born[r.Slug]; known || o.follow(r).fate == archived {
			continue
		}
		var st syscall.Stat_t
		err := syscall.Lstat(filepath.Join(dir, "mnt", r.Path), &st)
		switch {
		case err == nil && !o.taken(st.Ino, r.Slug):
			o.born[r.Slug] = st.Ino
		case len(r.Orders) > 0 && r.Orders[0].Type == waldursim.Create && r.Orders[0].State == waldursim.Done:
			faults = append(faults, fmt.Sprintf("%s: Waldur was told that it is made, and it was not: %v", r.Slug, err))
		}
	}
	return faults
}

// undone takes in an order that is over and was not carried out, as far as Waldur knows.
func (a *tally) undone(order waldursim.OrderView) {
	switch order.Type {
	case waldursim.Create, waldursim.Terminate:
		a.fate = doubtful
	case waldursim.Update:
		a.cancelled = append(a.cancelled, tera(order.Limits))
	}
}

// limits are those of one group, in KiB and inodes.
type limits struct{ blockSoft, blockHard, inodeSoft, inodeHard uint64 }

// claim is what the proxy asks for a number of terabytes.
func claim(n uint64) limits {
	return limits{blockSoft: n << 30, blockHard: n << 30, inodeSoft: n * 1_330_000, inodeHard: n * 2_000_000}
}

// together is what the claims of one group make. All limits grow with the terabytes, so the largest claim has the largest
// of each.
func (o *oracle) together(claims []int) limits {
	total := 0
	for _, c := range claims {
		if o.shared == "max" {
			total = max(total, c)
		} else {
			total += c
		}
	}
	return claim(uint64(total))
}

// quotas computes the limits of each group. What lies in the archive still belongs to its group and counts. A group with a
// doubtful resource has more than one right answer.
func (o *oracle) quotas(all []waldursim.ResourceView) map[int64][]limits {
	// combinations are the claims that each group may have, one list for each right answer.
	combinations := map[int64][][]int{}
	sure := map[int64]bool{}
	for _, r := range all {
		if _, listed := combinations[*r.GID]; !listed {
			combinations[*r.GID] = [][]int{nil}
		}
		_, made := o.born[r.Slug]
		a := o.follow(r)
		choices := [][]int{nil}
		switch {
		case a.fate == standing:
			choices = [][]int{{a.tera}}
		case a.fate == archived && made:
			choices = [][]int{{a.tera}}
			for _, c := range a.cancelled {
				choices = append(choices, []int{c})
			}
		case a.fate == doubtful:
			choices = append(choices, []int{a.tera})
		}
		sure[*r.GID] = sure[*r.GID] || choices[0] != nil
		combinations[*r.GID] = product(combinations[*r.GID], choices)
	}
	right := map[int64][]limits{}
	for gid, lists := range combinations {
		for _, claims := range lists {
			if sure[gid] {
				right[gid] = append(right[gid], o.together(claims))
			}
		}
	}
	return right
}

// product adds each choice to each list.
func product(lists, choices [][]int) (all [][]int) {
	for _, list := range lists {
		for _, c := range choices {
			all = append(all, slices.Concat(list, c))
		}
	}
	return all
}

// wrong compares a quiet site with what the orders come to.
func (o *oracle) wrong(dir string, all []waldursim.ResourceView) (faults []string) {
	faults = o.sees(dir, all)
	places := directoryPlaces(dir)
	for _, r := range all {
		if fault := o.wrongOrder(r); fault != "" {
			faults = append(faults, r.Slug+": "+fault)
		}
		if fault := o.wrongPlace(dir, r, places); fault != "" {
			faults = append(faults, r.Slug+": "+fault)
		}
	}
	for gid, right := range o.quotas(all) {
		q, err := lfssim.ReadQuota(filepath.Join(dir, "lfs.json"), "test", lfssim.Group, uint32(gid))
		got := limits{q.BlockSoft, q.BlockHard, q.InodeSoft, q.InodeHard}
		if err != nil || !slices.Contains(right, got) {
			faults = append(faults, fmt.Sprintf("group %d has the limits %+v, want one of %+v: %v", gid, got, right, err))
		}
	}
	return faults
}

func (o *oracle) wrongOrder(r waldursim.ResourceView) string { return o.follow(r).open }

// wrongPlace says what is wrong with the directory of a resource.
func (o *oracle) wrongPlace(dir string, r waldursim.ResourceView, places map[uint64][]string) string {
	path := filepath.Join(dir, "mnt", r.Path)
	var st syscall.Stat_t
	err := syscall.Lstat(path, &st)
	born, made := o.born[r.Slug]
	switch o.follow(r).fate {
	case standing:
		if err != nil {
			return "its directory must stand: " + err.Error()
		}
		if st.Ino != born {
			return fmt.Sprintf("another directory has its place: inode %d, was %d, which is now at %q", st.Ino, born, places[born])
		}
		return o.wrongRights(r, st)
	case archived:
		if err == nil && st.Ino == born {
			return "its directory must be archived, and stands"
		}
		if at := places[born]; made && (len(at) != 1 || !strings.Contains(at[0], "/.trash/")) {
			return fmt.Sprintf("its directory must be in the archive, and is at %q", at)
		}
	case absent:
		if err == nil && !o.taken(st.Ino, r.Slug) {
			return "its directory stands, and nobody has approved it"
		}
	}
	return ""
}

// taken reports whether an inode is that of another resource, which may have had the same path.
func (o *oracle) taken(ino uint64, but string) bool {
	for slug, born := range o.born {
		if slug != but && born == ino {
			return true
		}
	}
	return false
}

// wrongRights says in what a directory differs from what was ordered.
func (o *oracle) wrongRights(r waldursim.ResourceView, st syscall.Stat_t) string {
	var mode uint32
	_, err := fmt.Sscanf(o.specs[r.Slug].Permissions, "%o", &mode)
	if st.Mode&syscall.S_IFMT != syscall.S_IFDIR || err != nil || st.Mode&0o7777 != mode || int64(st.Gid) != *r.GID || st.Uid != 0 {
		return fmt.Sprintf("%s has mode %o, owner %d:%d, want %o, 0:%d", r.Path, st.Mode, st.Uid, st.Gid, mode, *r.GID)
	}
	return ""
}

// directoryPlaces finds the places of all directories of the storage, by inode.
func directoryPlaces(dir string) map[uint64][]string {
	places := map[uint64][]string{}
	_ = filepath.WalkDir(filepath.Join(dir, "mnt"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if info, err := os.Lstat(path); err == nil {
			ino := info.Sys().(*syscall.Stat_t).Ino
			places[ino] = append(places[ino], path)
		}
		return nil
	})
	return places
}
