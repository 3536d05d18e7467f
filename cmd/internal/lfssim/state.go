package lfssim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Type is a kind of quota identity, spelled as lfs spells it in its titles.
type Type string

// The three kinds of quota identity.
const (
	User    Type = "usr"
	Group   Type = "grp"
	Project Type = "prj"
)

// letter is u, g or p: the letter before "id" in lfs's titles.
func (t Type) letter() string { return string(t[0]) }

// State is the settings file, which describes the simulated machine. Limits, usage and timers are
// not in it. They change with every call and are stored next to it, in one small file for each
// identity (see store).
type State struct {
	Release string `json:"release"` // "2.15.8" or "2.17.57"
	// Mounts are in the order in which lfs lists them.
	Mounts []Mount `json:"mounts"`
	// Filesystems are by name. One that is absent has 1 MDT and 2 OSTs.
	Filesystems map[string]Filesystem `json:"filesystems,omitempty"`
	// Names replaces /etc/passwd, /etc/group and /etc/projid.
	Names Names `json:"names,omitzero"`
	// Now is the clock in Unix seconds; 0 means the real clock.
	Now int64 `json:"now,omitempty"`
	// AsRoot means that every caller may do what root may.
	AsRoot bool    `json:"as_root,omitempty"`
	Faults []Fault `json:"faults,omitempty"`
}

// Mount is a directory that lfs treats as a Lustre mount point.
type Mount struct {
	Path string `json:"path"` // absolute
	FS   string `json:"fs"`   // the file system's name; mounts of one name share their quotas
}

// Filesystem describes the servers of one file system.
type Filesystem struct {
	MDTs  int    `json:"mdts,omitempty"` // 0 means 1
	OSTs  int    `json:"osts,omitempty"` // 0 means 2
	Pools []Pool `json:"pools,omitempty"`
	// Lost are the targets that do not answer: "OST0001", "MDT0000".
	Lost []string `json:"lost,omitempty"`
	// NoProjectQuota means that the targets lack project quota: EOPNOTSUPP.
	NoProjectQuota bool `json:"no_project_quota,omitempty"`
}

// Pool is an OST pool.
type Pool struct {
	Name string `json:"name"`
	OSTs []int  `json:"osts"`
}

// Names maps names to ids. root is known as 0 without being listed.
type Names struct {
	Users    map[string]uint32 `json:"users,omitempty"`
	Groups   map[string]uint32 `json:"groups,omitempty"`
	Projects map[string]uint32 `json:"projects,omitempty"`
}

// validate returns an error for a state that no run could use.
func (s State) validate() error {
	if _, err := releaseOf(s.Release); err != nil {
		return err
	}
	for _, m := range s.Mounts {
		if !filepath.IsAbs(m.Path) {
			return fmt.Errorf("mount %q: the path must be absolute", m.Path)
		}
		if !plainName(m.FS) {
			return fmt.Errorf("mount %s: file system name %q must be 1 to 15 of A-Z a-z 0-9 _",
				m.Path, m.FS)
		}
	}
	for name := range s.Filesystems {
		if err := s.filesystem(name).validate(); err != nil {
			return fmt.Errorf("file system %s: %w", name, err)
		}
	}
	for _, f := range s.Faults {
		if err := f.validate(); err != nil {
			return err
		}
	}
	return nil
}

// validate checks pools and lost targets against the existing targets.
func (f Filesystem) validate() error {
	if f.MDTs < 0 || f.OSTs < 0 || f.MDTs > 0xffff || f.OSTs > 0xffff {
		return fmt.Errorf("%d MDTs and %d OSTs: want 1 to 65535 of each", f.MDTs, f.OSTs)
	}
	for _, p := range f.Pools {
		if !plainName(p.Name) {
			return fmt.Errorf("pool name %q must be 1 to 15 of A-Z a-z 0-9 _", p.Name)
		}
		for _, i := range p.OSTs {
			if i < 0 || i >= f.OSTs {
				return fmt.Errorf("pool %s: there is no OST %d of %d", p.Name, i, f.OSTs)
			}
		}
	}
	for _, name := range f.Lost {
		if _, ok := parseTarget(name); !ok {
			return fmt.Errorf("lost target %q: write OST0001 or MDT0000", name)
		}
	}
	return nil
}

// plainName reports whether a name of a file system or pool is valid. Such names become names of
// folders.
func plainName(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && !isAlnum(c) {
			return false
		}
	}
	return s != "" && len(s) <= 15
}

// filesystem returns a file system's description with its defaults filled in.
func (s State) filesystem(name string) Filesystem {
	fs := s.Filesystems[name]
	if fs.MDTs == 0 {
		fs.MDTs = 1
	}
	if fs.OSTs == 0 {
		fs.OSTs = 2
	}
	return fs
}

// pool finds a pool by name.
func (f Filesystem) pool(name string) (Pool, bool) {
	for _, p := range f.Pools {
		if p.Name == name {
			return p, true
		}
	}
	return Pool{}, false
}

// lost reports whether a target does not answer.
func (f Filesystem) lost(kind string, index int) bool {
	for _, name := range f.Lost {
		if t, ok := parseTarget(name); ok && t == (target{kind, index}) {
			return true
		}
	}
	return false
}

// table returns the name table of one kind of identity.
func (n Names) table(t Type) map[string]uint32 {
	switch t {
	case User:
		return n.Users
	case Group:
		return n.Groups
	default:
		return n.Projects
	}
}

// idOf finds an id by name.
func (n Names) idOf(t Type, name string) (uint32, bool) {
	if id, ok := n.table(t)[name]; ok {
		return id, true
	}
	return 0, name == "root" && t != Project
}

// nameOf finds a name by id. If there are several, it returns the first in alphabetical order.
func (n Names) nameOf(t Type, id uint32) (string, bool) {
	best := ""
	for name, of := range n.table(t) {
		if of == id && (best == "" || name < best) {
			best = name
		}
	}
	if best == "" && id == 0 && t != Project {
		return "root", true
	}
	return best, best != ""
}

// readState reads and checks a settings file. Unknown members are an error, because they are typing
// errors in a test.
func readState(path string) (State, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return State{}, fmt.Errorf("read state: %w: create one with `lfs-sim sim init --state %s "+
			"--release 2.15.8 --mount PATH`", err, path)
	}
	var s State
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return State{}, fmt.Errorf("read state %s: %w", path, err)
	}
	if err := s.validate(); err != nil {
		return State{}, fmt.Errorf("read state %s: %w", path, err)
	}
	return s, nil
}
