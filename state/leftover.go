package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// leftoverAge is how old a temporary file has to be to count as left over. No write takes as long.
const leftoverAge = time.Hour

// leftover are the names of the temporary files that [WriteFile] and the state make: a killed process leaves them.
var leftover = regexp.MustCompile(`^\.(.+\.plan|state\.db.*|approval\.key|records\.cache|failures\.json)\.[0-9]+$`)

// RemoveLeftovers removes from a folder of the state what killed writes have left in it. Files that somebody else may be
// writing, and all that has another name, stay.
func RemoveLeftovers(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		if !e.Type().IsRegular() || !leftover.MatchString(e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil || now.Sub(info.ModTime()) < leftoverAge {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
