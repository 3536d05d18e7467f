package posix

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// archiveSite has a directory capstor/store/x, with content, that is ready to be archived.
func archiveSite(t *testing.T) (*site, Move) {
	s := newSite(t)
	s.mkdir("capstor/store", 0o777)
	s.mkdir("capstor/store/x", 0o2770)
	s.must(os.WriteFile(s.real("capstor/store/x/data"), []byte("results"), 0o644))
	return s, Move{From: "capstor/store/x", Inode: s.inode("capstor/store/x"),
		Folder: "capstor/.trash", Name: "20261103T120000Z-0a1b2c3d-x"}
}

// archive calls PrepareArchive and Move.
func (s *System) archive(m Move, manifest []byte) error {
	a, err := s.PrepareArchive(m, manifest)
	if err != nil {
		return err
	}
	return a.Move()
}

func (s *site) exists(p string) bool {
	_, err := os.Lstat(s.real(p))
	return err == nil
}

func TestArchiveAndRestore(t *testing.T) {
	s, m := archiveSite(t)
	old := unix.Umask(0)
	err := s.sys.archive(m, []byte(`{"origin":"x"}`))
	unix.Umask(old)
	s.must(err)
	if got := s.root.Observe(s.conf, m.From); got.State != planner.DirAbsent {
		t.Errorf("still there: %+v", got)
	}
	if got := s.root.Observe(s.conf, m.Archived()); got.Inode != m.Inode || got.Mode != 0o2770 {
		t.Errorf("in the archive: %+v", got)
	}
	if got := s.root.Observe(s.conf, m.Folder); got.Mode != 0o700 || got.Owner != 0 {
		t.Errorf("the folder: %+v", got)
	}
	found, err := s.sys.Manifests(m.Folder)
	if err != nil || len(found) != 1 || found[0].Name != m.Name ||
		string(found[0].Data) != `{"origin":"x"}` || found[0].Directory.Inode != m.Inode ||
		found[0].Err != nil {
		t.Fatalf("manifests: %+v, %v", found, err)
	}
	var st unix.Stat_t
	s.must(unix.Stat(s.real(m.Folder+"/"+found[0].File), &st))
	if st.Mode&0o777 != 0o600 {
		t.Errorf("the manifest has mode %04o", st.Mode&0o777)
	}

	s.must(s.sys.SyncArchived(m)) // as after a kill between the rename and its record
	other := m
	other.Inode++
	if err := s.sys.SyncArchived(other); !errors.Is(err, ErrAbsent) {
		t.Errorf("another directory is in the archive: %v", err)
	}
	s.must(s.sys.Restore(m, m.From))
	s.must(s.sys.Restore(m, m.From))
	s.must(os.Rename(s.real("capstor/store/x"), s.real(m.Archived())))
	s.must(os.Remove(s.real("capstor/store")))
	// As after a kill, and somebody has removed the directory above in the meantime.
	s.must(s.sys.SyncArchived(m))
	s.mkdir("capstor/store", 0o755)
	s.must(s.sys.Restore(m, m.From))
	if data, err := os.ReadFile(s.real("capstor/store/x/data")); string(data) != "results" {
		t.Errorf("restored: %q, %v", data, err)
	}
	if found, err = s.sys.Manifests(m.Folder); err != nil || len(found) != 1 ||
		found[0].Directory.State != planner.DirAbsent {
		t.Errorf("after the restore: %+v, %v", found, err)
	}
	first := m.Name
	m.Name = "z.json"
	s.must(s.sys.archive(m, []byte(`{}`)))
	if found, err = s.sys.Manifests(m.Folder); err != nil || len(found) != 2 ||
		found[0].Name != first || found[1].Name != m.Name || found[1].Err != nil {
		t.Errorf("a directory named like a manifest: %+v, %v", found, err)
	}
}

