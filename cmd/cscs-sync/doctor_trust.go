package main

import (
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

// trust looks at what root runs or believes: whoever may write there can have anything done.
func (d *doctor) trust() {
	path, err := d.configuration()
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		d.say("FAIL", "trust", "%v", err)
		return
	}
	paths := []string{path, d.store.Dir()}
	for _, sys := range d.cfg.Settings.Systems {
		if sys.Quota.Kind == planner.QuotaLustre && sys.Quota.Client != "ioctl" {
			paths = append(paths, sys.Quota.LFS)
		}
	}
	if to := d.cfg.Run.Notify; to != nil && len(to.Exec) > 0 {
		paths = append(paths, to.Exec[0])
	}
	if signers := d.cfg.Approval.AllowedSigners; signers != "" {
		paths = append(paths, signers)
	}
	seen := map[string]bool{}
	for _, p := range paths {
		if err := config.Trusted(p, uint32(d.uid)); err != nil && !seen[err.Error()] {
			seen[err.Error()] = true
			d.say("FAIL", "trust", "%v", err)
		}
	}
}
