package hang

import "sync"

// Count counts the calls that were abandoned and have not returned, by target. The zero value
// counts none. Its methods are safe for concurrent use.
type Count struct {
	mu   sync.Mutex
	left map[string]int
}

// On returns the number of calls on a target that were abandoned and have not returned.
func (c *Count) On(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left[what]
}

// All returns the number of all calls that were abandoned and have not returned.
func (c *Count) All() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := 0
	for _, n := range c.left {
		all += n
	}
	return all
}

// Begin returns n calls that are about to be made on a target.
func (c *Count) Begin(what string, n int) *InFlight {
	return &InFlight{count: c, what: what, running: n}
}

// InFlight is a number of calls on one target that may have to be abandoned together.
type InFlight struct {
	count *Count
	what  string
	// running and abandoned are guarded by count.mu.
	running   int
	abandoned bool
}

// End notes that one call has returned, and returns how many have not.
func (f *InFlight) End() (running int) {
	f.count.mu.Lock()
	defer f.count.mu.Unlock()
	f.running--
	if f.abandoned {
		f.count.add(f.what, -1)
	}
	return f.running
}

// Abandon counts the calls that have not returned, until they do.
func (f *InFlight) Abandon() {
	f.count.mu.Lock()
	defer f.count.mu.Unlock()
	if !f.abandoned {
		f.abandoned = true
		f.count.add(f.what, f.running)
	}
}

// add changes the number of a target's calls. The caller holds c.mu.
func (c *Count) add(what string, n int) {
	if c.left == nil {
		c.left = map[string]int{}
	}
	if c.left[what] += n; c.left[what] == 0 {
		delete(c.left, what)
	}
}
