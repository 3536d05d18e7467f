package config

import "github.com/waldur/cscs-storage-sync/planner"

// Traits returns what the backend that a quota block names can do; nothing for "none".
func Traits(kind string) planner.Traits {
	switch kind {
	case planner.QuotaLustre:
		return planner.Traits{Unit: 1 << 10, Soft: true, Grace: true, MaxSpace: 1 << 60, MaxInodes: 1 << 48}
	}
	return planner.Traits{}
}
