package hang

import "sync"

// Count counts the calls that were left behind and have not come back, by what they were made on. The zero value has none.
// Its methods may be called at the same time.
type Count struct {
	mu   sync.Mutex
	left map[string]int
}

// On returns the number of calls on one thing that were left behind and have not come back.
func (c *Count) On(what string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left[what]
}

// All returns the number of all calls that were left behind and have not come back.
func (c *Count) All() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := 0
	for _, n := range c.left {
		all += n
	}
	return all
}

// Begin returns n calls that are about to be made on one thing.
func (c *Count) Begin(what string, n int) *InFlight {
	return &InFlight{count: c, what: what, running: n}
}

// InFlight are calls on one thing, which may have to be left behind together.
type InFlight struct {
	count *Count
	what  string
	// running and abandoned are guarded by count.mu.
	running   int
	abandoned bool
}

// End says that one call has come back, and returns how many have not.
func (f *InFlight) End() (running int) {
	f.count.mu.Lock()
	defer f.count.mu.Unlock()
	f.running--
	if f.abandoned {
		f.count.add(f.what, -1)
	}
	return f.running
}

// Abandon leaves behind the calls that have not come back: until they do, they are counted.
func (f *InFlight) Abandon() {
	f.count.mu.Lock()
	defer f.count.mu.Unlock()
	if !f.abandoned {
		f.abandoned = true
		f.count.add(f.what, f.running)
	}
}

// add changes a number; c.mu is held.
func (c *Count) add(what string, n int) {
	if c.left == nil {
		c.left = map[string]int{}
	}
	if c.left[what] += n; c.left[what] == 0 {
		delete(c.left, what)
	}
}