// Whatever is wrong, PrepareArchive finds it, Move refuses it, and the directory stays where it is.
func TestArchiveRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*site, *Move)
		want  string
	}{
		"another inode": {func(s *site, m *Move) { m.Inode++ }, "no longer the directory"},
		"name taken": {func(s *site, m *Move) {
			s.mkdir(m.Folder, 0o700)
			s.mkdir(m.Archived(), 0o700) // an empty directory, which a plain rename would replace
		}, "already exists"},
		"folder open to others": {func(s *site, m *Move) { s.mkdir(m.Folder, 0o711) }, "mode 0711"},
		"folder of somebody": {func(s *site, m *Move) {
			s.mkdir(m.Folder, 0o700)
			s.must(os.Chown(s.real(m.Folder), 1001, 0))
		}, "belongs to user 1001"},
		"folder is a link": {func(s *site, m *Move) { s.must(os.Symlink(s.t.TempDir(), s.real(m.Folder))) }, "a symbolic link is at"},
		"folder is a file": {func(s *site, m *Move) { s.must(os.WriteFile(s.real(m.Folder), nil, 0o600)) }, "a file is at"},
		"no parent":        {func(s *site, m *Move) { m.Folder = "capstor/a/b" }, "does not exist"},
		"folder on another mount": {func(s *site, m *Move) {
			s.mkdir(m.Folder, 0o700)
			s.mount(m.Folder, "tmpfs")
		}, "another mount is at"},
		"folder elsewhere": {func(s *site, m *Move) { m.Folder = "../x" }, "not a valid name"},
		"mount below": {func(s *site, m *Move) {
			s.mkdir(m.From+"/deep", 0o700)
			s.mkdir(m.From+"/deep/er", 0o700)
			s.mount(m.From+"/deep/er", "tmpfs")
		}, "is mounted at"},
		"mount at":      {func(s *site, m *Move) { s.mount(m.From, "tmpfs") }, "another mount is at"},
		"folder inside": {func(s *site, m *Move) { m.Folder = m.From + "/.trash" }, "it contains the archive folder"},
		"the system": {func(s *site, m *Move) { m.From = "capstor" }, "it contains the " +
			"archive folder"},
		"a name with a slash": {func(s *site, m *Move) { m.Name = "../x" }, "not a valid name"},
	} {
		t.Run(name, func(t *testing.T) {
			s, m := archiveSite(t)
			c.spoil(s, &m)
			if _, err := s.sys.PrepareArchive(m, []byte("{}")); err == nil ||
				!strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			unix.Unmount(s.real("capstor/store/x"), unix.MNT_DETACH)
			if !s.exists("capstor/store/x/data") {
				t.Error("the directory is gone")
			}
			if left, _ := filepath.Glob(s.real(m.Folder + "/*json*")); len(left) > 0 {
				t.Errorf("left of a directory that has not moved: %s", left)
			}
		})
	}
}

// Lustre and NFS answer EINVAL to RENAME_NOREPLACE. The plain rename must not replace an empty
// directory either.
func TestPlainRename(t *testing.T) {
	s := newSite(t)
	s.mkdir("capstor/x", 0o700)
	s.mkdir("capstor/empty", 0o700)
	dir, err := s.sys.openDir("capstor")
	s.must(err)
	defer unix.Close(dir)
	if err := plainRename(spot{dir, "x", ""}, spot{dir, "empty", ""}); err != unix.EEXIST {
		t.Errorf("onto an empty directory: %v", err)
	}
	if err := unix.Renameat(dir, "x", dir, "empty"); err != nil {
		t.Fatalf("the danger that is guarded against is not there: %v", err)
	}
	if err := plainRename(spot{dir, "empty", ""}, spot{dir, "y", ""}); err != nil ||
		!s.exists("capstor/y") {
		t.Errorf("onto a free name: %v", err)
	}
}

// Whatever took the name of a directory just before the move is moved back, if possible. A move
// whose answer was lost counts as a move.
func TestSwappedWhileMoved(t *testing.T) {
	s, m := archiveSite(t)
	s.mkdir(m.Folder, 0o700)
	store, err := s.sys.openDir("capstor/store")
	s.must(err)
	defer unix.Close(store)
	trash, err := s.sys.openDir(m.Folder)
	s.must(err)
	defer unix.Close(trash)
	from, to := spot{store, "x", s.real(m.From)}, spot{trash, m.Name, s.real(m.Archived())}
	swap := func() { // somebody puts something else there between the check and the move
		s.must(os.Rename(s.real(m.From), s.real("capstor/store/aside")))
		s.must(os.Symlink("/etc", s.real(m.From)))
	}
	swap()
	if err := arrived(m.Inode, from, to, renameFree(from, to, "")); !errors.Is(err, ErrChanged) {
		t.Errorf("a link was moved: %v", err)
	}
	if link, err := os.Readlink(s.real(m.From)); link != "/etc" || s.exists(m.Archived()) {
		t.Errorf("the link is not back: %q, %v", link, err)
	}
	s.must(renameFree(from, to, ""))
	s.mkdir(m.From, 0o755) // and takes the name again
	if err := arrived(m.Inode, from, to, nil); !errors.Is(err, ErrChanged) ||
		!errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "could not be moved back") {
		t.Errorf("the way back is barred: %v", err)
	}
	s.must(os.Remove(s.real(m.Archived())))
	s.must(os.Remove(s.real(m.From)))
	s.must(os.Rename(s.real("capstor/store/aside"), s.real(m.Archived())))
	if err := arrived(m.Inode, from, to, unix.ENOENT); err != nil {
		t.Errorf("it was moved, and the answer was lost: %v", err)
	}
	if err := arrived(m.Inode+1, from, to, unix.ENOENT); err != unix.ENOENT {
		t.Errorf("it was not moved: %v", err)
	}
}

