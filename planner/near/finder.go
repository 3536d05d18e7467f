package near

import (
	"slices"
	"sort"

	"github.com/waldur/cscs-storage-sync/planner"
)

// finder collects the part. Items wait in queues for what depends on them to be found.
type finder struct {
	Site
	// branches are the listed tenants and customers by key, and places are their places, sorted.
	branches map[planner.Key]*planner.Item
	places   []placed
	// resources are the keys of the listed resources.
	resources map[planner.Key]bool
	// indexed are the items of the index in the part, and listed the tenants and customers that only
	// the newer listing has.
	indexed map[identity]*planner.Item
	listed  map[planner.Key]bool
	records map[planner.Key]planner.Record
	// loose are the keys of the records that may not go with their items, and looseAt the same by
	// storage path.
	loose   map[planner.Key]bool
	looseAt map[string][]planner.Key
	// archived are the keys of the archive register, by item id.
	archived map[string][]planner.Key
	ids      map[uint32]bool
	// items are those whose records and branches are to be found, and settled those whose verdict
	// counts too.
	items, settled []*planner.Item
	isSettled      map[identity]bool
	// ofItem are the records that were looked up, by item id, and isAsked the places.
	ofItem  map[string][]planner.Record
	isAsked map[string]bool
}

func newFinder(site Site) *finder {
	f := &finder{Site: site, branches: map[planner.Key]*planner.Item{},
		resources: map[planner.Key]bool{},
		indexed:   map[identity]*planner.Item{}, listed: map[planner.Key]bool{},
		records: map[planner.Key]planner.Record{}, loose: map[planner.Key]bool{},
		looseAt: map[string][]planner.Key{}, archived: map[string][]planner.Key{},
		ids:       map[uint32]bool{},
		isSettled: map[identity]bool{},
		ofItem:    map[string][]planner.Record{}, isAsked: map[string]bool{}}
	for i := range site.Listed {
		it := &site.Listed[i]
		if !it.Target.IsBranch() {
			f.resources[it.Key] = true
			continue
		}
		f.branches[it.Key] = it
		if place, ok := site.Settings.PlaceOf(it); ok {
			f.places = append(f.places, placed{place, it})
		}
	}
	slices.SortFunc(f.places, func(a, b placed) int {
		return planner.ComparePaths(a.place, b.place)
	})
	for _, r := range site.Loose {
		f.records[r.Key], f.loose[r.Key] = r, true
		f.looseAt[r.Storage] = append(f.looseAt[r.Storage], r.Key)
	}
	for k := range site.Archived {
		f.archived[k.Item] = append(f.archived[k.Item], k)
	}
	return f
}

// placed is a tenant or customer with its place.
type placed struct {
	place string
	item  *planner.Item
}

// identity distinguishes items: by their keys, and those that have none by their places in memory.
type identity struct {
	key      planner.Key
	nameless *planner.Item
}

func identityOf(it *planner.Item) identity {
	if it.Key.Item == "" {
		return identity{nameless: it}
	}
	return identity{key: it.Key}
}

// begin adds what no other item leads to: those with an order, because an order belongs to one
// resource only; those without an id, which are above everything that names nothing above it; the
// watched resources that are not listed any more; and the tenants and customers with a directory
// that an apply left unfinished.
func (f *finder) begin() error {
	ordered, err := f.Items.Ordered()
	if err != nil {
		return err
	}
	f.include(slices.DeleteFunc(ordered,
		func(it *planner.Item) bool { return it.Key.Item == "" })...)
	nameless, err := f.Items.OfItem("")
	if err != nil {
		return err
	}
	f.include(nameless...)
	for k, it := range f.branches {
		if k.Item != "" && len(it.URLs) == 0 {
			continue
		}
		if _, err := f.item(k); err != nil {
			return err
		}
	}
	for k, is := range f.Watch {
		if !is || f.branches[k] != nil && !f.records[k].Unfinished {
			continue
		}
		if err := f.settleItem(k); err != nil {
			return err
		}
	}
	return nil
}

// include adds items of the index to the part.
func (f *finder) include(items ...*planner.Item) {
	for _, it := range items {
		if id := identityOf(it); f.indexed[id] == nil {
			f.indexed[id] = it
			f.items = append(f.items, it)
		}
	}
}

// includeListed adds a tenant or customer that only the newer listing has.
func (f *finder) includeListed(it *planner.Item) {
	if !f.listed[it.Key] {
		f.listed[it.Key] = true
		f.items = append(f.items, it)
	}
}

// settle adds an item to the part whose verdict counts.
func (f *finder) settle(it *planner.Item) {
	if id := identityOf(it); !f.isSettled[id] {
		f.isSettled[id] = true
		f.settled = append(f.settled, it)
		f.items = append(f.items, it)
	}
}

// item adds the item with a key to the part, which may be in the index or only in the newer
// listing, and returns it. It also adds the item under the keys of other systems, because a record
// or an entry of the archive register follows its resource when the system is renamed.
func (f *finder) item(k planner.Key) (all []*planner.Item, err error) {
	found, err := f.Items.OfItem(k.Item)
	isIndexed := false
	for _, it := range found {
		if it.Key.DataType == k.DataType {
			isIndexed = isIndexed || it.Key == k
			f.include(it)
			all = append(all, it)
		}
	}
	if it := f.branches[k]; it != nil && !isIndexed {
		f.includeListed(it)
		all = append(all, it)
	}
	return all, err
}

// settleItem adds the item with a key, whose verdict counts.
func (f *finder) settleItem(k planner.Key) error {
	found, err := f.item(k)
	for _, it := range found {
		f.settle(it)
	}
	return err
}

