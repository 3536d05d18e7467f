package posix

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Archiving is one directory that is ready to be moved into the archive. Its manifest is written,
// and everything that can be tried without moving the directory has been tried.
type Archiving struct {
	system   *System
	move     Move
	manifest manifestFile
}

// PrepareArchive tries everything that could make [Archiving.Move] fail, except for the move. It
// checks that the directory is the expected one, that no mount is at or below it, and that no flag
// keeps it where it is. It creates the archive folder if it is missing, and checks that the folder
// is on the same mount, is closed to everybody else, has the name free and has room for the
// manifest. It writes and syncs the manifest. The caller must call Move or Discard in the end. A
// PrepareArchive that fails leaves no manifest.
func (s *System) PrepareArchive(m Move, manifest []byte) (*Archiving, error) {
	a := &Archiving{system: s, move: m}
	err := a.inFolder(func(_ *Dir, folder int) (err error) {
		if a.manifest, err = writeManifest(folder, m.Name, manifest); err != nil {
			return fmt.Errorf("write its manifest in the archive folder %s: %w", s.root.Path(m.Folder),
				explain(err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Move checks everything again, renames the directory and syncs both parent directories. It never
// replaces or copies anything. If the directory did not move, Move removes its manifest, which
// would be wrong.
func (a *Archiving) Move() error {
	moved := false
	err := a.inFolder(func(source *Dir, folder int) error {
		to := spot{folder, a.move.Name, a.system.root.Path(a.move.Archived())}
		if err := rename(source, to, a.system.exdev(a.move)); err != nil {
			return err
		}
		moved = true
		return syncAll(source.parent, folder)
	})
	if moved {
		return err
	}
	return errors.Join(err, a.Discard())
}

// Discard removes the manifest that PrepareArchive wrote, and nothing else.
func (a *Archiving) Discard() error {
	folder, err := a.system.openDir(a.move.Folder)
	if err == nil {
		defer unix.Close(folder)
		err = unlinkOwn(folder, a.manifest)
	}
	if err != nil {
		where := a.system.root.Path(a.move.Folder)
		return fmt.Errorf("the manifest %s/%s names a directory that was not archived: remove the "+
			"manifest by hand: %w", where, a.manifest.name, err)
	}
	return nil
}

// inFolder opens and checks the directory and the archive folder, and calls f with both.
func (a *Archiving) inFolder(f func(source *Dir, folder int) error) error {
	if err := a.checked(f); err != nil {
		return fmt.Errorf("archive %s: %w", a.system.root.Path(a.move.From), err)
	}
	return nil
}

func (a *Archiving) checked(f func(source *Dir, folder int) error) error {
	source, err := a.system.checkSource(a.move)
	if err != nil {
		return err
	}
	defer source.Close()
	folder, err := a.system.openFolder(a.move)
	if err != nil {
		return err
	}
	defer unix.Close(folder)
	if err := a.system.checkFolder(folder, a.move, source); err != nil {
		return err
	}
	return f(source, folder)
}

// SyncArchived makes the move of a directory into the archive durable, after an attempt that moved
// it was killed.
func (s *System) SyncArchived(m Move) error {
	if seen := s.Observe(m.Archived()); seen.Inode != m.Inode {
		return refuse(ErrAbsent, "archive %s: it is not in the archive as %s", s.root.Path(m.From),
			s.root.Path(m.Archived()))
	}
	if err := s.syncMoved(m.Archived(), m.From); err != nil {
		return fmt.Errorf("archive %s: %w", s.root.Path(m.From), err)
	}
	return nil
}
