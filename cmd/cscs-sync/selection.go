package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// maxSelectionFile bounds a file of globs.
const maxSelectionFile = 1 << 20

// globsOf are the globs of a flag and of the files that go with it.
func globsOf(globs, files []string) ([]string, error) {
	all := append([]string(nil), globs...)
	var errs []error
	for _, path := range files {
		more, err := readGlobs(path)
		errs = append(errs, err)
		all = append(all, more...)
	}
	return all, errors.Join(errs...)
}

// readGlobs reads one glob a line. Empty lines and those that begin with # do not count. A file without any glob is an
// error: it would select everything, or nothing, and neither was meant.
func readGlobs(path string) ([]string, error) {
	data, err := state.ReadFile(path, maxSelectionFile)
	if err != nil {
		return nil, fmt.Errorf("read globs: %w", err)
	}
	var globs []string
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		glob := strings.TrimSpace(line)
		if glob == "" || strings.HasPrefix(glob, "#") {
			continue
		}
		if err := planner.CheckGlob(glob); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", render.Escape(path), n, err)
		}
		globs = append(globs, glob)
	}
	if len(globs) == 0 {
		return nil, fmt.Errorf("%s has no globs: want one a line", render.Escape(path))
	}
	return globs, nil
}
