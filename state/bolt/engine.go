// Package bolt stores a state in one bbolt file on a local disk. It is the engine for a single
// node.
//
// An [Engine] holds no open file. Each batch opens the file, locks it, checks it and closes it
// again, so that other processes can read and write in between. Before a batch, the engine walks
// the pages of the file without trusting them and verifies the values, unless the file is still
// exactly as its own last batch left it. Before its first change, an engine copies the file, which
// was just found to be good.
package bolt

import (
	"path/filepath"
	"sync"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/state/folder"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// The names of the state file and of the last good copy.
const (
	fileName     = "state.db"
	copyName     = "state.db.bak"
	defaultWait  = 5 * time.Second
	copyLifetime = 24 * time.Hour
)

// Options are what an [Engine] needs from its caller.
type Options struct {
	// Now tells the time; required.
	Now func() time.Time
	// Timeout is how long a batch waits for others to finish theirs; 0 means 5 seconds.
	Timeout time.Duration
	// Buckets are created in a new file, and Initial are the values in it.
	Buckets []string
	Initial []kv.Value
	// Verify checks the values of a whole file; required.
	Verify kv.Verify
}

// Engine is the state file in one folder. It is safe for concurrent use. A batch inside a batch of
// the same engine waits for itself, and fails with [kv.ErrBusy].
type Engine struct {
	dir     string
	options Options

	mu sync.Mutex
	// seen is the file as this engine's last batch found or left it. The zero value means that there
	// was no batch.
	seen fileIdentity
	// copied is when this engine last made the copy.
	copied time.Time
}

// New returns an engine for the state in a folder. It reads and writes nothing yet.
func New(dir string, o Options) *Engine {
	if o.Timeout <= 0 {
		o.Timeout = defaultWait
	}
	return &Engine{dir: dir, options: o}
}

// Name returns the path of the state file.
func (e *Engine) Name() string { return e.file() }

// Restore returns "", because there is a good copy next to the file.
func (e *Engine) Restore() string { return "" }

// MaxKey returns bbolt's limit.
func (e *Engine) MaxKey() int { return bbolt.MaxKeySize }

func (e *Engine) file() string { return filepath.Join(e.dir, fileName) }

// Batch implements [kv.Engine]. If the file does not exist, a batch that writes creates it and its
// folder.
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
	if there, err := folder.Exists(dir, fileName); err != nil {
		return folder.Explain("open state", e.file(), err)
	} else if !there {
		return fn(nil)
	}
	b := &batch{engine: e, dir: dir, write: write}
	return b.run(fn)
}

// Version implements [kv.Versioned] with what the kernel and bbolt say about the file. It opens
// nothing that could make a batch wait. An apply asks for it before each change, so it makes no
// os.File, and leaves it to a batch to say why the file cannot be opened or trusted: an equal
// version is the same file, unchanged since a batch has checked it.
func (e *Engine) Version() (version any, known bool, err error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Open(e.file(), flags, 0)
	if err != nil {
		return nil, false, nil
	}
	defer unix.Close(fd)
	id, err := identify(fd)
	if err != nil {
		return nil, false, folder.Explain("check", e.file(), err)
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

// copyDue reports whether to make the copy: once for each engine, and then daily.
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

// place returns the path of a file in the state's folder.
func (e *Engine) place(name string) string { return filepath.Join(e.dir, name) }
