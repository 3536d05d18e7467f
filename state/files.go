package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// content is a document that is stored unchanged.
type content []byte

// AppendBinary appends the document to b.
func (c content) AppendBinary(b []byte) ([]byte, error) { return append(b, c...), nil }

// UnmarshalBinary stores a copy of the document.
func (c *content) UnmarshalBinary(b []byte) error {
	*c = bytes.Clone(b)
	return nil
}

// File returns a document, and whether it exists.
func (tx *Tx) File(name string) (data []byte, found bool, err error) {
	var c content
	found, err = tx.get(bucketFiles, []byte(name), &c)
	return c, found, err
}

// PutFile stores a document.
func (tx *Tx) PutFile(name string, data []byte) error {
	if !filepath.IsLocal(name) || filepath.Clean(name) != name {
		return fmt.Errorf("state %s: store file %.80q: %w: want a clean relative path", tx.file(), name,
			ledger.ErrUnfit)
	}
	if len(data) > maxReplaced {
		return fmt.Errorf("state %s: store file %s: %w: it has %d bytes, but at most %d are allowed",
			tx.file(), name, ledger.ErrUnfit, len(data), maxReplaced)
	}
	return tx.put(bucketFiles, []byte(name), content(data))
}

// DeleteFile removes a document, and reports whether it existed.
func (tx *Tx) DeleteFile(name string) (existed bool, err error) {
	return tx.del(bucketFiles, []byte(name))
}

// EachFile calls f for each document whose name begins with prefix, in the order of names. f may
// keep data.
func (tx *Tx) EachFile(prefix string, f func(name string, data []byte) error) error {
	return decodeEach(tx, bucketFiles, []byte(prefix), func(name []byte, c content) error {
		return f(string(name), c)
	})
}

// planSuffix is the end of the names of plan files.
const planSuffix = ".plan"

// Files reads and writes the documents of a state by the paths that they would have below the
// state's folder. A document in a folder there, such as pending/ or begun/, is in the state, and
// all nodes see it. A document directly in the state's folder is a file of this node only.
//
// Plans in a folder for which [Files.copied] is true have copies on this node, at these paths, for
// people. Nothing reads the copies: only the plan in the state counts.
type Files struct{ store *Store }

// Files returns the documents of this state.
func (s *Store) Files() *Files { return &Files{s} }

// Dir returns the folder of the state.
func (f *Files) Dir() string { return f.store.dir }

// copied reports whether plans in a folder have copies on this node.
func (f *Files) copied(folder string) bool { return folder == filepath.Join(f.Dir(), "pending") }

// name returns the name in the state of the document with this path, or "" for a file of this node
// only.
func (f *Files) name(path string) string {
	name, err := filepath.Rel(f.Dir(), path)
	if err != nil || !filepath.IsLocal(name) || !strings.Contains(name, "/") {
		return ""
	}
	return name
}

// Plans returns the sorted names of the plan files in a folder. A folder that does not exist has
// none.
func (f *Files) Plans(folder string) (names []string, err error) {
	prefix := f.name(filepath.Join(folder, "x"))
	if prefix == "" {
		return nil, fmt.Errorf("plans in %s: it is not a folder of the state", folder)
	}
	prefix = strings.TrimSuffix(prefix, "x")
	err = f.store.batch(false, func(tx *Tx) error {
		names = nil
		return tx.each(bucketFiles, []byte(prefix), func(key, _ []byte) error {
			if name := string(key[len(prefix):]); strings.HasSuffix(name, planSuffix) {
				names = append(names, name)
			}
			return nil
		})
	})
	return names, err
}

// Read reads a document of at most limit bytes. The error is [fs.ErrNotExist] if it does not exist.
func (f *Files) Read(path string, limit int64) (data []byte, err error) {
	name := f.name(path)
	if name == "" {
		return ReadFile(path, limit)
	}
	found := false
	err = f.store.batch(false, func(tx *Tx) (err error) {
		data, found, err = tx.File(name)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrNotExist}
	case int64(len(data)) > limit:
		return nil, tooLarge(path, int64(len(data)), limit)
	}
	return data, nil
}

// Write writes a document, or a file of this node only to which only root has access. replace gets
// what exists there and may refuse.
func (f *Files) Write(path string, data []byte, replace func(existing []byte) error) error {
	name := f.name(path)
	if name == "" {
		if replace == nil {
			replace = func([]byte) error { return nil }
		}
		return WriteFile(path, data, 0o600, replace)
	}
	err := f.store.batch(true, func(tx *Tx) error {
		old, found, err := tx.File(name)
		if err != nil || found && bytes.Equal(old, data) {
			return err
		}
		if found && replace != nil {
			if err := replace(old); err != nil {
				return fmt.Errorf("write %s: it exists: %w", path, err)
			}
		}
		return tx.PutFile(name, data)
	})
	if err == nil {
		_ = f.copyPlan(path, data) // the state has the document, and Tidy tries again
	}
	return err
}

