package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/state"
)

// maxRejection bounds such a file.
const maxRejection = 64 << 10

// heldFolder keeps held plans as files, by their short ids.
type heldFolder struct {
	s   *session
	dir string
}

// Waiting reads the plan files. One that this version can't use is not listed, as nobody can approve it; doctor names it.
func (h heldFolder) Waiting() ([]waitingPlan, error) {
	names, err := h.s.store.Files().Plans(h.dir)
	if err != nil {
		return nil, fmt.Errorf("held plans: %w", err)
	}
	waiting := []waitingPlan{}
	for _, name := range names {
		path := filepath.Join(h.dir, name)
		file, why, err := loop.ReadUsable(h.s.store.Files(), path)
		if err != nil {
			return nil, fmt.Errorf("held plans: %w", err)
		}
		if why != nil {
			h.s.app.tell("Warning: held plan %s can't be used: %v", path, why)
			continue
		}
		waiting = append(waiting, summarize(file.Plan, path, len(file.Approvals)))
	}
	slices.SortStableFunc(waiting, func(a, b waitingPlan) int {
		if c := b.Since.Compare(a.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return waiting, nil
}

// Rejected reads the rejections.
func (h heldFolder) Rejected() ([]rejection, error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("rejected plans: %w", err)
	}
	rejected := []rejection{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), loop.RejectedSuffix) {
			continue
		}
		data, err := state.ReadFile(filepath.Join(h.dir, e.Name()), maxRejection)
		if err != nil {
			return nil, fmt.Errorf("rejected plans: %w", err)
		}
		var r rejection
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("rejected plan %s: %w; remove the file to have the plan held again", filepath.Join(h.dir, e.Name()), err)
		}
		rejected = append(rejected, r)
	}
	slices.SortStableFunc(rejected, func(a, b rejection) int { return b.At.Compare(a.At) })
	return rejected, nil
}

// Reject writes the rejection before it removes the plan: a process that is killed between the two leaves both, and the next
// try finds the plan.
func (h heldFolder) Reject(w waitingPlan, r rejection) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("reject %s: %w", w.Name, err)
	}
	any := func([]byte) error { return nil }
	if err := state.WriteFile(loop.RejectedPath(h.dir, r.Plan), append(data, '\n'), fs.FileMode(0o600), any); err != nil {
		return err
	}
	told, err := filepath.Glob(strings.TrimSuffix(w.File, ".plan") + ".*.told")
	if err != nil {
		return fmt.Errorf("reject %s: %w", w.Name, err)
	}
	for _, path := range append([]string{w.File}, told...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reject %s: %w", w.Name, err)
		}
	}
	return nil
}

// Unreject removes the rejection.
func (h heldFolder) Unreject(r rejection) error {
	if err := os.Remove(loop.RejectedPath(h.dir, r.Plan)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("rejection of %s: %w", r.Name, err)
	}
	return nil
}
