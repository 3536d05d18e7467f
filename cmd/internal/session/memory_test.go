package session

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestGarbageBetweenStages: a stage begins with a collection if the one before left much garbage, and GOGC turns that off.
func TestGarbageBetweenStages(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	collections := func(m *memory, stage string) uint32 {
		var before, after runtime.MemStats
		debug.SetGCPercent(-1) // nothing is collected in between
		kept = make([]byte, 2*muchGarbage)
		kept = nil
		runtime.ReadMemStats(&before)
		m.begin(stage)
		runtime.ReadMemStats(&after)
		return after.NumGC - before.NumGC
	}
	var m memory
	for _, c := range []struct {
		gogc, stage string
		collects    bool
	}{{"", "listing", true}, {"", "listing", false}, {"", "planning", true}, {"50", "observing", false}} {
		t.Setenv("GOGC", c.gogc)
		if n := collections(&m, c.stage); n > 0 != c.collects {
			t.Errorf("GOGC=%s, %s: %d collections", c.gogc, c.stage, n)
		}
	}
}

var kept []byte // what is kept here is on the heap

// TestPercentFor: a small heap is collected at Go's own pace, and a large one when a seventh of it is garbage.
func TestPercentFor(t *testing.T) {
	for inUse, want := range map[uint64]int{0: 100, 1 << 20: 100, 64 << 20: 50, 1 << 30: 15, 1 << 40: 15} {
		if got := percentFor(inUse); got != want {
			t.Errorf("%d bytes in use: %d percent, want %d", inUse, got, want)
		}
	}
}
