package posix

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Marker says which state manages a system. It is a file in the system's archive folder, to which
// only root has access, so every node that mounts the system sees it.
type Marker struct {
	// Format is the format of the marker itself: [MarkerFormat].
	Format int `json:"format"`
	// State is the id of the state. Two states that change one system would undo each other's work
	// unnoticed.
	State string `json:"state"`
	// Node is the node that last applied with this state, and Boot is its boot id at that time.
	Node string `json:"node"`
	Boot string `json:"boot"`
	// System is the system's name in that node's configuration, for people.
	System string    `json:"system"`
	At     time.Time `json:"at"`
}

// MarkerFormat is the format of the markers that this version writes and reads.
const MarkerFormat = 1

// OtherStateError means that another state manages the system.
type OtherStateError struct {
	// System is the system's name here, and Found is the marker on the storage.
	System string
	Found  Marker
}

// Error names the other node and says what to do.
func (e *OtherStateError) Error() string {
	return fmt.Sprintf("system %s is managed by the state of node %q (state %.12s, last apply at "+
		"%s): two states on one storage undo each other's work, so nothing was changed. Apply on that "+
		"node. If its state is lost or was moved here, run `cscs-sync state take %s --reason "+
		"TEXT`", e.System,
		e.Found.Node, e.Found.State, e.Found.At.UTC().Format(time.RFC3339), e.System)
}

// Marker returns the marker of the system, or false if it has none.
func (s *System) Marker() (Marker, bool, error) {
	folder, err := s.openDir(s.settings.Archive)
	if isKind(err, ErrAbsent) {
		return Marker{}, false, nil
	}
	if err != nil {
		return Marker{}, false, s.markerError("read", err)
	}
	defer unix.Close(folder)
	return s.readMarker(folder)
}

// Mark writes a marker to the system, unless it already has the same one, and returns the marker
// that was there before. If that is another state's marker, the error is an [OtherStateError] and
// the marker stays; with take, it is replaced. If two states mark the system at the same time, one
// of them gets the error.
func (s *System) Mark(m Marker, take bool) (before Marker, err error) {
	if m.State == "" {
		return before, s.markerError("write", errors.New("the state has no id"))
	}
	if err := s.checkMounted(); err != nil {
		return before, err
	}
	folder, err := s.openFolder(Move{Folder: s.settings.Archive})
	if err != nil {
		return before, s.markerError("write", err)
	}
	defer unix.Close(folder)
	before, there, err := s.readMarker(folder)
	switch {
	case err != nil:
		return before, err
	case there && before.State != m.State && !take:
		return before, &OtherStateError{s.settings.Name, before}
	case there && before.State == m.State && before.Node == m.Node && before.Boot == m.Boot:
		return before, nil
	}
	m.Format, m.System = MarkerFormat, s.settings.Name
	if err := s.writeMarker(folder, m, there); err != nil {
		return before, s.markerError("write", err)
	}
	now, there, err := s.readMarker(folder)
	if err == nil && (!there || now.State != m.State) {
		err = &OtherStateError{s.settings.Name, now}
	}
	return before, err
}

// markerName returns the marker's file name. The inode of the system's directory distinguishes
// systems that share an archive folder. It is the same on every node.
func (s *System) markerName() string { return fmt.Sprintf(".managed-by.%d.json", s.place.inode) }

func (s *System) markerPath() string {
	return s.root.Path(Move{Folder: s.settings.Archive, Name: s.markerName()}.Archived())
}

func (s *System) markerError(what string, err error) error {
	return fmt.Errorf("system %s: %s the marker of the state that manages it, %s: %w", s.settings.Name,
		what, s.markerPath(), err)
}

// readMarker reads the marker in the opened archive folder. The folder must be closed to others,
// because they could have written the marker.
func (s *System) readMarker(folder int) (m Marker, there bool, err error) {
	if err := s.isClosed(folder, s.settings.Archive); err != nil {
		return m, false, s.markerError("read", err)
	}
	var data []byte
	for range 3 { // a marker may get and lose its second name between the look and the reading
		names := uint64(1)
		if s.isBeingWritten(folder) {
			names = 2
		}
		data, err = s.readManifest(folder, s.markerName(), names)
		if err == nil || errors.Is(err, unix.ENOENT) {
			break
		}
	}
	if errors.Is(err, unix.ENOENT) {
		return m, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	switch {
	case err != nil:
	case m.Format > MarkerFormat:
		err = fmt.Errorf("it has format %d, but this version knows only %d: a newer cscs-sync manages "+
			"the system: use that version", m.Format, MarkerFormat)
	case m.Format < 1 || m.State == "":
		err = errors.New("it is not a valid marker: make sure that no other node manages the system, " +
			"then move the file away")
	}
	if err != nil {
		return m, true, s.markerError("read", err)
	}
	return m, true, nil
}

// isBeingWritten reports whether the marker still has the name under which [System.writeMarker]
// wrote it: for a moment, or because of a kill at that moment.
func (s *System) isBeingWritten(folder int) bool {
	var marker, part unix.Stat_t
	err := unix.Fstatat(folder, s.markerName(), &marker, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil || marker.Nlink < 2 {
		return false // the folder, which may be long, need not be listed
	}
	names, err := list(folder)
	if err != nil {
		return false // reading the marker says why
	}
	for _, name := range names {
		if strings.HasPrefix(name, s.markerName()+".") && strings.HasSuffix(name, partSuffix) &&
			unix.Fstatat(folder, name, &part, unix.AT_SYMLINK_NOFOLLOW) == nil &&
			part.Dev == marker.Dev && part.Ino == marker.Ino {
			return true
		}
	}
	return false
}

// partSuffix ends the name of a marker that is not complete.
const partSuffix = ".part"

// writeMarker writes and syncs a marker, completely or not at all. Without replace, a marker that
// appears in the meantime stays.
func (s *System) writeMarker(folder int, m Marker, replace bool) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	attempt := make([]byte, 8)
	if _, err := rand.Read(attempt); err != nil {
		return err
	}
	name := s.markerName()
	part := name + "." + hex.EncodeToString(attempt) + partSuffix
	fd, err := openat2new(folder, part)
	if err != nil {
		return explain(err)
	}
	f := os.NewFile(uintptr(fd), part)
	_, err = f.Write(append(data, '\n'))
	st, look := fstat(fd)
	err = errors.Join(err, look, f.Chmod(0o600), f.Sync(), f.Close())
	switch {
	case err != nil:
	case replace:
		err = unix.Renameat(folder, part, folder, name)
	default: // a link replaces nothing, on every filesystem
		err = unix.Linkat(folder, part, folder, name, 0)
		if err == unix.EEXIST {
			err = nil // another apply was faster; the caller reads whose marker it is
		}
	}
	err = errors.Join(err, unlinkOwn(folder, manifestFile{part, st.Ino}))
	if err != nil {
		return explain(err)
	}
	return syncAll(folder)
}
