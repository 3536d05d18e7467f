// Package near finds the part of a site on which the plan for a few resources depends: what is at
// their places and around them, who shares their groups and quotas, the tenants and customers
// above, and the records of all of these. A plan of the part is the plan of the whole, as far as
// those resources go, and takes a small part of the time. What [planner.Graph] looks at beside one
// resource decides what belongs to the part, so a rule that looks further must be added here.
package near

import (
	"errors"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Items finds items of the last complete listing.
type Items interface {
	// Around returns the items whose places are at a storage path, inside it, or above it.
	Around(place string) ([]*planner.Item, error)
	// Beside returns the items whose places are directly in a directory.
	Beside(dir string) ([]*planner.Item, error)
	// OfItem returns the items with an item id, of all systems and data types.
	OfItem(id string) ([]*planner.Item, error)
	// OfGroup returns the items to which the proxy gives a group id.
	OfGroup(id uint32) ([]*planner.Item, error)
	// Ordered returns the items that have an order, or a status that only an order gives.
	Ordered() ([]*planner.Item, error)
}

// Site is a whole site, of which a part is sought.
type Site struct {
	Settings *planner.Settings
	Items    Items
	// Listed is a newer listing, of some resources and any tenants and customers.
	Listed []planner.Item
	// Watch has the resources to plan for. All listed resources belong to them.
	Watch map[planner.Key]bool
	// RecordsOf returns all records of an item id.
	RecordsOf func(item string) ([]planner.Record, error)
	// Loose are the records that cannot be found by their items, and perhaps others.
	Loose []planner.Record
	// Archived is the whole archive register, by resource.
	Archived map[planner.Key]planner.Archived
}

// Part is the part of a site on which a plan depends.
type Part struct {
	// Listed and Indexed are the items of the newer listing, and of the last complete one.
	Listed, Indexed []planner.Item
	Records         planner.Records
	// IDs are the numbers of groups, projects and quotas of which everything that has them is in the
	// part.
	IDs map[uint32]bool
}

// most is how many items a part may have. To read more by place, group and id is slower than to
// read everything.
const most = 50_000

// ErrLarge means that so much depends on each other that everything should be read.
var ErrLarge = errors.New("the part is too large")

// Allows reports whether the configuration lets parts be planned for. It does not if something adds
// up or gives away what all resources have, or if not only the proxy decides about groups.
func Allows(s *planner.Settings, overrides []planner.Override) bool {
	for i := range s.Systems {
		if sys := &s.Systems[i]; sys.Overcommit != 0 || sys.Quota.ProjectIDs.IsSet() {
			return false
		}
	}
	for _, o := range overrides {
		if o.GivesGroup() {
			return false
		}
	}
	return s.Parents != planner.ParentsEnforce
}

// Find finds the part.
func Find(site Site) (Part, error) {
	f := newFinder(site)
	for i := range site.Listed {
		if it := &site.Listed[i]; !it.Target.IsBranch() {
			f.settle(it)
		}
	}
	if err := f.begin(); err != nil {
		return Part{}, err
	}
	if err := f.run(); err != nil {
		return Part{}, err
	}
	return f.part()
}
