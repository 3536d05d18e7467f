package lfssim

// week is the grace time in seconds of a type for which none was set.
const week = 7 * 24 * 3600

// The kernel stores the end of a grace time in the low 48 bits, and flags above them. Bit 48 means
// "uses the default quota".
const (
	timeMask    = 1<<48 - 1
	defaultFlag = 1 << 48
	notifyGrace = 1<<48 - 1 // "notify": never refuse, only warn
)

// record is what the servers store of one identity, and its usage.
type record struct {
	Space  uint64 `json:"space,omitempty"`  // used, bytes
	Inodes uint64 `json:"inodes,omitempty"` // used
	Block  *half  `json:"block,omitempty"`  // KiB; nil: there is no record of that kind
	Inode  *half  `json:"inode,omitempty"`
}

// half has the limits of one kind: blocks (KiB) or inodes.
type half struct {
	Soft uint64 `json:"soft,omitempty"`
	Hard uint64 `json:"hard,omitempty"`
	// Time is the end of the running grace time in Unix seconds; 0 means that none runs.
	Time    uint64 `json:"time,omitempty"`
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

// tick starts the grace time of an identity over its soft limit, and clears it otherwise. A running
// grace time continues.
func (h *half) tick(used, soft, now, graceTime uint64) {
	switch {
	case soft == 0 || used <= soft:
		h.Time = 0
	case h.Time == 0:
		h.Time = now + graceTime
	}
}

// set sets limits. If a time is given, the clock continues; lfs sends the time that it has read if
// only the hard limit changes. Without a time the clock starts over, as on the real servers.
func (h *half) set(l limits, used, now, graceTime uint64) {
	h.Soft, h.Hard, h.Default, h.Deleted = l.soft, l.hard, false, false
	h.Time = 0
	if l.keepTime {
		h.Time = l.time & timeMask
	}
	h.tick(used, h.Soft, now, graceTime)
}

// limits is one soft and hard limit of a setquota.
type limits struct {
	soft, hard uint64
	keepTime   bool
	time       uint64
}
