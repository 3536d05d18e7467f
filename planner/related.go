package planner

// Related returns the items without the tenants and customers that have nothing to do with the
// resources among them: they are above none of them, and none has its place at or around theirs.
// Without an order to carry out, they change nothing in a plan, and a listing by status has all
// tenants and customers of the site. Those for which keep returns true stay.
func Related(s *Settings, items []Item, keep func(Key) bool) []Item {
	resources := map[string]bool{}
	above := map[Key]bool{}
	for i := range items {
		if it := &items[i]; !it.Target.IsBranch() {
			above[it.Above()] = true
			if path, ok := s.PlaceOf(it); ok {
				resources[path] = true
			}
		}
	}
	for range maxLevels - 1 { // what is above those above
		for i := range items {
			if it := &items[i]; it.Target.IsBranch() && above[it.Key] {
				above[it.Above()] = true
			}
		}
	}
	var some []Item
	for i := range items {
		it := &items[i]
		if !it.Target.IsBranch() || above[it.Key] || keep(it.Key) || s.isWithin(it, resources) {
			some = append(some, *it)
		}
	}
	return some
}

// Above returns the key of the tenant or customer above an item.
func (it *Item) Above() Key {
	return Key{Item: it.Parent, System: it.Key.System, DataType: it.Key.DataType}
}

// PlaceOf returns the storage path of an item; false if it can have none.
func (s *Settings) PlaceOf(it *Item) (string, bool) {
	sys := s.systemOf(it.Key.System)
	if sys == nil || checkMountPath(it.MountPath) != "" {
		return "", false
	}
	return sys.storagePath(it.MountPath)
}

// isWithin reports whether an item's place is one of some paths, or inside one.
func (s *Settings) isWithin(it *Item, paths map[string]bool) bool {
	if len(paths) == 0 {
		return false
	}
	path, ok := s.PlaceOf(it)
	for ; ok; path, ok = ParentOf(path) {
		if paths[path] {
			return true
		}
	}
	return false
}
