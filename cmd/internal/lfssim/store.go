package lfssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// store is the state on disk, held under its kernel lock. Next to the settings file F there is a
// folder F.d:
//
//	F.d/lock                          flock, exclusive for the time of one call
//	F.d/log                           the calls, one JSON object per line, see Call
//	F.d/quota/FS/TYPE/ID.json         limits, timers and usage of one identity; id 0 is the default quota
//	F.d/quota/FS/TYPE/grace.json      the grace times of a type
//	F.d/quota/FS@POOL/TYPE/…          the same for a pool
//	F.d/inodes/DEV-INO.json           the project id of one inode
//
// So a call reads the settings and one or two files of 200 bytes, however many identities there
// are. Every write creates a new file and renames it over the old one, so a killed process leaves
// the old or the new content. Nothing is synced, because a simulation need not survive a power cut.
type store struct {
	path     string // of the settings file
	settings State
	lock     *os.File
}

// openStore takes the lock and reads the settings.
func openStore(path string) (*store, error) {
	s := &store{path: path}
	if err := s.acquire(); err != nil {
		return nil, err
	}
	settings, err := readState(path)
	if err != nil {
		s.close()
		return nil, err
	}
	s.settings = settings
	return s, nil
}

// acquire waits for the lock. The kernel frees the lock when the process ends, in whatever way.
func (s *store) acquire() error {
	if err := os.MkdirAll(s.dir(), 0o755); err != nil {
		return fmt.Errorf("make the state's folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.dir(), "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("open the state's lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("lock the state: %w", err), f.Close())
	}
	s.lock = f
	return nil
}

// close frees the lock.
func (s *store) close() {
	_ = s.lock.Close() // opened only for its lock; nothing was written to it
}

func (s *store) dir() string { return s.path + ".d" }

// saveSettings writes the settings file.
func (s *store) saveSettings() error {
	return writeJSON(s.path, s.settings)
}

// scope returns the name of the folder of a file system, or of one of its pools.
func scope(fsname, pool string) string {
	if pool != "" {
		return fsname + "@" + pool
	}
	return fsname
}

func (s *store) quotaDir(fsname, pool string, t Type) string {
	return filepath.Join(s.dir(), "quota", scope(fsname, pool), string(t))
}

func (s *store) recordPath(fsname, pool string, t Type, id uint32) string {
	return filepath.Join(s.quotaDir(fsname, pool, t), strconv.FormatUint(uint64(id), 10)+".json")
}

// record reads what is stored of an identity. An unknown identity has a zero record.
func (s *store) record(fsname, pool string, t Type, id uint32) (record, error) {
	var r record
	_, err := readJSON(s.recordPath(fsname, pool, t, id), &r)
	return r, err
}

func (s *store) putRecord(fsname, pool string, t Type, id uint32, r record) error {
	return writeJSON(s.recordPath(fsname, pool, t, id), r)
}

// ids lists the identities of a type that have a file, in ascending order.
func (s *store) ids(fsname string, t Type) ([]uint32, error) {
	entries, err := os.ReadDir(s.quotaDir(fsname, "", t))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list quota records: %w", err)
	}
	var ids []uint32
	for _, e := range entries {
		n, err := strconv.ParseUint(strings.TrimSuffix(e.Name(), ".json"), 10, 32)
		if err == nil && strings.HasSuffix(e.Name(), ".json") {
			ids = append(ids, uint32(n))
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// grace reads the grace times of a type. They are a week unless set, and none for the inodes of a
// pool.
func (s *store) grace(fsname, pool string, t Type) (grace, error) {
	g := grace{Block: week, Inode: week}
	if pool != "" {
		g.Inode = 0
	}
	_, err := readJSON(filepath.Join(s.quotaDir(fsname, pool, t), "grace.json"), &g)
	return g, err
}

func (s *store) putGrace(fsname, pool string, t Type, g grace) error {
	return writeJSON(filepath.Join(s.quotaDir(fsname, pool, t), "grace.json"), g)
}

// readJSON reads a small file and reports whether it exists.
func readJSON(path string, into any) (bool, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return false, fmt.Errorf("read state %s: %w", path, err)
	}
	return true, nil
}

// writeJSON replaces a file. The temporary name is always the same, because only the holder of the
// lock writes.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write state %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
