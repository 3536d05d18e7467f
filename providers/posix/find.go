package posix

import (
	"bytes"
	"encoding/binary"
	"path"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxSiblings is the most entries of a directory that [System.Find] reads.
const maxSiblings = 1 << 16

// Find looks for a directory among the siblings of the place where it was. It returns the storage
// path where the directory is now, or "" if it is not there. It reads names and inodes, and looks
// only at entries with the right inode. It returns false if it could not find out, because the
// directory above could not be read or has more entries than it reads.
func (s *System) Find(lost planner.Lost) (at string, looked bool) {
	above := path.Dir(lost.Place.Path)
	fd, err := s.openDir(above)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	buf := make([]byte, 1<<15)
	for read := 0; read < maxSiblings; {
		var n int
		err := retry(func() (err error) { n, err = unix.ReadDirent(fd, buf); return err })
		if err != nil {
			return "", false
		}
		if n <= 0 {
			return "", true
		}
		for entries := buf[:n]; len(entries) > direntName; read++ {
			inode, name, size := entry(entries)
			if size <= direntName || size > len(entries) {
				return "", false
			}
			entries = entries[size:]
			if inode != lost.Inode || name == "." || name == ".." {
				continue
			}
			if at := path.Join(above, name); s.isLost(at, lost) {
				return at, true
			}
		}
	}
	return "", false
}

// direntName is the offset of the name in struct linux_dirent64 (getdents64(2)): after the inode
// and an offset (64 bits each), the entry's size (16 bits) and its type (8 bits).
const direntName = 19

// entry returns the first of several directory entries, or size 0 if it is malformed.
func entry(b []byte) (inode uint64, name string, size int) {
	size = int(binary.NativeEndian.Uint16(b[16:]))
	if size <= direntName || size > len(b) {
		return 0, "", 0
	}
	bare, _, _ := bytes.Cut(b[direntName:size], []byte{0})
	return binary.NativeEndian.Uint64(b), string(bare), size
}

func (s *System) isLost(at string, lost planner.Lost) bool {
	d := s.Observe(at)
	return d.State == planner.DirPresent && d.Inode == lost.Inode &&
		(lost.Born == 0 || d.Born == 0 || d.Born == lost.Born)
}
