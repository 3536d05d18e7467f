package planner

// Traits say what a quota backend can do on one system, as it is configured there. The planner
// decides by them, never by the name of a backend.
type Traits struct {
	// Unit is the unit of space limits: each is a whole multiple of it. Wishes are rounded down to it.
	Unit Bytes
	// Soft reports whether there are soft limits, and Grace whether they are enforced after a grace
	// period.
	Soft, Grace bool
	// KeepsClock reports whether a running grace clock survives a change of the hard limit.
	KeepsClock bool
	// NeedsDirectory reports whether a limit can be set only once the directory exists.
	NeedsDirectory bool
	// FollowsRename reports whether the limit stays with the directory when that is archived.
	FollowsRename bool
	// Async reports whether the backend may still be working on a change when the call returns.
	Async bool
	// MaxSpace and MaxInodes are the largest limits that can be set.
	MaxSpace  Bytes
	MaxInodes Inodes
}

// most returns the largest limit of an attribute that can be set.
func (t *Traits) most(a Attribute) uint64 {
	if a.IsSpace() {
		return uint64(t.MaxSpace)
	}
	return uint64(t.MaxInodes)
}

// roundDown returns the limit as it can be set: space in whole units.
func (t *Traits) roundDown(a Attribute, l Limit) Limit {
	n, ok := l.Number()
	if !ok || !a.IsSpace() || t.Unit <= 1 {
		return l
	}
	return limitOf(n - n%uint64(t.Unit))
}
