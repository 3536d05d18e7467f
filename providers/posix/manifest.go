package posix

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxManifest bounds a manifest, in bytes; real ones have some hundreds.
const maxManifest = 64 << 10

// Manifest is one manifest found in an archive folder.
type Manifest struct {
	// Name is the archived directory's name; Data what was written beside it.
	Name string
	Data []byte
	// Directory is what stands under the name now; absent after a restore.
	Directory planner.Directory
	// Err says why the manifest cannot be used: not ours, too large, unreadable.
	Err error
}

func manifestName(name string) string { return name + ".json" }

// writeManifest writes and syncs a manifest, whole or not at all. The folder is closed to others, so that what is left of
// an earlier try is our own, and is replaced.
func writeManifest(folder int, name string, data []byte) error {
	part := "." + manifestName(name) + ".part"
	if err := unix.Unlinkat(folder, part, 0); err != nil && err != unix.ENOENT {
		return err
	}
	fd, err := openat2new(folder, part)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), part)
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := unix.Renameat(folder, part, folder, manifestName(name)); err != nil {
		return err
	}
	return retry(func() error { return unix.Fsync(folder) })
}

func openat2new(folder int, name string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC, Mode: 0o600, Resolve: within}
	for {
		fd, err := unix.Openat2(folder, name, &how)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// Manifests reads the manifests in an archive folder, by name. A folder that does not exist has none; one that others can
// enter is refused, since they could have written them.
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
		of, ok := strings.CutSuffix(name, ".json")
		if st, err := lstatAt(fd, name); !ok || strings.HasPrefix(name, ".") || err == nil && isDir(st.Mode) {
			continue // an archived directory may be named like a manifest
		}
		m := Manifest{Name: of, Directory: s.Observe(Move{Folder: folder, Name: of}.Archived())}
		if m.Data, err = s.readManifest(fd, name); err != nil {
			m.Err = fmt.Errorf("read the manifest %s/%s: %w", s.root.Path(folder), name, err)
		}
		found = append(found, m)
	}
	return found, nil
}

// list is the names in a directory, sorted.
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

func (s *System) readManifest(folder int, name string) ([]byte, error) {
	fd, err := openat2(folder, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, within)
	if err != nil {
		return nil, explain(err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	st, err := fstat(fd)
	switch {
	case err != nil:
		return nil, explain(err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != s.root.euid || st.Nlink != 1:
		return nil, errors.New("it is not a plain file of ours")
	case st.Size > maxManifest:
		return nil, fmt.Errorf("it has %d bytes, more than the %d of any manifest", st.Size, maxManifest)
	}
	return io.ReadAll(io.LimitReader(f, maxManifest))
}
