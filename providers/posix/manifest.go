package posix

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxManifest is the largest size of a manifest in bytes. Real ones have some hundreds.
const maxManifest = 64 << 10

// Manifest is one manifest found in an archive folder.
type Manifest struct {
	// Name is the archived directory's name, File is the manifest's file name, and Data is its
	// content.
	Name, File string
	Data       []byte
	// Directory is what has that name in the archive now. It is absent after a restore.
	Directory planner.Directory
	// Err says why the manifest cannot be used: it is not ours, too large or unreadable.
	Err error
}

// attemptMark separates the directory's name and the attempt in a manifest's file name. No archived
// directory has it in its name.
const attemptMark = "~"

// manifestFile is a manifest that was written: its name in the archive folder and its inode.
type manifestFile struct {
	name  string
	inode uint64
}

// manifestName returns a new file name for the manifest of an archived directory. Each attempt has
// its own name: two nodes may try to archive the same directory, and the one that fails must remove
// only its own manifest.
func manifestName(of string) (string, error) {
	attempt := make([]byte, 8)
	if _, err := rand.Read(attempt); err != nil {
		return "", err
	}
	return of + attemptMark + hex.EncodeToString(attempt) + ".json", nil
}

// manifestOf returns the name of the directory that a manifest with the given file name describes,
// or false for other files. Earlier versions wrote manifests without an attempt in the name.
func manifestOf(file string) (string, bool) {
	of, ok := strings.CutSuffix(file, ".json")
	if !ok || strings.HasPrefix(file, ".") {
		return "", false
	}
	if i := strings.LastIndex(of, attemptMark); i > 0 {
		of = of[:i]
	}
	return of, true
}

// writeManifest writes and syncs a manifest. If it fails, it leaves none.
func writeManifest(folder int, of string, data []byte) (m manifestFile, err error) {
	if m.name, err = manifestName(of); err != nil {
		return m, err
	}
	part := "." + m.name + ".part"
	fd, err := openat2new(folder, part)
	if err != nil {
		return m, err
	}
	f := os.NewFile(uintptr(fd), part)
	_, err = f.Write(data)
	st, look := fstat(fd)
	m.inode = st.Ino
	err = errors.Join(err, look, f.Chmod(0o600), f.Sync(), f.Close())
	if err == nil {
		err = unix.Renameat(folder, part, folder, m.name)
	}
	if err != nil {
		return m, errors.Join(err, unlinkOwn(folder, manifestFile{part, m.inode}))
	}
	if err := retry(func() error { return unix.Fsync(folder) }); err != nil {
		return m, errors.Join(err, unlinkOwn(folder, m))
	}
	return m, nil
}

// unlinkOwn removes a file that this attempt wrote, unless another file has its name by now.
func unlinkOwn(folder int, m manifestFile) error {
	st, err := lstatAt(folder, m.name)
	if err == unix.ENOENT || err == nil && st.Ino != m.inode {
		return nil
	}
	if err == nil {
		err = unix.Unlinkat(folder, m.name, 0)
	}
	if err != nil {
		return fmt.Errorf("remove %s again: %w", m.name, err)
	}
	return nil
}

func openat2new(folder int, name string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Mode: 0o600, Resolve: within}
	for {
		fd, err := unix.Openat2(folder, name, &how)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Manifests reads the manifests in an archive folder, sorted by name. A directory has several if
// attempts to archive it were killed. A folder that does not exist has none. A folder to which
// others have access is refused, because they could have written the manifests.
func (s *System) Manifests(folder string) ([]Manifest, error) {
	fd, err := s.openDir(folder)
	if isKind(err, ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	defer unix.Close(fd)
	if err := s.isClosed(fd, folder); err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	names, err := list(fd)
	if err != nil {
		return nil, fmt.Errorf("read the archive %s: %w", s.root.Path(folder), explain(err))
	}
	var found []Manifest
	for _, name := range names {
		of, ok := manifestOf(name)
		if st, err := lstatAt(fd, name); !ok || err == nil && isDir(st.Mode) {
			continue // an archived directory may be named like a manifest
		}
		m := Manifest{Name: of, File: name,
			Directory: s.Observe(Move{Folder: folder, Name: of}.Archived())}
		if m.Data, err = s.readManifest(fd, name, 1); err != nil {
			m.Err = fmt.Errorf("read the manifest %s/%s: %w", s.root.Path(folder), name, err)
		}
		found = append(found, m)
	}
	return found, nil
}

// list returns the names in a directory, sorted.
func list(fd int) ([]string, error) {
	own, err := openat2(fd, ".", readDir, within)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(own), "directory")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// readManifest reads a file that only we may have written. It may have at most so many names.
func (s *System) readManifest(folder int, name string, names uint64) ([]byte, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := openat2(folder, name, flags, within)
	if err != nil {
		return nil, explain(err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	st, err := fstat(fd)
	switch {
	case err != nil:
		return nil, explain(err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != s.root.euid || uint64(st.Nlink) > names:
		return nil, fmt.Errorf("it is not a regular file that belongs to user %d and has no other name",
			s.root.euid)
	case st.Size > maxManifest:
		return nil, fmt.Errorf("it has %d bytes, but at most %d are allowed", st.Size, maxManifest)
	}
	return io.ReadAll(io.LimitReader(f, maxManifest))
}
