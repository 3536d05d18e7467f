package bolt

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	bbolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// batch is one use of the state file, from opening to closing it.
type batch struct {
	engine *Engine
	dir    *os.File
	write  bool
	// file is the file for bbolt. It is locked and checked before bbolt gets it.
	file *os.File
	// size is the size of the file in bytes before the batch.
	size int64
	db   *bbolt.DB
	tx   *tx
	// refused says why bbolt did not get the file.
	refused error
	// user is set while the caller's function runs.
	user bool
}

// run opens the file, calls fn, commits and closes the file. Only here does a panic of bbolt, or a
// fault in the mapped file, become an error. A panic of fn is passed on to the caller after the
// file is closed.
func (b *batch) run(fn func(kv.Tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		closeErr := b.close(p != nil)
		switch {
		case p != nil && b.user && !b.tx.inside:
			panic(p)
		case p != nil:
			err = &kv.DamagedError{File: b.engine.file(), Reason: fmt.Sprint(p)}
		case err == nil && closeErr != nil:
			err = folder.Explain("close state", b.engine.file(), closeErr)
		}
	}()
	if err := b.open(); err != nil {
		return err
	}
	b.user = true
	err = fn(b.tx)
	b.user = false
	if err != nil || !b.write || !b.tx.changed {
		return err
	}
	return b.commit()
}

// mapped is how many bytes of address space bbolt maps, if the file is smaller. Each time that a
// batch outgrows what is mapped, bbolt copies all keys and values that the batch has put so far. Only
// pages of the file take memory.
const mapped = 1 << 30

// open makes bbolt open the file, and begins a transaction.
func (b *batch) open() error {
	db, err := bbolt.Open(b.engine.file(), 0o600, &bbolt.Options{ReadOnly: !b.write,
		OpenFile: b.openFile, Timeout: time.Second, FreelistType: bbolt.FreelistMapType,
		NoStatistics: true, InitialMmapSize: mapped})
	if b.refused != nil {
		return b.refused
	}
	if err != nil {
		return folder.Explain("open state", b.engine.file(), err)
	}
	b.db = db
	// bbolt takes a file with a large map for a large one, and would add 16 MiB even to a small one
	db.AllocSize = int(min(max(b.size, 32<<10), int64(db.AllocSize)))
	inner, err := db.Begin(b.write)
	if err != nil {
		return folder.Explain("open state", b.engine.file(), err)
	}
	b.tx = &tx{batch: b, bolt: inner}
	return nil
}

// forget gives back the memory of the pages that bbolt has mapped.
func (b *batch) forget() {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, b.db.Info().Data, uintptr(b.size), unix.MADV_DONTNEED)
}

// openFile gives bbolt the state file. The file was opened without following links, belongs to us,
// is locked, and was found to be good. bbolt's own lock is of the same kind on the same descriptor,
// so it always succeeds.
func (b *batch) openFile(string, int, os.FileMode) (*os.File, error) {
	b.refused = b.prepareFile()
	return b.file, b.refused
}

func (b *batch) prepareFile() (err error) {
	if b.file, err = openLocked(b.dir, b.engine.file(), b.write,
		b.engine.options.Timeout); err != nil {
		return err
	}
	if err := b.check(); err != nil {
		return err
	}
	if !b.write || !b.engine.copyDue() {
		return nil
	}
	if err := copyFile(b.dir, b.file, b.engine.dir); err != nil {
		return folder.Explain("copy the state to", b.engine.file()+".bak", err)
	}
	b.engine.hasCopied()
	return nil
}

// check walks the file, unless it is still as this store left it.
func (b *batch) check() error {
	id, err := identify(int(b.file.Fd()))
	if err != nil {
		return folder.Explain("check", b.engine.file(), err)
	}
	b.size = id.size
	if b.engine.known(id) {
		return nil
	}
	if err := b.engine.checkFile(b.file); err != nil {
		return err
	}
	b.engine.remember(id)
	return nil
}

func (b *batch) commit() error {
	if err := b.tx.bolt.Commit(); err != nil {
		return errors.Join(folder.Explain("write state", b.engine.file(), err), b.giveBack())
	}
	if id, err := identify(int(b.file.Fd())); err == nil {
		b.engine.remember(id)
	}
	return nil
}

// giveBack removes what a failed write has added at the end of the file, which would keep a full
// disk full.
func (b *batch) giveBack() error {
	size, err := sizeInUse(b.file)
	if err != nil {
		// nothing is removed unless both headers are good; the error of the write says what is wrong
		return nil
	}
	info, err := b.file.Stat()
	if err != nil || info.Size() <= max(size, b.size) {
		return err
	}
	return b.file.Truncate(max(size, b.size))
}

// close ends the transaction and frees the lock. After a panic, bbolt may hold locks of its own,
// and closing it could wait forever. Then close closes only the descriptor, which frees the
// kernel's lock.
func (b *batch) close(panicked bool) error {
	if panicked || b.db == nil {
		if b.file != nil {
			unix.Flock(int(b.file.Fd()), unix.LOCK_UN)
			b.file.Close()
		}
		return nil
	}
	if b.tx != nil {
		if err := b.tx.bolt.Rollback(); err != nil && !errors.Is(err, berrors.ErrTxClosed) {
			return err
		}
	}
	return b.db.Close()
}
