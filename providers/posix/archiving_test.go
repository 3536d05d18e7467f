package posix

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
)

// setFlag sets a flag of chattr on a directory until the test ends.
func (s *site) setFlag(at string, flag uint32) {
	s.t.Helper()
	fd, err := unix.Open(s.real(at), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	s.must(err)
	var a attributes
	s.must(attributesIoctl(fd, getAttributesIoctl, &a))
	a.flags |= flag
	s.must(attributesIoctl(fd, setAttributesIoctl, &a))
	s.t.Cleanup(func() {
		a.flags &^= flag
		s.must(attributesIoctl(fd, setAttributesIoctl, &a))
		unix.Close(fd)
	})
}

// A flag that keeps a directory where it is, or the archive as it is, is found before anybody is
// asked to approve.
func TestPrepareFindsFlags(t *testing.T) {
	for name, flag := range map[string]uint32{"immutable": immutableFlag, "append-only": appendFlag} {
		for _, where := range []string{"capstor/store/x", "capstor/store", "capstor/.trash"} {
			t.Run(name+" "+where, func(t *testing.T) {
				s, m := archiveSite(t)
				s.mkdir(m.Folder, 0o700)
				s.setFlag(where, flag)
				_, err := s.sys.PrepareArchive(m, []byte("{}"))
				if !errors.Is(err, ErrObstructed) || !strings.Contains(err.Error(), where+" is "+name) {
					t.Errorf("got %v", err)
				}
				s.wantInArchive(m)
			})
		}
	}
}

// A flag above the directory to restore is found, too.
func TestRestoreFindsFlags(t *testing.T) {
	s, m := archiveSite(t)
	s.must(s.sys.archive(m, []byte("{}")))
	s.setFlag("capstor/store", immutableFlag)
	if err := s.sys.Restore(m, m.From); !errors.Is(err, ErrObstructed) ||
		!strings.Contains(err.Error(), "capstor/store is immutable") {
		t.Errorf("got %v", err)
	}
}

// reopen opens the system once more, as another process would.
func (s *site) reopen() *System {
	s.t.Helper()
	sys, err := s.root.System(s.conf, planner.RootIdentity{})
	s.must(err)
	return sys
}

// wantInArchive compares the names in the archive folder with patterns.
func (s *site) wantInArchive(m Move, patterns ...string) {
	s.t.Helper()
	entries, _ := os.ReadDir(s.real(m.Folder))
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	ok := len(names) == len(patterns)
	for i := range min(len(names), len(patterns)) {
		match, err := filepath.Match(patterns[i], names[i])
		ok = ok && match && err == nil
	}
	if !ok {
		s.t.Errorf("the archive holds %q, want %q", names, patterns)
	}
}

// An archive without room for the manifest is found before anybody is asked to approve, and nothing
// is left over.
func TestPrepareOnAFullFilesystem(t *testing.T) {
	for name, c := range map[string]struct {
		options string
		fill    func(s *site)
		want    error
	}{
		"no space": {"size=64k", func(s *site) {
			f, err := os.Create(s.real("capstor/fill"))
			s.must(err)
			defer f.Close()
			for block := make([]byte, 4096); err == nil; {
				_, err = f.Write(block)
			}
		}, unix.ENOSPC},
		"no inodes": {"nr_inodes=16", func(s *site) {
			for i, err := 0, error(nil); err == nil; i++ {
				err = os.WriteFile(s.real(fmt.Sprintf("capstor/f%d", i)), nil, 0o600)
			}
		}, unix.ENOSPC},
		"read-only": {"size=64k", func(s *site) {
			s.must(unix.Mount("", s.real("capstor"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		}, unix.EROFS},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.must(unix.Mount("tmpfs", s.real("capstor"), "tmpfs", 0, c.options))
			t.Cleanup(func() { unix.Unmount(s.real("capstor"), unix.MNT_DETACH) })
			s.mkdir("capstor/x", 0o2770)
			s.mkdir("capstor/.trash", 0o700)
			m := Move{From: "capstor/x", Inode: s.inode("capstor/x"), Folder: "capstor/.trash",
				Name: "20261103T120000Z-0a1b2c3d-x"}
			c.fill(s)
			sys := s.reopen()
			defer sys.Close()
			if _, err := sys.PrepareArchive(m, []byte("{}")); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			s.wantInArchive(m)
		})
	}
}

// Discard removes the manifest of its own attempt and no other.
func TestDiscardRemovesOnlyItsOwn(t *testing.T) {
	s, m := archiveSite(t)
	one, err := s.sys.PrepareArchive(m, []byte("one"))
	s.must(err)
	two, err := s.sys.PrepareArchive(m, []byte("two"))
	s.must(err)
	s.wantInArchive(m, m.Name+"~*.json", m.Name+"~*.json")
	s.must(one.Discard())
	s.must(one.Discard())
	s.wantInArchive(m, m.Name+"~*.json")
	s.must(os.Rename(s.real(m.Folder+"/"+two.manifest.name), s.real(m.Folder+"/aside")))
	s.must(os.WriteFile(s.real(m.Folder+"/"+two.manifest.name), []byte("another"), 0o600))
	s.must(two.Discard())
	s.wantInArchive(m, m.Name+"~*.json", "aside")
}

// An archived directory keeps the manifest of the node that moved it, whatever happens to another
// attempt.
func TestTheLoserKeepsTheWinnersManifest(t *testing.T) {
	s, m := archiveSite(t)
	loser, err := s.sys.PrepareArchive(m, []byte("loser"))
	s.must(err)
	s.must(s.sys.archive(m, []byte("winner")))
	if err := loser.Move(); err == nil {
		t.Error("it was moved twice")
	}
	found, err := s.sys.Manifests(m.Folder)
	if err != nil || len(found) != 1 || string(found[0].Data) != "winner" || found[0].Name != m.Name ||
		found[0].Directory.Inode != m.Inode {
		t.Errorf("%+v, %v", found, err)
	}
}

// Two nodes archive the same directories at the same time. Each directory arrives once and has its
// manifest.
func TestTwoNodesArchive(t *testing.T) {
	s := newSite(t)
	const n = 60
	var moves []Move
	for i := range n {
		from := fmt.Sprintf("capstor/d%d", i)
		s.mkdir(from, 0o2770)
		name := fmt.Sprintf("20261103T120000Z-0a1b2c3d-d%d", i)
		moves = append(moves, Move{From: from, Inode: s.inode(from), Folder: "capstor/.trash",
			Name: name})
	}
	var wg sync.WaitGroup
	for node := range 3 {
		sys := s.reopen()
		t.Cleanup(sys.Close)
		wg.Go(func() {
			for i := range n {
				m := moves[i]
				if node == 2 { // its plan began a second later
					m.Name = strings.Replace(m.Name, "120000Z", "120001Z", 1)
				}
				if a, err := sys.PrepareArchive(m,
					fmt.Appendf(nil, "%s by %d", m.Archived(), node)); err == nil {
					_ = a.Move()
				}
			}
		})
	}
	wg.Wait()
	found, err := s.sys.Manifests("capstor/.trash")
	s.must(err)
	for _, m := range moves {
		if s.exists(m.From) {
			t.Errorf("%s was not archived", m.From)
		}
		ok := slices.ContainsFunc(found, func(f Manifest) bool {
			return f.Err == nil && f.Directory.State == planner.DirPresent && f.Directory.Inode == m.Inode &&
				strings.HasPrefix(string(f.Data), "capstor/.trash/"+f.Name+" by ")
		})
		if !ok {
			t.Errorf("%s has no manifest", m.From)
		}
	}
}
