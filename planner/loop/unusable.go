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

// This file handles plan files that this version can't use, because another version wrote them or
// they are damaged. A file that has begun or has approvals is kept in any case: only that file
// knows which unfinished directories are its own, and what people have agreed to.

// ReadUsable reads a plan file that may be approved and applied. why says why this version can't
// use it. err means that the file could not be read at all, which says nothing about its content.
func ReadUsable(files Files, path string) (file *planfile.File, why, err error) {
	data, err := files.Read(path, planfile.MaxSize)
	if err != nil {
		return nil, nil, fmt.Errorf("read plan: %w", err)
	}
	return held.Usable(data, path)
}

// hasApprovals reports whether a plan file has approvals, even if this version can't use it.
func hasApprovals(files Files, path string) (bool, error) {
	data, err := files.Read(path, planfile.MaxSize)
	return bytes.Contains(data, []byte("-----BEGIN CSCS-SYNC APPROVAL-----")), err
}

// sayKept logs that a file is kept although it can't be used: once, and again when the reason
// changes.
func (r *round) sayKept(what, path string, why error, next string) {
	if r.loop.kept[path] == why.Error() {
		return
	}
	r.loop.kept[path] = why.Error()
	r.loop.log.Warn(what+" can't be used by this version, and is kept", "plan", path, "because",
		why.Error(), "next", next)
}

// keepBegunUnusable keeps a begun plan that can't be used, and keeps every other plan from its
// resources. Once the ledger says that the plan is over, for example because a person has given it
// up, the file is removed.
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

// keepHeld reports whether a held plan that can't be used is kept because of its approvals. A plan
// without approvals is removed, and its changes are held again.
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
		"its changes are held again in another plan. Approve that one, then run `cscs-sync held reject "+
			filepath.Base(path)+"`")
	return true, nil
}

// pendingPath returns the path of a held plan. Its name is the plan's short id, unless a file with
// that name is kept that this version can't use.
func (r *round) pendingPath(core planner.Core) string {
	base := filepath.Join(r.loop.pendingFolder(), canonical.ShortID(canonical.ID(core)))
	path := base + ".plan"
	for n := 2; r.loop.kept[path] != ""; n++ {
		path = base + "-" + planner.Commas(uint64(n)) + ".plan"
	}
	return path
}
