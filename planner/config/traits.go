package config

import "github.com/waldur/cscs-storage-sync/planner"

// Traits returns what the backend of a quota block can do on a filesystem; nothing for "none".
// Tests check that the clients agree.
func Traits(kind, filesystem string) planner.Traits {
	t := planner.Traits{Unit: 1 << 10, Soft: true, Grace: true, MaxSpace: 1 << 60,
		MaxInodes: 1 << 48}
	switch kind {
	case planner.QuotaLustre:
	case planner.QuotaLinux:
		if filesystem == "xfs" {
			t.Unit, t.KeepsClock = 4<<10, true // with blocks of the usual size
		}
	// VAST does not document what becomes of a clock, nor of the quota of a directory that is moved.
	case planner.QuotaVAST:
		t.Unit, t.NeedsDirectory, t.Async = 1, true, true
	default:
		return planner.Traits{}
	}
	return t
}
