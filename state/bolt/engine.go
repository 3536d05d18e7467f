// Package bolt keeps a state in one bbolt file on a local disk: the engine of a node by itself.
//
// An [Engine] holds no open file. Each batch opens the file, locks it, checks it and closes it again, so that others can
// read and write in between. Before a batch, the pages of the file are walked without trusting them, and the values are
// verified, unless the file is still exactly as the engine's own last batch left it. Before its first change, an engine
// copies the file, which it has just found to be good.
package bolt

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// The names of the state file and of its last good copy.
const (
	FileName     = "state.db"
	CopyName     = "state.db.bak"
	defaultWait  = 5 * time.Second
	copyLifetime = 24 * time.Hour
)

// Options are what an [Engine] needs of the world and of the state.
type Options struct {
	// Now tells the time; required.
	Now func() time.Time
	// Timeout is how long a batch waits for others to finish theirs; 0: 5 seconds.
	Timeout time.Duration
	// Buckets are made with a new file, and Initial are the values in it.
	Buckets []string
	Initial []kv.Value
	// Verify checks the values of a whole file; required.
	Verify kv.Verify
}

// Engine is the state file in one folder. It may be used by several goroutines at once; a batch inside a batch of the
// same engine waits for itself and ends with [kv.ErrBusy].
type Engine struct {
	dir     string
	options Options

	mu sync.Mutex
	// seen is the file as this engine's last batch found or left it; the zero value: never.
	seen fileIdentity
	// copied is when this engine last made the copy.
	copied time.Time
}

// New names the folder of a state. It reads and writes nothing yet.
func New(dir string, o Options) *Engine {
	if o.Timeout <= 0 {
		o.Timeout = defaultWait
	}
	return &Engine{dir: dir, options: o}
}

// Name is the path of the state file.
func (e *Engine) Name() string { return e.file() }

// Restore is empty: a good copy lies beside the file.
func (e *Engine) Restore() string { return "" }

// MaxKey is bbolt's own.
func (e *Engine) MaxKey() int { return bbolt.MaxKeySize }

func (e *Engine) file() string { return filepath.Join(e.dir, FileName) }

// Batch is [kv.Engine]'s. A file that does not exist is made, with its folder.
func (e *Engine) Batch(write bool, fn func(kv.Tx) error) error {
	dir, err := folder.Open(e.dir, write)
	if err != nil {
		return err
	}
	if dir != nil {
		defer dir.Close()
	}
	if dir != nil && write {
		if err := e.ensureFile(dir); err != nil {
			return err
		}
	}
	if there, err := folder.Exists(dir, FileName); err != nil {
		return folder.Explain("open state", e.file(), err)
	} else if !there {
		return fn(nil)
	}
	b := &batch{engine: e, dir: dir, write: write}
	return b.run(fn)
}

// Version is [kv.Versioned]'s: what the kernel and bbolt say of the file. It opens nothing that a
// batch waits for.
func (e *Engine) Version() (version any, known bool, err error) {
	dir, err := folder.Open(e.dir, false)
	if err != nil || dir == nil {
		return nil, false, err
	}
	defer dir.Close()
	f, err := folder.OpenAt(dir, FileName, e.file(), unix.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, folder.Explain("open state", e.file(), err)
	}
	defer f.Close()
	id, err := identify(f)
	if err != nil {
		return nil, false, folder.Explain("look at", e.file(), err)
	}
	return id, true, nil
}

func (e *Engine) now() time.Time { return e.options.Now().UTC() }

// known reports whether the file is exactly as this engine's last batch found or left it.
func (e *Engine) known(id fileIdentity) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return id == e.seen
}

func (e *Engine) remember(id fileIdentity) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = id
}

// copyDue reports whether the last good copy is to be made: once for each engine, and daily if that lives for long.
func (e *Engine) copyDue() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	age := e.options.Now().Sub(e.copied)
	return e.copied.IsZero() || age > copyLifetime || age < 0
}

func (e *Engine) hasCopied() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.copied = e.options.Now()
}

var _ kv.Engine = (*Engine)(nil)
var _ kv.Versioned = (*Engine)(nil)
var _ kv.Tx = (*tx)(nil)

// place is a path in the state's folder.
func (e *Engine) place(name string) string { return filepath.Join(e.dir, name) }
