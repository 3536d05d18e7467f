package posix

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Archiving is one directory that is ready to be moved into the archive: its manifest is written, and everything that can be
// tried without moving it was tried.
type Archiving struct {
	system   *System
	move     Move
	manifest manifestFile
}

// PrepareArchive tries everything that could make [Archiving.Move] fail, short of the move: the directory is the expected
// one, no mount is at or below it, no flag keeps it where it is; the archive folder is there (it is made if it is missing),
// on the same mount, closed to all but us, has the name free and room for the manifest, which is written and synced. The
// caller ends with Move or Discard. What fails here leaves no manifest.
func (s *System) PrepareArchive(m Move, manifest []byte) (*Archiving, error) {
	a := &Archiving{system: s, move: m}
	err := a.inFolder(func(_ *Dir, folder int) (err error) {
		if a.manifest, err = writeManifest(folder, m.Name, manifest); err != nil {
			return fmt.Errorf("write its manifest in the archive folder %s: %w", s.root.Path(m.Folder), explain(err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a, nil
}

// Move checks everything again, renames the directory, and syncs both directories. Nothing is ever replaced or copied. If
// the directory did not move, its manifest is removed again: it would tell a lie.
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
		return fmt.Errorf("the manifest %s/%s names a directory that was not archived; remove it by hand: %w", where, a.manifest.name, err)
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

// SyncArchived makes durable that a directory is in the archive, after a try that was killed has moved it.
func (s *System) SyncArchived(m Move) error {
	if seen := s.Observe(m.Archived()); seen.Inode != m.Inode {
		return refuse(ErrAbsent, "archive %s: it is not in the archive as %s", s.root.Path(m.From), s.root.Path(m.Archived()))
	}
	if err := s.syncMoved(m.Archived(), m.From); err != nil {
		return fmt.Errorf("archive %s: %w", s.root.Path(m.From), err)
	}
	return nil
}
