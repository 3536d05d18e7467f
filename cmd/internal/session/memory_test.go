package session

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestPercentFor: a small heap is collected at Go's own pace, and a large one when a seventh of it is garbage.
func TestPercentFor(t *testing.T) {
	for inUse, want := range map[uint64]int{0: 100, 1 << 20: 100, 64 << 20: 50, 1 << 30: 15, 1 << 40: 15} {
		if got := percentFor(inUse); got != want {
			t.Errorf("%d bytes in use: %d percent, want %d", inUse, got, want)
		}
	}
}

// TestPaceOfALargeHeap: a stage that begins with a large heap has little garbage, later ones follow what is in use, and GOGC
// wins.
func TestPaceOfALargeHeap(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	pace := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	large := make([]byte, 256<<20)
	runtime.GC()
	var m memory
	m.begin("planning")
	if p := pace(); p != leastPercent {
		t.Errorf("with a large heap: %d percent", p)
	}
	runtime.KeepAlive(large)
	large = nil
	runtime.GC()
	m.begin("listing")
	if p := pace(); p != 100 {
		t.Errorf("with a small heap: %d percent", p)
	}
	debug.SetGCPercent(77)
	t.Setenv("GOGC", "77")
	m.begin("planning")
	if p := pace(); p != 77 {
		t.Errorf("with GOGC: %d percent", p)
	}
}
