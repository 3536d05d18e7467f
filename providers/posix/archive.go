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

// Move is one directory that goes into the archive, or comes back.
type Move struct {
	// From is where the directory is; Inode is its inode.
	From  string
	Inode uint64
	// Folder is the archive folder; Name the directory's name in there. Both paths are storage paths on one mount.
	Folder, Name string
}

// Archived is the storage path in the archive.
func (m Move) Archived() string { return path.Join(m.Folder, m.Name) }

func (s *System) checkSource(m Move) (*Dir, error) {
	if m.Name == "" || strings.ContainsAny(m.Name, "/\x00") || m.Name[0] == '.' || !isClean(m.Folder) {
		return nil, fmt.Errorf("%q is no name for it in %q", m.Name, m.Folder)
	}
	if lies(m.Folder, m.From) || lies(s.settings.Directory, m.From) {
		return nil, fmt.Errorf("the archive folder %s or the system itself lies in it: choose another folder", s.root.Path(m.Folder))
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

// lies tells whether p lies in dir or is it.
func lies(p, dir string) bool {
	_, ok := below(p, dir)
	return ok
}

// noMounts refuses a directory with a mount at or below it.
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
		return fmt.Errorf("%s (%s) is mounted at %s: unmount it first", at[0].Source, at[0].FSType, at[0].Mountpoint)
	}
	return nil
}

// checkFolder refuses an opened archive folder that others can enter, that cannot be changed, that has the name already, or
// that forces another project id on what comes in.
func (s *System) checkFolder(folder int, m Move, source *Dir) error {
	if err := s.isClosed(folder, m.Folder); err != nil {
		return err
	}
	if err := unchangeable(folder, s.root.Path(m.Folder)); err != nil {
		return err
	}
	if err := s.nameFree(folder, m); err != nil {
		return err
	}
	return s.projectFits(folder, source, m)
}

// isClosed refuses a folder that others can enter: what is archived would stay reachable, or could be replaced.
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
		return fmt.Errorf("the archive folder %s belongs to %d with mode %s, and must belong to %d with mode 0700, so that "+
			"nobody else reaches what is archived: "+
			"run `chown %d %s && chmod 0700 %s`, or name another", where, owner, mode, s.root.euid, s.root.euid, where, where)
	}
	return nil
}

// archiveProblem tells why nothing can be archived on the system, so that nobody approves what will fail; empty if nothing
// is known to stand against it. All of it is checked again before each move.
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
		return fmt.Sprintf("the directory above the archive folder %s does not exist: make it, or correct the archive in the configuration",
			where)
	case seen.State == planner.DirAbsent:
		return ""
	default:
		return fmt.Sprintf("the archive folder %s cannot be used: %s; it must lie on the same filesystem as what is archived", where, seen.Why)
	}
}

func (s *System) nameFree(folder int, m Move) error {
	_, err := lstatAt(folder, m.Name)
	switch err {
	case unix.ENOENT:
		return nil
	case nil:
		return refuse(ErrExists, "%s exists already in the archive", s.root.Path(m.Archived()))
	}
	return fmt.Errorf("look for %s: %w", s.root.Path(m.Archived()), explain(err))
}

// projectFits refuses a folder that hands on another project id: Lustre, XFS and ext4 then answer EXDEV to a rename.
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
	return fmt.Sprintf("the filesystem does not let it be moved to %s (EXDEV): the archive must be on the "+
		"same filesystem, and must not hand on another project id: clear that with `lfs project -C -d %s` (or `chattr -P`); "+
		"nothing is ever copied", folder, folder)
}

// openFolder opens the archive folder, which is made if its parent exists.
func (s *System) openFolder(m Move) (int, error) {
	parent, name, err := s.openParent(m.Folder)
	if isKind(err, ErrAbsent) {
		return -1, refuse(ErrAbsent, "the directory above the archive folder %s does not exist: make it, or correct the archive in "+
			"the configuration", s.root.Path(m.Folder))
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
	if err := s.fullyOurs(folder, m.Folder); err != nil {
		unix.Close(folder)
		return -1, err
	}
	return folder, nil
}

// fullyOurs gives a closed folder of ours all of mode 0700, of which the umask may have taken something.
func (s *System) fullyOurs(folder int, storage string) error {
	st, err := fstat(folder)
	if err == nil && st.Uid == s.root.euid && planner.Mode(st.Mode)&planner.ModeBits&^private == 0 && st.Mode&0o700 != 0o700 {
		err = retry(func() error { return unix.Fchmod(folder, 0o700) })
	}
	if err != nil {
		return fmt.Errorf("open the archive folder %s: %w", s.root.Path(storage), explain(err))
	}
	return nil
}

// Restore moves a directory back from the archive: m.From is where it lies there (its Folder and Name), and to the
// storage path where it belongs. It has m.Inode. Nothing is replaced, and the manifest stays, as the archive's record. A
// directory that an earlier try has moved already is only synced.
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
	if err := unchangeable(parent, path.Dir(s.root.Path(to))); err != nil {
		return err
	}
	const exdev = "the filesystem does not let it be moved there (EXDEV): the directory above is on another filesystem, or hands on " +
		"another project id; nothing is ever copied"
	if err := rename(source, spot{parent, name, s.root.Path(to)}, exdev); err != nil {
		return err
	}
	return syncAll(parent, source.parent)
}

// syncMoved makes durable what an earlier try, which was killed, has renamed from one storage path to another.
func (s *System) syncMoved(storage ...string) error {
	for _, p := range storage {
		dir, _, err := s.openParent(p)
		if isKind(err, ErrAbsent) {
			continue // somebody has removed it since
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
			return fmt.Errorf("it was done, but could not be made durable: fsync: %w", explain(err))
		}
	}
	return nil
}
