// Package configfiles finds the files of a configuration, and creates those of a new one.
package configfiles

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/state"
)

// maxFile is the largest size of a configuration file in bytes.
const maxFile = 1 << 20

// Of returns the file at path, or, if path is a folder, its files that are read as configuration.
func Of(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if config.IsPart(e.Name()) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	return files, nil
}

// Read reads a file of a configuration.
func Read(path string) ([]byte, error) {
	src, err := state.ReadFile(path, maxFile)
	var named *fs.PathError
	if err != nil && !errors.As(err, &named) {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return src, err
}

// File is a file of a new configuration.
type File struct {
	Path string
	Data []byte
}

// New returns the files of a new configuration in a folder. They are the commented template, or
// with from, the conversion of the Python agent's YAML. notes are for the person who reads the
// result.
func New(dir, from string) (files []File, notes []string, err error) {
	first := File{filepath.Join(dir, "cscs-sync.hcl"), []byte(config.Template())}
	if from == "" {
		return []File{first}, nil, nil
	}
	src, err := state.ReadFile(from, maxFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read the agent's configuration: %w", err)
	}
	converted, err := config.FromYAML(src, disk{})
	if err != nil {
		return nil, nil, fmt.Errorf("convert %s: %w", from, err)
	}
	first.Data = []byte(converted.HCL)
	files = []File{first}
	for _, s := range converted.Secrets {
		files = append(files, File{filepath.Join(dir, s.Name), []byte(s.Value.Reveal() + "\n")})
	}
	return files, converted.Notes, nil
}

// disk tells the conversion which directories exist.
type disk struct{}

// IsDir reports whether a path is a directory, or may be one because it cannot be read. Then a
// person has to choose.
func (disk) IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || err != nil && !errors.Is(err, fs.ErrNotExist)
}

// Write writes new files with mode 0600, and calls wrote after each. It overwrites nothing. The
// error names everything that is in the way.
func Write(dir string, files []File, wrote func(path string) error) error {
	var errs []error
	for _, f := range files {
		if _, err := os.Lstat(f.Path); err == nil {
			errs = append(errs, fmt.Errorf("%s exists, and init overwrites nothing: choose another "+
				"folder, or move the file away", f.Path))
		} else if !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", dir, err)
	}
	for _, f := range files {
		if err := state.WriteFile(f.Path, f.Data, 0o600, nil); err != nil {
			return err
		}
		if err := wrote(f.Path); err != nil {
			return err
		}
	}
	return nil
}
