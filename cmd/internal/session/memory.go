package session

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// A stage of a plan throws away much of what the stage before it needed, and keeps most of what it
// allocates itself. So garbage is best collected between two stages: there is much of it, and what
// is in use is little. Within a stage, Go's own pace would let a large heap become twice as large
// as what is in use, and a slower pace would look at the same memory again and again.

const (
	// muchGarbage is how much may have been allocated, in bytes, before a stage begins with a
	// collection.
	muchGarbage = 16 << 20
	// looseGarbage is how much garbage a large heap may have within a stage, in bytes, unless a
	// seventh of what is in use is more.
	looseGarbage = 32 << 20
	leastPercent = 15
)

// memory collects garbage between stages.
type memory struct {
	stage   string
	percent int
}

// begin is called when a stage begins. GOGC in the environment wins: Go's own pace stays as it says.
func (m *memory) begin(stage string) {
	if stage == m.stage || os.Getenv("GOGC") != "" {
		return
	}
	m.stage = stage
	inUse, live := heap()
	if inUse-min(live, inUse) >= muchGarbage {
		debug.FreeOSMemory()
		_, live = heap()
	}
	if p := percentFor(live); p != m.percent {
		m.percent = p
		debug.SetGCPercent(p)
	}
}

// percentFor returns how many percent of what is in use are looseGarbage: from a seventh to as much
// again, which is Go's default.
func percentFor(live uint64) int {
	return int(min(100, max(leastPercent, looseGarbage*100/max(1, live))))
}

// heap returns the size of all objects, and of those that the last collection found in use, in
// bytes.
func heap() (inUse, live uint64) {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}
