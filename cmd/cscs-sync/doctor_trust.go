package main

import (
	"path/filepath"

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
	if signers := d.cfg.Approval.AllowedSigners; signers != "" {
		paths = append(paths, signers)
	}
	seen := map[string]bool{}
	look := func(paths []string, trusted func(string, uint32) error) {
		for _, p := range paths {
			if err := trusted(p, uint32(d.uid)); err != nil && !seen[err.Error()] {
				seen[err.Error()] = true
				d.say("FAIL", "trust", "%v", err)
			}
		}
	}
	look(paths, config.Trusted)
	look(d.cfg.Programs(), config.TrustedProgram)
}
