package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// An apply creates workers directories at the same time, and commits its journal after each batch.
const (
	workers = 8
	batch   = 64
)

// openDirectory are the flags that open a directory to sync it.
const openDirectory = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// create creates the directories of a listing. Each gets its owner, group and mode, and is synced.
// After each batch, create syncs every directory that got new entries once, and writes a record of
// each new directory to a journal. It syncs the journal twice, as a database with two headers must.
func create(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: bare -make JOURNAL ROOT PAGE…")
	}
	journal, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer journal.Close()
	root, err := openRoot(args[1])
	if err != nil {
		return err
	}
	return eachPage(args[2:], func(p *page) error {
		for some := range slices.Chunk(p.resources(), batch) {
			changed, err := createAll(root, some)
			if err != nil {
				return err
			}
			if err := syncAll(root, changed); err != nil {
				return err
			}
			if err := note(journal, some); err != nil {
				return err
			}
		}
		return nil
	})
}

// createAll creates the parents of a batch's directories, and then the directories themselves at
// the same time. It returns the directories that got new entries.
func createAll(root int, some []resource) (changed []string, err error) {
	for _, r := range some {
		parent := path.Dir(r.MountPoint.Default)[1:]
		switch err := unix.Mkdirat(root, parent, 0o755); err {
		case nil:
			changed = append(changed, path.Dir(parent))
		case unix.EEXIST:
		default:
			return nil, err
		}
		changed = append(changed, parent)
	}
	slices.Sort(changed)
	return slices.Compact(changed), atOnce(some, func(r resource) error { return createOne(root, r) })
}

// syncAll syncs directories.
func syncAll(root int, names []string) error {
	return atOnce(names, func(name string) error {
		fd, err := unix.Openat(root, name, openDirectory, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fsync(fd)
	})
}

// atOnce calls do for each element, with as many calls at the same time as an apply makes.
func atOnce[T any](all []T, do func(T) error) error {
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	slots := make(chan struct{}, workers)
	for i, x := range all {
		slots <- struct{}{}
		wait.Go(func() {
			errs[i] = do(x)
			<-slots
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

func createOne(root int, r resource) error {
	name := r.MountPoint.Default[1:]
	parent, err := unix.Openat(root, path.Dir(name), openDirectory, 0)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.Base(name), 0o700); err != nil {
		return err
	}
	fd, err := unix.Openat(parent, path.Base(name), openDirectory, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	mode, err := strconv.ParseUint(r.Permission.Value, 8, 32)
	if err != nil {
		return err
	}
	if err := unix.Fchown(fd, 0, int(*r.Target.TargetItem.UnixGID)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, uint32(mode)); err != nil {
		return err
	}
	return unix.Fsync(fd)
}

func note(journal *os.File, some []resource) error {
	for _, r := range some {
		_, err := fmt.Fprintf(journal, "%s %s %s done\n", r.ItemID, r.MountPoint.Default,
			r.Permission.Value)
		if err != nil {
			return err
		}
	}
	for range 2 {
		if err := unix.Fdatasync(int(journal.Fd())); err != nil {
			return err
		}
	}
	return nil
}
