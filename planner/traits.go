package planner

// Traits are what a quota backend can do on one system, as it is configured there. The planner
// decides by them, never by the name of a backend.
type Traits struct {
	// Unit is what space limits are whole multiples of. Wishes are rounded down to it.
	Unit Bytes
	// Soft and Grace report whether there are soft limits, and grace periods after which they are
	// enforced.
	Soft, Grace bool
	// KeepsClock reports whether a running grace clock survives a change of the hard limit.
	KeepsClock bool
	// NeedsDirectory reports whether a limit can only be set once the directory exists.
	NeedsDirectory bool
	// FollowsRename reports whether the limit stays with the directory when it is archived.
	FollowsRename bool
	// Async reports whether the backend may still be working on a change when the call returns.
	Async bool
	// MaxSpace and MaxInodes are the greatest limits that can be set.
	MaxSpace  Bytes
	MaxInodes Inodes
}

// most is the greatest limit of an attribute that can be set.
func (t *Traits) most(a Attribute) uint64 {
	if a.IsSpace() {
		return uint64(t.MaxSpace)
	}
	return uint64(t.MaxInodes)
}

// roundDown is the limit as it can be set: space in whole units.
func (t *Traits) roundDown(a Attribute, l Limit) Limit {
	if a.IsSpace() && t.Unit > 1 {
		l.n -= l.n % uint64(t.Unit)
	}
	return l
}
