package providers

// crew is a number of calls under way on one mount, which may have to be left behind.
type crew struct {
	s    *StorageObserver
	name string
	// running and abandoned are guarded by s.mu.
	running   int
	abandoned bool
}

// begin counts n calls on the named mount.
func (s *StorageObserver) begin(name string, n int) *crew {
	return &crew{s: s, name: name, running: n}
}

// end tells that one call came back, and how many are left.
func (c *crew) end() (left int) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.running--
	if c.abandoned {
		c.s.leave(c.name, -1)
	}
	return c.running
}

// abandon leaves behind the calls that have not come back: until they do, their mount hangs.
func (c *crew) abandon() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.abandoned {
		c.abandoned = true
		c.s.leave(c.name, c.running)
	}
}

// leave changes the number of calls left behind on a mount; s.mu is held.
func (s *StorageObserver) leave(name string, n int) {
	if s.left[name] += n; s.left[name] == 0 {
		delete(s.left, name)
	}
}

func (s *StorageObserver) hanging(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left[name]
}

// Hanging counts the calls that were left behind and have not come back, for metrics and doctor.
func (s *StorageObserver) Hanging() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, calls := range s.left {
		n += calls
	}
	return n
}
