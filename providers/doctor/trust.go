package doctor

import (
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// trust checks the files that root runs or trusts: a user who may write to one can make root do
// anything.
func (e *examination) trust() {
	path, err := filepath.Abs(e.in.ConfigPath)
	if err != nil {
		e.fail("trust", "%v", err)
		return
	}
	paths := []string{path, e.in.State.Dir()}
	if signers := e.in.Config.Approval.AllowedSigners; signers != "" {
		paths = append(paths, signers)
	}
	seen := map[string]bool{}
	look := func(paths []string, trusted func(string, uint32) error) {
		for _, p := range paths {
			if err := trusted(p, uint32(e.in.UID)); err != nil && !seen[err.Error()] {
				seen[err.Error()] = true
				e.fail("trust", "%v", err)
			}
		}
	}
	look(paths, config.Trusted)
	look(e.in.Config.Programs(), config.TrustedProgram)
}
