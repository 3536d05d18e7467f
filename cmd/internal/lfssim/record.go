package lfssim

// week is the grace time of a type that was never given one, in seconds.
const week = 7 * 24 * 3600

// The kernel keeps the end of a grace time in the low 48 bits, flags above: bit 48 says "uses the
// default quota".
const (
	timeMask    = 1<<48 - 1
	defaultFlag = 1 << 48
	notifyGrace = 1<<48 - 1 // "notify": never refuse, only warn
)

// record is what the servers keep of one identity, and what it uses.
type record struct {
	Space  uint64 `json:"space,omitempty"`  // used, bytes
	Inodes uint64 `json:"inodes,omitempty"` // used
	Block  *half  `json:"block,omitempty"`  // KiB; nil: there is no record of that kind
	Inode  *half  `json:"inode,omitempty"`
}

// half is one kind of limit, of blocks (KiB) or of inodes.
type half struct {
	Soft    uint64 `json:"soft,omitempty"`
	Hard    uint64 `json:"hard,omitempty"`
	Time    uint64 `json:"time,omitempty"`    // end of the running grace time, Unix seconds; 0: none runs
	Default bool   `json:"default,omitempty"` // uses the default quota
	Deleted bool   `json:"deleted,omitempty"` // reads as 0 until set again, and is not listed
}

// grace holds the grace times of a type, in seconds.
type grace struct {
	Block uint64 `json:"block"`
	Inode uint64 `json:"inode"`
}

// kib rounds bytes up to KiB, as lfs shows them.
func kib(bytes uint64) uint64 {
	n := bytes >> 10
	if bytes&1023 != 0 {
		n++
	}
	return n
}

// tick starts the grace time of an identity over its soft limit and clears it at or below; a
// running one continues.
func (h *half) tick(used, soft, now, graceTime uint64) {
	switch {
	case soft == 0 || used <= soft:
		h.Time = 0
	case h.Time == 0:
		h.Time = now + graceTime
	}
}

// set puts limits in. With a time given (lfs sends the one it has read, when only the hard limit
// changes) the clock continues; without one it starts over, as on the real servers.
func (h *half) set(l limits, used, now, graceTime uint64) {
	h.Soft, h.Hard, h.Default, h.Deleted = l.soft, l.hard, false, false
	h.Time = 0
	if l.keepTime {
		h.Time = l.time & timeMask
	}
	h.tick(used, h.Soft, now, graceTime)
}

// limits is one pair of a setquota.
type limits struct {
	soft, hard uint64
	keepTime   bool
	time       uint64
}
