package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// workers and batch are how many directories an apply makes at a time, and how many share one commit of its journal.
const (
	workers = 8
	batch   = 64
)

// create makes the directories of a listing: each with its owner, group and mode, synced with the one above, and after each
// batch a record of each in a journal that is synced twice, as a database with two headers must.
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
			if err := createAll(root, some); err != nil {
				return err
			}
			if err := note(journal, some); err != nil {
				return err
			}
		}
		return nil
	})
}

// createAll makes some directories at the same time, after those above them.
func createAll(root int, some []resource) error {
	for _, r := range some {
		if err := unix.Mkdirat(root, path.Dir(r.MountPoint.Default)[1:], 0o755); err != nil && err != unix.EEXIST {
			return err
		}
	}
	errs := make([]error, len(some))
	var wait sync.WaitGroup
	slots := make(chan struct{}, workers)
	for i, r := range some {
		slots <- struct{}{}
		wait.Go(func() {
			errs[i] = createOne(root, r)
			<-slots
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func createOne(root int, r resource) error {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	name := r.MountPoint.Default[1:]
	parent, err := unix.Openat(root, path.Dir(name), flags, 0)
	if err != nil {
		return err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.Base(name), 0o700); err != nil {
		return err
	}
	fd, err := unix.Openat(parent, path.Base(name), flags, 0)
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
	if err := unix.Fsync(fd); err != nil {
		return err
	}
	return unix.Fsync(parent)
}

func note(journal *os.File, some []resource) error {
	for _, r := range some {
		if _, err := fmt.Fprintf(journal, "%s %s %s done\n", r.ItemID, r.MountPoint.Default, r.Permission.Value); err != nil {
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
