package loop

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/held"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
)

// Plan files that this version can't use: another version wrote them, or they are damaged. What has
// begun, or has approvals, is kept whatever it is. Only such a file knows what was left unfinished
// as its own, and what people have agreed to.

// ReadUsable reads a plan file that may be approved and applied. why says that this version can't
// use it; err that it could not be read at all, which says nothing about it.
func ReadUsable(files Files, path string) (file *planfile.File, why, err error) {
	data, err := files.Read(path, planfile.MaxSize)
	if err != nil {
		return nil, nil, fmt.Errorf("read plan: %w", err)
	}
	return held.Usable(data, path)
}

// hasApprovals reports whether there are approvals in a plan file, even in one that can't be used.
func hasApprovals(files Files, path string) (bool, error) {
	data, err := files.Read(path, planfile.MaxSize)
	return bytes.Contains(data, []byte("-----BEGIN CSCS-SYNC APPROVAL-----")), err
}

// sayKept says that a file is kept although it can't be used: once, and again when the reason is
// another.
func (r *round) sayKept(what, path string, why error, next string) {
	if r.loop.kept[path] == why.Error() {
		return
	}
	r.loop.kept[path] = why.Error()
	r.loop.log.Warn(what+" can't be used by this version, and is kept", "plan", path, "because",
		why.Error(), "next", next)
}

// keepBegunUnusable keeps a begun plan that can't be used, and keeps everybody from its resources.
// Once the ledger has it as over, because a person has given it up, say, it is of no use.
func (r *round) keepBegunUnusable(path string, why error) error {
	var over bool
	err := r.loop.cfg.Engine.Store.View(func(tx ledger.Tx) error {
		plans, err := tx.Plans()
		if err != nil {
			return err
		}
		for _, p := range plans {
			if canonical.ShortID(p.ID) != strings.TrimSuffix(filepath.Base(path), ".plan") {
				continue
			}
			over = p.Over()
			keys, err := tx.Touched(p.ID)
			if err != nil {
				return err
			}
			for _, k := range keys {
				r.open[k] = r.open[k] || !over
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if over {
		return r.drop(path, why)
	}
	short := strings.TrimSuffix(filepath.Base(path), ".plan")
	r.sayKept("begun plan", path, why,
		"run the cscs-sync that made it, or give it up: cscs-sync state abandon "+short+
			" --reason …")
	return nil
}

// keepHeld reports whether a held plan that can't be used is kept: because of its approvals.
// Without any, it is removed; what it was for is held again.
func (r *round) keepHeld(path string, why error) (bool, error) {
	approved, err := hasApprovals(r.loop.env.Files, path)
	if err != nil {
		return false, err
	}
	if !approved {
		r.loop.log.Warn("removed a held plan that this version can't use; its changes are held again",
			"plan", path, "because", why.Error())
		return false, r.removeHeld(path)
	}
	r.sayKept("held plan with approvals", path, why,
		"its changes are held again in another plan: approve that one, and remove this file")
	return true, nil
}

// pendingPath is where a plan is held: under its short id, unless a file is kept there that this
// version can't use.
func (r *round) pendingPath(core planner.Core) string {
	base := filepath.Join(r.loop.pendingFolder(), canonical.ShortID(canonical.ID(core)))
	path := base + ".plan"
	for n := 2; r.loop.kept[path] != ""; n++ {
		path = base + "-" + planner.Commas(uint64(n)) + ".plan"
	}
	return path
}
