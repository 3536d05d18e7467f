// Package backends is the registry of quota backends. To add a backend, write a package and add a
// line here.
package backends

import (
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/linux"
	"github.com/waldur/cscs-storage-sync/providers/quota/lustre"
	"github.com/waldur/cscs-storage-sync/providers/quota/vast"
)

// All returns the backends, by the label of their quota block.
func All() map[string]quota.Open {
	return map[string]quota.Open{
		planner.QuotaLustre: lustre.Open,
		planner.QuotaLinux:  linux.Open,
		planner.QuotaVAST:   vast.Open,
	}
}