// run follows everything until nothing new is found.
func (f *finder) run() error {
	for len(f.items)+len(f.settled) > 0 {
		if len(f.indexed) > most {
			return ErrLarge
		}
		if n := len(f.items); n > 0 {
			it := f.items[n-1]
			f.items = f.items[:n-1]
			if err := f.follow(it); err != nil {
				return err
			}
			continue
		}
		n := len(f.settled)
		it := f.settled[n-1]
		f.settled = f.settled[:n-1]
		if err := f.surround(it); err != nil {
			return err
		}
	}
	return nil
}

// follow adds the records of an item and what is above it.
func (f *finder) follow(it *planner.Item) error {
	if err := f.recorded(it); err != nil {
		return err
	}
	if above := it.Above(); above.Item != "" && f.indexed[identity{key: above}] == nil &&
		!f.listed[above] {
		_, err := f.item(above)
		return err
	}
	return nil
}

// recorded adds the records of an item, and the items with the keys under which it is recorded or
// archived: its system may have been renamed.
func (f *finder) recorded(it *planner.Item) error {
	if _, asked := f.ofItem[it.Key.Item]; asked {
		return nil
	}
	records, err := f.RecordsOf(it.Key.Item)
	if err != nil {
		return err
	}
	f.ofItem[it.Key.Item] = records
	keys := slices.Clone(f.archived[it.Key.Item])
	for _, r := range records {
		f.records[r.Key] = r
		keys = append(keys, r.Key)
	}
	for _, k := range keys {
		if k == it.Key {
			continue
		}
		if _, err := f.item(k); err != nil {
			return err
		}
	}
	return nil
}

// surround adds what an item whose verdict counts meets at its place, and, if there is a plan for
// it, beside it and under its ids.
func (f *finder) surround(it *planner.Item) error {
	place, hasPlace := f.Settings.PlaceOf(it)
	if hasPlace {
		if err := f.around(place); err != nil {
			return err
		}
	}
	if it.Target.IsBranch() || !f.watches(it.Key) {
		return nil
	}
	if hasPlace {
		if err := f.beside(place); err != nil {
			return err
		}
	}
	return f.claims(it)
}

func (f *finder) watches(k planner.Key) bool { return f.Watch[k] || f.resources[k] }

// around adds what is at a place, inside it, or above it. A resource above it counts only if it may
// have its own place, which depends on everything inside that. A resource that is only recorded at
// the place claims the quota there unless it counts elsewhere.
func (f *finder) around(place string) error {
	if f.isAsked[place] {
		return nil
	}
	f.isAsked[place] = true
	found, err := f.Items.Around(place)
	if err != nil {
		return err
	}
	f.include(found...)
	for _, it := range found {
		at, _ := f.Settings.PlaceOf(it)
		if !it.Target.IsBranch() && it.Status != planner.StatusRemoved && planner.Inside(place, at) {
			f.settle(it)
		}
	}
	for _, k := range f.looseAt[place] {
		if err := f.settleItem(k); err != nil {
			return err
		}
	}
	for _, b := range f.branchesAround(place) {
		if _, err := f.item(b.Key); err != nil {
			return err
		}
	}
	return nil
}

// branchesAround returns the listed tenants and customers at a place, inside it, or above it.
func (f *finder) branchesAround(place string) (found []*planner.Item) {
	for at, ok := place, true; ok; at, ok = planner.ParentOf(at) {
		i := sort.Search(len(f.places), func(i int) bool {
			return planner.ComparePaths(f.places[i].place, at) >= 0
		})
		for ; i < len(f.places) && (f.places[i].place == at ||
			at == place && planner.Inside(f.places[i].place, at)); i++ {
			found = append(found, f.places[i].item)
		}
	}
	return found
}

// claims adds everything that has a group, project or quota id of a resource: as it is wanted,
// recorded or archived.
func (f *finder) claims(it *planner.Item) error {
	ids := map[uint32]bool{}
	if it.HasGID && it.GID >= 0 && it.GID <= int64(^uint32(0)) {
		ids[uint32(it.GID)] = true
	}
	for i := range f.ofItem[it.Key.Item] {
		add(ids, f.ofItem[it.Key.Item][i].IDs())
	}
	for _, k := range f.archived[it.Key.Item] {
		a := f.Archived[k]
		add(ids, a.IDs())
	}
	for id := range ids {
		if err := f.id(id); err != nil {
			return err
		}
	}
	return nil
}

func add(ids map[uint32]bool, some [3]uint32) {
	for _, id := range some {
		ids[id] = true
	}
}

// id adds everything that has an id.
func (f *finder) id(id uint32) error {
	if f.ids[id] {
		return nil
	}
	f.ids[id] = true
	found, err := f.Items.OfGroup(id)
	if err != nil {
		return err
	}
	f.include(found...)
	for _, it := range found {
		f.settle(it)
	}
	for i := range f.Loose {
		if r := &f.Loose[i]; has(r.IDs(), id) {
			if err := f.settleItem(r.Key); err != nil {
				return err
			}
		}
	}
	for k, a := range f.Archived {
		if has(a.IDs(), id) {
			if err := f.settleItem(k); err != nil {
				return err
			}
		}
	}
	return nil
}

func has(ids [3]uint32, id uint32) bool { return ids[0] == id || ids[1] == id || ids[2] == id }

// part returns what was found.
func (f *finder) part() (p Part, err error) {
	for i := range f.Listed {
		if it := &f.Listed[i]; !it.Target.IsBranch() || f.listed[it.Key] {
			p.Listed = append(p.Listed, *it)
		}
	}
	for _, it := range f.indexed {
		p.Indexed = append(p.Indexed, *it)
	}
	records := make([]planner.Record, 0, len(f.records))
	for _, r := range f.records {
		records = append(records, r)
	}
	p.Records, err = planner.PackRecords(records...)
	p.IDs = f.ids
	return p, err
}
