package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files are the plan files, and other files of a loop, in the folder of a state.
type Files struct {
	dir string
	now func() time.Time
}

// Files are those of this state.
func (s *Store) Files() *Files { return &Files{s.dir, s.options.Now} }

// Dir is the folder of the state.
func (f *Files) Dir() string { return f.dir }

// Plans are the names of the plan files in a folder, sorted; a folder that does not exist has none.
func (f *Files) Plans(folder string) (names []string, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), ".plan") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Read is [ReadFile].
func (f *Files) Read(path string, limit int64) ([]byte, error) { return ReadFile(path, limit) }

// Write writes a file for root alone, and makes its folder; replace may refuse the file that is there.
func (f *Files) Write(path string, data []byte, replace func(existing []byte) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if replace == nil {
		replace = func([]byte) error { return nil }
	}
	return WriteFile(path, data, fs.FileMode(0o600), replace)
}

// Remove removes a file; one that is not there is no error.
func (f *Files) Remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Exists reports whether there is something with this name.
func (f *Files) Exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Tidy removes what killed writes have left in a folder.
func (f *Files) Tidy(folder string) error { return RemoveLeftovers(folder, f.now()) }

// ReadFile reads a regular file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if info.Size() > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%d bytes, more than the %d allowed", info.Size(), limit)}
	}
	return os.ReadFile(path)
}