// Across mounts, the kernel answers EXDEV. That is an error that says what to do, and never a copy.
func TestRenameAcrossMounts(t *testing.T) {
	s, m := archiveSite(t)
	s.mkdir("other", 0o700)
	s.mount("other", "tmpfs")
	to, err := unix.Open(s.real("other"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	s.must(err)
	defer unix.Close(to)
	d, err := s.sys.Open(m.From, 0)
	s.must(err)
	defer d.Close()
	err = rename(d, spot{to, "x", "other/x"}, s.sys.exdev(m))
	if !errors.Is(err, unix.EXDEV) || !strings.Contains(err.Error(), "same filesystem") {
		t.Errorf("got %v", err)
	}
	if !s.exists("capstor/store/x/data") || s.exists("other/x") {
		t.Error("something was moved or copied")
	}
}

func TestRestoreRefuses(t *testing.T) {
	s, m := archiveSite(t)
	s.must(s.sys.archive(m, []byte("{}")))
	wrong := m
	wrong.Inode++
	if err := s.sys.Restore(wrong, m.From); !errors.Is(err, ErrChanged) {
		t.Errorf("another inode: %v", err)
	}
	if err := s.sys.Restore(m, "capstor/nowhere/x"); !errors.Is(err, ErrAbsent) {
		t.Errorf("no parent: %v", err)
	}
	s.must(os.Chmod(s.real(m.Folder), 0o711)) // somebody may have put something else there
	if err := s.sys.Restore(m, m.From); err == nil || !strings.Contains(err.Error(), "mode 0711") {
		t.Errorf("from a folder to which others have access: %v", err)
	}
	s.must(os.Chmod(s.real(m.Folder), 0o700))
	s.mkdir(m.From, 0o700)
	if err := s.sys.Restore(m, m.From); !errors.Is(err, ErrExists) {
		t.Errorf("an empty directory is there: %v", err)
	}
	if !s.exists(m.Archived() + "/data") {
		t.Error("the directory left the archive")
	}
}

func TestManifestsOfOthers(t *testing.T) {
	s, m := archiveSite(t)
	if found, err := s.sys.Manifests(m.Folder); found != nil || err != nil {
		t.Errorf("no folder: %v, %v", found, err)
	}
	s.must(s.sys.archive(m, []byte("{}")))
	s.must(os.Symlink("/etc/passwd", s.real(m.Folder+"/a.json")))
	s.must(unix.Mkfifo(s.real(m.Folder+"/b.json"), 0o600))
	s.must(os.WriteFile(s.real(m.Folder+"/c.json"), make([]byte, maxManifest+1), 0o600))
	s.must(os.WriteFile(s.real(m.Folder+"/d.json"), []byte("{}"), 0o600))
	s.must(os.Chown(s.real(m.Folder+"/d.json"), 4711, 0))
	s.must(os.WriteFile(s.real("capstor/linked"), []byte("{}"), 0o600))
	s.must(os.Link(s.real("capstor/linked"), s.real(m.Folder+"/e.json")))
	found, err := s.sys.Manifests(m.Folder)
	if err != nil || len(found) != 6 {
		t.Fatalf("%+v, %v", found, err)
	}
	for _, f := range found {
		if (f.Err == nil) != (f.Name == m.Name) || f.Err != nil && f.Data != nil {
			t.Errorf("%s: %q, %v", f.Name, f.Data, f.Err)
		}
	}
	s.must(os.Chmod(s.real(m.Folder), 0o755))
	if _, err := s.sys.Manifests(m.Folder); err == nil {
		t.Error("a folder open to others was read")
	}
}

// The umask removes nothing from the modes of the archive folder and the manifest.
func TestArchiveUnderAnUmask(t *testing.T) {
	s, m := archiveSite(t)
	old := unix.Umask(0o777)
	err := s.sys.archive(m, []byte("{}"))
	unix.Umask(old)
	s.must(err)
	found, err := s.sys.Manifests(m.Folder)
	if s.must(err); len(found) != 1 {
		t.Fatalf("%+v", found)
	}
	for path, want := range map[string]uint32{m.Folder: unix.S_IFDIR | 0o700, m.Folder + "/" +
		found[0].File: unix.S_IFREG | 0o600} {
		var st unix.Stat_t
		s.must(unix.Lstat(s.real(path), &st))
		if st.Mode != want {
			t.Errorf("%s has mode %o, want %o", path, st.Mode, want)
		}
	}
}
