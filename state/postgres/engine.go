// Package postgres stores states in a PostgreSQL database. It is the engine for nodes that share a
// state.
//
// A batch that writes is one transaction. Its first statement locks the state's row, so there is
// only one writer at a time, on any node. A view is one snapshot. If the answer to a commit is
// lost, the batch is looked up by its id, which is written with it. So a batch is never written
// twice, and never lost unnoticed.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// maxKey is the largest length of a key in bytes. An index entry of PostgreSQL may take about a
// third of a page of 8 KiB.
const maxKey = 2000

const (
	defaultWait = 5 * time.Second
	// answer is how long the server may take to answer one statement, and connect is how long a new
	// connection may take.
	answer  = 60 * time.Second
	connect = 10 * time.Second
	// idle is how long a batch may be silent before the server gives its lock to others, because its
	// node has stopped.
	idle = 10 * time.Second
)

// Options are what an [Engine] needs from its caller.
type Options struct {
	// URL is the URL of the database, postgres://…; it may contain a password.
	URL string
	// Name is the state's name in the database.
	Name string
	// Timeout is how long a batch waits for others to finish theirs; 0 means 5 seconds.
	Timeout time.Duration
	// Lease is how long a lease lasts; 0 means 30 seconds.
	Lease time.Duration
	// Initial are the values of a new state.
	Initial []kv.Value
}

// Engine is one state in a database. It is safe for concurrent use.
type Engine struct {
	options Options
	config  *pgconn.Config

	mu   sync.Mutex
	pool *pool
	// current is set once this engine has seen that the schema has this version.
	current bool
	// lease is the lease that this process holds, or nil.
	lease *lease
	// beforeCommit is called before each commit, and afterCommit after its answer. Tests cut the
	// connection there.
	beforeCommit, afterCommit func()
}

// New returns an engine for a state. It does not connect yet.
func New(o Options) (*Engine, error) {
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	if o.Name == "" || len(o.Name) > 63 || strings.ContainsFunc(o.Name, odd) {
		return nil, fmt.Errorf("state %q: want a name of 1 to 63 printable characters", o.Name)
	}
	config, err := pgconn.ParseConfig(o.URL)
	if err != nil {
		// The parser's own message quotes the URL.
		return nil, fmt.Errorf("state %s: its URL is not that of a PostgreSQL database: want "+
			"postgres://USER:PASSWORD@HOST/DATABASE", o.Name)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultWait
	}
	if o.Lease <= 0 {
		o.Lease = leaseTime
	}
	config.ConnectTimeout = connect
	config.RuntimeParams["application_name"] = "cscs-sync"
	return &Engine{options: o, config: config, beforeCommit: func() {}, afterCommit: func() {}}, nil
}

// Name returns the address of the database and the state's name in it, without user and password.
func (e *Engine) Name() string {
	c := e.config
	return fmt.Sprintf("%s in PostgreSQL %s:%d/%s", e.options.Name, c.Host, c.Port, c.Database)
}

// Restore says what to do when the values are damaged.
func (e *Engine) Restore() string {
	return "find out who changed the tables of schema cscs_sync, and restore them from a backup of " +
		"the database"
}

// MaxKey returns the largest length of a key that fits into an index.
func (e *Engine) MaxKey() int { return maxKey }

// Close closes the connections.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pool != nil {
		e.pool.connections.Close()
		e.pool = nil
	}
}

// connection returns a connection to the database, whatever it contains.
func (e *Engine) connection(ctx context.Context) (*pooled, error) {
	e.mu.Lock()
	if e.pool == nil {
		var err error
		if e.pool, err = newPool(e.config.Copy()); err != nil {
			e.mu.Unlock()
			return nil, e.explain("connect to", err)
		}
	}
	pool := e.pool
	e.mu.Unlock()
	conn, err := pool.take(ctx)
	return conn, e.explain("connect to", err)
}

// acquire returns a connection to a database whose schema has this version. It returns false if
// nothing was ever written and make is false.
func (e *Engine) acquire(ctx context.Context,
	make bool) (conn *pooled, there bool, err error) {
	if conn, err = e.connection(ctx); err != nil {
		return nil, false, err
	}
	e.mu.Lock()
	current := e.current
	e.mu.Unlock()
	if current {
		return conn, true, nil
	}
	there, err = e.migrate(ctx, conn.conn, make)
	if err != nil || !there {
		conn.release()
		return nil, false, err
	}
	e.mu.Lock()
	e.current = true
	e.mu.Unlock()
	return conn, true, nil
}

// Batch implements [kv.Engine].
func (e *Engine) Batch(write bool, fn func(kv.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	conn, there, err := e.acquire(ctx, write)
	if err != nil {
		return err
	}
	if !there {
		return fn(nil)
	}
	defer conn.release()
	if write {
		return e.write(ctx, conn.conn, fn)
	}
	return e.view(ctx, conn.conn, fn)
}

// view runs fn in one snapshot.
func (e *Engine) view(ctx context.Context, conn *conn, fn func(kv.Tx) error) error {
	defer rollback(conn)
	if err := conn.script(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return e.explain("read", err)
	}
	b := &batch{engine: e, conn: conn}
	err := conn.query(ctx, "SELECT number, commit FROM cscs_sync.states WHERE name = $1",
		e.options.Name).one(&b.state, &b.commit)
	if errors.Is(err, errNoRow) {
		return fn(nil)
	}
	if err != nil {
		return e.explain("read", err)
	}
	return fn(b)
}

// write locks the state, runs fn and commits its changes.
func (e *Engine) write(ctx context.Context, conn *conn, fn func(kv.Tx) error) error {
	defer rollback(conn)
	b := &batch{engine: e, conn: conn}
	if err := b.lock(ctx); err != nil {
		return e.explain("write", err)
	}
	if err := b.stillLeased(ctx); err != nil {
		return err
	}
	changes := kv.NewOverlay(b)
	if err := fn(&written{changes, b}); err != nil {
		return err
	}
	if changes.IsEmpty() && !b.made {
		return nil
	}
	return b.finish(changes)
}

// rollback ends a transaction that was not committed. If that fails, it closes the connection,
// which rolls back, too.
func rollback(conn *conn) {
	ctx, cancel := context.WithTimeout(context.Background(), connect)
	defer cancel()
	if conn.pg.IsClosed() || conn.pg.TxStatus() == 'I' {
		return
	}
	if err := conn.script(ctx, "ROLLBACK"); err != nil {
		_ = conn.pg.Close(ctx)
	}
}

var _ kv.Engine = (*Engine)(nil)

// isServers reports whether an error is an answer of the server. Then the request had no effect.
func isServers(err error) bool {
	var answered *pgconn.PgError
	return errors.As(err, &answered)
}

// stillLeased returns an error if another node now has the lease that this process held.
func (b *batch) stillLeased(ctx context.Context) error {
	b.engine.mu.Lock()
	held := b.engine.lease
	b.engine.mu.Unlock()
	if held == nil {
		return nil
	}
	if err := held.term.check(); err != nil {
		return err
	}
	err := held.own(ctx, b)
	if isLost(err) {
		held.term.lose(err)
		return err
	}
	return b.engine.explain("write", err)
}
