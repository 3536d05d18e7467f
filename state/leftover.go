package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// leftoverAge is how old a temporary file must be to count as left over. No write takes that long.
const leftoverAge = time.Hour

// leftover matches the names of the temporary files of [WriteFile] and the state, which a killed
// process leaves behind.
var leftover = regexp.MustCompile(
	`^\.(.+\.plan|state\.db.*|approval\.key|records\.cache|failures\.json)\.[0-9]+$`)

// removeLeftovers removes files that killed writes left in a folder of the state. It keeps files
// that another process may still be writing, and all files with other names.
func removeLeftovers(dir string, now time.Time) error {
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
