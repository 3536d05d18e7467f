package posix

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Move describes one directory that goes into the archive or comes back.
type Move struct {
	// From is where the directory is, and Inode is its inode.
	From  string
	Inode uint64
	// Folder is the archive folder, and Name is the directory's name in it. From and Folder are
	// storage paths on one mount.
	Folder, Name string
}

// Archived returns the directory's storage path in the archive.
func (m Move) Archived() string { return path.Join(m.Folder, m.Name) }

// checkSource opens the directory, and returns an error if it must not or cannot be moved.
func (s *System) checkSource(m Move) (*Dir, error) {
	if m.Name == "" || strings.ContainsAny(m.Name, "/\x00") || m.Name[0] == '.' || !isClean(m.Folder) {
		return nil, fmt.Errorf("%q is not a valid name in the archive folder %q", m.Name, m.Folder)
	}
	if isInside(m.Folder, m.From) || isInside(s.settings.Directory, m.From) {
		return nil, fmt.Errorf("it contains the archive folder %s or the system's own directory: "+
			"choose another folder", s.root.Path(m.Folder))
	}
	d, err := s.Open(m.From, m.Inode)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(s.noMounts(d), s.movable(d)); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// isInside reports whether p is dir or below it.
func isInside(p, dir string) bool {
	_, ok := cutDirectory(p, dir)
	return ok
}

// noMounts returns an error if there is a mount at or below a directory.
func (s *System) noMounts(d *Dir) error {
	real, err := realPath(d.fd)
	if err != nil {
		return err
	}
	at, err := mounts(func(i *mountinfo.Info) bool {
		return i.Mountpoint != real && !strings.HasPrefix(i.Mountpoint, real+"/")
	})
	if err != nil {
		return fmt.Errorf("read /proc/self/mountinfo: %w", err)
	}
	if len(at) > 0 {
		return fmt.Errorf("%s (%s) is mounted at %s: unmount it first", at[0].Source, at[0].FSType,
			at[0].Mountpoint)
	}
	return nil
}

// checkFolder returns an error if others have access to the opened archive folder, if it cannot be
// changed, if the name is taken, or if it forces another project id on what comes in.
func (s *System) checkFolder(folder int, m Move, source *Dir) error {
	if err := s.isClosed(folder, m.Folder); err != nil {
		return err
	}
	if err := checkFlags(folder, s.root.Path(m.Folder)); err != nil {
		return err
	}
	if err := s.nameFree(folder, m); err != nil {
		return err
	}
	return s.projectFits(folder, source, m)
}

// isClosed returns an error if others have access to a folder: archived data would stay reachable,
// or could be replaced.
func (s *System) isClosed(folder int, storage string) error {
	st, err := fstat(folder)
	if err != nil {
		return fmt.Errorf("look at the archive folder %s: %w", s.root.Path(storage), explain(err))
	}
	return s.closed(planner.UID(st.Uid), planner.Mode(st.Mode)&planner.ModeBits, storage)
}

func (s *System) closed(owner planner.UID, mode planner.Mode, storage string) error {
	if owner != planner.UID(s.root.euid) || mode&^private != 0 {
		where := s.root.Path(storage)
		return fmt.Errorf("the archive folder %s belongs to user %d with mode %s, but must belong to "+
			"%d with mode 0700, so that nobody else can reach archived data: run `chown %d %s && chmod "+
			"0700 %s`, or configure another folder", where, owner, mode, s.root.euid, s.root.euid, where, where)
	}
	return nil
}

// archiveProblem returns why nothing can be archived on the system, so that nobody approves a
// change that will fail. It is empty if no reason is known. Everything is checked again before each
// move.
func (s *System) archiveProblem() string {
	storage := s.settings.Archive
	if storage == "" {
		return ""
	}
	where := s.root.Path(storage)
	switch seen := s.Observe(storage); {
	case seen.State == planner.DirPresent:
		if err := s.closed(seen.Owner, seen.Mode, storage); err != nil {
			return err.Error()
		}
		return ""
	case seen.State == planner.DirAbsent && seen.MissingAbove > 0:
		return fmt.Sprintf("the directory above the archive folder %s does not exist: create it, or "+
			"correct the archive in the configuration", where)
	case seen.State == planner.DirAbsent:
		return ""
	default:
		return fmt.Sprintf("the archive folder %s cannot be used: %s; it must be on the same "+
			"filesystem as what is archived", where, seen.Why)
	}
}

func (s *System) nameFree(folder int, m Move) error {
	_, err := lstatAt(folder, m.Name)
	switch err {
	case unix.ENOENT:
		return nil
	case nil:
		return refuse(ErrExists, "%s already exists in the archive", s.root.Path(m.Archived()))
	}
	return fmt.Errorf("look for %s: %w", s.root.Path(m.Archived()), explain(err))
}

// projectFits returns an error if the folder makes its contents inherit another project id: Lustre,
// XFS and ext4 then answer EXDEV to a rename.
func (s *System) projectFits(folder int, source *Dir, m Move) error {
	to, err := s.root.getAttributes(folder)
	if err != nil || !to.inherits() {
		return nil
	}
	if from, err := s.root.getAttributes(source.fd); err == nil && from.project() != to.project() {
		return errors.New(s.exdev(m))
	}
	return nil
}

func (s *System) exdev(m Move) string {
	folder := s.root.Path(m.Folder)
	return fmt.Sprintf("the filesystem does not allow moving it to %s (EXDEV): the archive must be "+
		"on the same filesystem, and must not give its contents another project id: clear that with "+
		"`lfs project -C -d %s` (or `chattr -P`); nothing is ever copied", folder, folder)
}

// openFolder opens the archive folder, and creates it if its parent exists.
func (s *System) openFolder(m Move) (int, error) {
	parent, name, err := s.openParent(m.Folder)
	if isKind(err, ErrAbsent) {
		return -1, refuse(ErrAbsent, "the directory above the archive folder %s does not exist: create "+
			"it, or correct the archive in the configuration", s.root.Path(m.Folder))
	}
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	switch err := s.mkdir(parent, name, m.Folder); {
	case err == nil:
		if err := syncAll(parent); err != nil {
			return -1, err
		}
	case !isKind(err, ErrExists):
		return -1, err
	}
	folder, err := s.openChild(parent, name, m.Folder)
	if err != nil {
		return -1, err
	}
	if err := s.completeMode(folder, m.Folder); err != nil {
		unix.Close(folder)
		return -1, err
	}
	return folder, nil
}

// completeMode completes mode 0700 on a closed folder of ours, from which the umask may have
// removed bits.
func (s *System) completeMode(folder int, storage string) error {
	st, err := fstat(folder)
	closed := planner.Mode(st.Mode)&planner.ModeBits&^private == 0
	if err == nil && st.Uid == s.root.euid && closed && st.Mode&0o700 != 0o700 {
		err = retry(func() error { return unix.Fchmod(folder, 0o700) })
	}
	if err != nil {
		return fmt.Errorf("open the archive folder %s: %w", s.root.Path(storage), explain(err))
	}
	return nil
}

// Restore moves a directory back from the archive. m.Folder and m.Name say where it is there,
// m.Inode is its inode, and to is the storage path where it belongs. Restore replaces nothing, and
// keeps the manifest as a record. If an earlier attempt has already moved the directory, Restore
// only syncs it.
func (s *System) Restore(m Move, to string) error {
	if err := s.restore(m, to); err != nil {
		return fmt.Errorf("restore %s to %s: %w", s.root.Path(m.Archived()), s.root.Path(to), err)
	}
	return nil
}

func (s *System) restore(m Move, to string) error {
	source, err := s.Open(m.Archived(), m.Inode)
	if isKind(err, ErrAbsent) && s.Observe(to).Inode == m.Inode {
		return s.syncMoved(to, m.Archived())
	}
	if err != nil {
		return err
	}
	defer source.Close()
	if err := errors.Join(s.isClosed(source.parent, m.Folder), s.movable(source)); err != nil {
		return err
	}
	parent, name, err := s.openParent(to)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := checkFlags(parent, path.Dir(s.root.Path(to))); err != nil {
		return err
	}
	const exdev = "the filesystem does not allow moving it there (EXDEV): the directory above is on " +
		"another filesystem, or gives its contents another project id; nothing is ever copied"
	if err := rename(source, spot{parent, name, s.root.Path(to)}, exdev); err != nil {
		return err
	}
	return syncAll(parent, source.parent)
}

// syncMoved makes a rename between two storage paths durable, which an earlier, killed attempt has
// made.
func (s *System) syncMoved(storage ...string) error {
	for _, p := range storage {
		dir, _, err := s.openParent(p)
		if isKind(err, ErrAbsent) {
			continue // somebody has removed it in the meantime
		}
		if err != nil {
			return err
		}
		err = syncAll(dir)
		unix.Close(dir)
		if err != nil {
			return err
		}
	}
	return nil
}

func syncAll(fds ...int) error {
	for _, fd := range fds {
		if err := retry(func() error { return unix.Fsync(fd) }); err != nil {
			return fmt.Errorf("it is done, but may not survive a crash: fsync: %w", explain(err))
		}
	}
	return nil
}