// Update calls change with a document and replaces the document by the result. If several processes
// update one document at the same time, on any node, each sees what the one before has written. The
// error is [fs.ErrNotExist] if the document does not exist.
func (f *Files) Update(path string, change func(existing []byte) ([]byte, error)) error {
	var data []byte
	err := f.store.batch(true, func(tx *Tx) error {
		name := f.name(path)
		old, found, err := tx.File(name)
		if err == nil && !found {
			err = &fs.PathError{Op: "update", Path: path, Err: fs.ErrNotExist}
		}
		if err == nil {
			data, err = change(old)
		}
		if err != nil {
			return err
		}
		return tx.PutFile(name, data)
	})
	if err == nil {
		_ = f.copyPlan(path, data) // the state has the document, and Tidy tries again
	}
	return err
}

// Remove removes a document and its copy. It is no error if the document does not exist.
func (f *Files) Remove(path string) error {
	if name := f.name(path); name != "" {
		err := f.store.batch(true, func(tx *Tx) error {
			_, err := tx.DeleteFile(name)
			return err
		})
		if err != nil || !f.copied(filepath.Dir(path)) {
			return err
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Exists reports whether a document with this path exists.
func (f *Files) Exists(path string) (found bool, err error) {
	name := f.name(path)
	if name == "" {
		return false, fmt.Errorf("look for %s: it is not in the state", path)
	}
	err = f.store.batch(false, func(tx *Tx) error {
		raw, err := tx.raw(bucketFiles, []byte(name))
		found = raw != nil
		return err
	})
	return found, err
}

// Tidy removes what killed writes have left in a folder, and makes the folder's copies equal to the
// state.
func (f *Files) Tidy(folder string) error {
	err := removeLeftovers(folder, f.store.now())
	if f.copied(folder) {
		_, failed := f.Copy(folder)
		err = errors.Join(err, failed)
	}
	return err
}

// Copy writes those copies of a folder's plans on this node that are missing or different, and
// removes copies of plans that the state no longer has. changed are the copies that somebody
// changed. Those changes are lost, because only the plan in the state counts.
func (f *Files) Copy(folder string) (changed []string, err error) {
	want, err := f.plansOf(folder)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var errs []error
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		isOld := slices.Contains([]string{planSuffix, ".rejected", ".told"}, filepath.Ext(e.Name())) &&
			!strings.HasPrefix(e.Name(), ".")
		data, held := want[e.Name()]
		switch {
		case held && sameFile(path, data):
			delete(want, e.Name())
		case held:
			changed = append(changed, path)
			errs = append(errs, os.Remove(path))
		case isOld && e.Type().IsRegular():
			errs = append(errs, os.Remove(path))
		}
	}
	for name, data := range want {
		errs = append(errs, f.copyPlan(filepath.Join(folder, name), data))
	}
	return changed, errors.Join(errs...)
}

// plansOf returns the plan files of a folder, by their names in it.
func (f *Files) plansOf(folder string) (map[string][]byte, error) {
	names, err := f.Plans(folder)
	plans := map[string][]byte{}
	for _, name := range names {
		data, failed := f.Read(filepath.Join(folder, name), maxReplaced)
		if errors.Is(failed, fs.ErrNotExist) {
			continue // removed in the meantime
		}
		if failed != nil {
			return nil, failed
		}
		plans[name] = data
	}
	return plans, err
}

// sameFile reports whether a regular file has this content.
func sameFile(path string, data []byte) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != int64(len(data)) {
		return false
	}
	is, err := ReadFile(path, int64(len(data)))
	return err == nil && bytes.Equal(is, data)
}

// copyPlan writes the copy of a plan, if plans in its folder have copies.
func (f *Files) copyPlan(path string, data []byte) error {
	folder := filepath.Dir(path)
	if !f.copied(folder) || !strings.HasSuffix(path, planSuffix) {
		return nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("copy of a held plan: %w", err)
	}
	if err := WriteFile(path, data, 0o600, func([]byte) error { return nil }); err != nil {
		return fmt.Errorf("copy of a held plan: %w", err)
	}
	return nil
}

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
		return nil, tooLarge(path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

func tooLarge(path string, size, limit int64) error {
	return &fs.PathError{Op: "read", Path: path,
		Err: fmt.Errorf("it has %d bytes, but at most %d are allowed", size, limit)}
}
