package lfssim

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Init creates a state. It replaces an existing one, including limits, usage, project ids and log.
func Init(path string, s State) error {
	if err := s.validate(); err != nil {
		return fmt.Errorf("create state %s: %w", path, err)
	}
	st := &store{path: path, settings: s}
	if err := st.acquire(); err != nil {
		return err
	}
	defer st.close()
	for _, name := range []string{"quota", "inodes", "log"} {
		if err := os.RemoveAll(filepath.Join(st.dir(), name)); err != nil {
			return fmt.Errorf("make state: %w", err)
		}
	}
	return st.saveSettings()
}

// Load reads the settings of a state.
func Load(path string) (State, error) {
	var s State
	err := withStore(path, func(st *store) error {
		s = st.settings
		return nil
	})
	return s, err
}

// Update changes the settings of a state, under its lock.
func Update(path string, change func(*State) error) error {
	return withStore(path, func(st *store) error {
		if err := change(&st.settings); err != nil {
			return err
		}
		if err := st.settings.validate(); err != nil {
			return err
		}
		return st.saveSettings()
	})
}

// SetClock stops the state's clock at a time. The zero time restores the real clock.
func SetClock(path string, t time.Time) error {
	return Update(path, func(s *State) error {
		s.Now = 0
		if !t.IsZero() {
			s.Now = t.Unix()
		}
		return nil
	})
}

// AddFault adds a fault after the existing ones. The first fault that matches applies.
func AddFault(path string, f Fault) error {
	return Update(path, func(s *State) error {
		s.Faults = append(s.Faults, f)
		return nil
	})
}

// Quota is what the servers have of one identity. Blocks are in KiB as lfs shows them, Space is in
// bytes.
type Quota struct {
	Space, Inodes                uint64
	BlockSoft, BlockHard         uint64
	InodeSoft, InodeHard         uint64
	BlockGraceEnd, InodeGraceEnd uint64 // Unix seconds; 0: no grace time runs
	BlockDefault, InodeDefault   bool   // the limits are those of the default quota
	recorded                     bool
}

// Known reports whether the servers have a record of the identity, so that `lfs quota -a` lists it.
func (q Quota) Known() bool { return q.recorded }

// ReadQuota returns what the servers have of an identity, without leaving a trace.
func ReadQuota(path, fs string, t Type, id uint32) (Quota, error) {
	var out Quota
	err := withStore(path, func(st *store) error {
		a, err := (&server{store: st}).read(query{fs: fs, typ: t, id: id}, false)
		out = Quota{
			Space: a.space, Inodes: a.inodes, BlockSoft: a.bsoft, BlockHard: a.bhard,
			InodeSoft: a.isoft, InodeHard: a.ihard,
			BlockGraceEnd: a.btime & timeMask, InodeGraceEnd: a.itime & timeMask,
			BlockDefault: a.blockDefault, InodeDefault: a.inodeDefault,
			recorded: a.blockRecorded || a.inodeRecorded,
		}
		return err
	})
	return out, err
}

// WriteQuota sets limits, grace times and usage as given, without any checks, so that a test can
// prepare what lfs finds. A BlockGraceEnd above 0 is the end of a grace time, which may have
// passed.
func WriteQuota(path, fs string, t Type, id uint32, q Quota) error {
	return withStore(path, func(st *store) error {
		return st.putRecord(fs, "", t, id, record{
			Space: q.Space, Inodes: q.Inodes,
			Block: &half{Soft: q.BlockSoft, Hard: q.BlockHard, Time: q.BlockGraceEnd,
				Default: q.BlockDefault},
			Inode: &half{Soft: q.InodeSoft, Hard: q.InodeHard, Time: q.InodeGraceEnd,
				Default: q.InodeDefault},
		})
	})
}

// SetUsage sets the usage of an identity in bytes and inodes. Grace times start and end
// accordingly.
func SetUsage(path, fs string, t Type, id uint32, space, inodes uint64) error {
	return withStore(path, func(st *store) error {
		return st.use(query{fs: fs, typ: t, id: id}, space, inodes, time.Now())
	})
}

// ProjectOf returns the project id of what is at a path on one of the state's mounts, and whether
// new files in it inherit the id.
func ProjectOf(path, file string) (id uint32, inherit bool, err error) {
	err = withStore(path, func(st *store) error {
		p := &program{srv: &server{store: st}, cwd: "/"}
		real, top, _, err := (&projectRun{prog: p}).place(file)
		if err != nil {
			return err
		}
		rec, err := st.projectOf(real, top)
		id, inherit = rec.ID, rec.Inherit
		return err
	})
	return id, inherit, err
}

// use sets a usage, and starts or ends the grace times of an identity that has a record.
func (s *store) use(q query, space, inodes uint64, now time.Time) error {
	r, err := s.record(q.fs, "", q.typ, q.id)
	if err != nil {
		return err
	}
	r.Space, r.Inodes = space, inodes
	err = s.putRecord(q.fs, "", q.typ, q.id, r)
	if err != nil || r.Block == nil && r.Inode == nil {
		return err
	}
	if s.settings.Now != 0 {
		now = time.Unix(s.settings.Now, 0)
	}
	_, err = (&server{store: s, now: uint64(now.Unix())}).read(q, true)
	return err
}

// withStore calls do while it holds the lock.
func withStore(path string, do func(*store) error) error {
	st, err := openStore(path)
	if err != nil {
		return err
	}
	defer st.close()
	return do(st)
}
