package session

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// memory sets how much garbage there may be while a plan is made. A plan keeps most of what it
// allocates, so Go's own pace, as much garbage as what is in use, would take twice the memory. A
// small heap is collected at that pace, because everything else would go through it again and
// again.
type memory struct {
	stage   string
	percent int
}

const (
	// someGarbage is how much garbage there may be, in bytes, unless a seventh of what is in use is
	// more.
	someGarbage  = 32 << 20
	leastPercent = 15
)

// begin is called when a stage begins. GOGC in the environment wins.
func (m *memory) begin(stage string) {
	if stage == m.stage || os.Getenv("GOGC") != "" {
		return
	}
	m.stage = stage
	if p := percentFor(live()); p != m.percent {
		m.percent = p
		debug.SetGCPercent(p)
	}
}

// percentFor returns how many percent of what is in use are someGarbage: from a seventh to as much
// again.
func percentFor(live uint64) int {
	return int(min(100, max(leastPercent, someGarbage*100/max(1, live))))
}

// live returns the size of what the last collection found in use, in bytes.
func live() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
