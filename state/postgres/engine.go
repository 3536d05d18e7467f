// Package postgres keeps states in a PostgreSQL database: the engine of nodes that share a state.
//
// A batch that writes is one transaction, whose first statement locks the state's row: one writer at a time, on whatever
// node. A view is one snapshot. A batch whose commit was not answered is looked up by its id, which is written with it: it
// is neither doubled nor lost.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// maxKey is the greatest length of a key: an index of PostgreSQL takes about a third of a page of 8 KiB.
const maxKey = 2000

const (
	defaultWait = 5 * time.Second
	// answer is how long the server may take for one statement, and connect for a new connection.
	answer  = 60 * time.Second
	connect = 10 * time.Second
	// idle is for how long the server lets a batch say nothing before it gives its lock to others: its node is stopped.
	idle = 10 * time.Second
)

// Options are what an [Engine] needs of the world and of the state.
type Options struct {
	// URL is the database's, postgres://…; it may hold a password.
	URL string
	// Name is the state's in the database.
	Name string
	// Timeout is how long a batch waits for others to finish theirs; 0: 5 seconds.
	Timeout time.Duration
	// Lease is how long a lease lasts; 0: 30 seconds.
	Lease time.Duration
	// Initial are the values of a new state.
	Initial []kv.Value
}

// Engine is one state in a database. It may be used by several goroutines at once.
type Engine struct {
	options Options
	config  *pgxpool.Config

	mu   sync.Mutex
	pool *pgxpool.Pool
	// current is set once this engine has seen that the schema is this version's.
	current bool
	// lease is held by this process; nil: none.
	lease *lease
	// beforeCommit is called before each commit, and afterCommit when it was answered: tests cut the connection there.
	beforeCommit, afterCommit func()
}

// New names the state. It connects to nothing yet.
func New(o Options) (*Engine, error) {
	if o.Name == "" || len(o.Name) > 63 || strings.ContainsFunc(o.Name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, fmt.Errorf("state %q: want a name of 1 to 63 printable characters", o.Name)
	}
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The parser's own message quotes the URL.
		return nil, fmt.Errorf("state %s: its URL is none of a PostgreSQL database: want postgres://USER:PASSWORD@HOST/DATABASE", o.Name)
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultWait
	}
	if o.Lease <= 0 {
		o.Lease = leaseTime
	}
	config.MaxConns = 4
	config.MinConns = 0
	config.ConnConfig.ConnectTimeout = connect
	config.ConnConfig.RuntimeParams["application_name"] = "cscs-sync"
	return &Engine{options: o, config: config, beforeCommit: func() {}, afterCommit: func() {}}, nil
}

// Name is the address of the database and the state's name in it, without user and password.
func (e *Engine) Name() string {
	c := e.config.ConnConfig
	return fmt.Sprintf("%s in PostgreSQL %s:%d/%s", e.options.Name, c.Host, c.Port, c.Database)
}

// Restore says what to do when the values are damaged.
func (e *Engine) Restore() string {
	return "find out who changed the tables of schema cscs_sync, and restore them from a backup of the database"
}

// MaxKey is what an index takes.
func (e *Engine) MaxKey() int { return maxKey }

// Close closes the connections.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pool != nil {
		e.pool.Close()
		e.pool = nil
	}
}

// connection is a connection to the database, whatever is in it.
func (e *Engine) connection(ctx context.Context) (*pgxpool.Conn, error) {
	e.mu.Lock()
	if e.pool == nil {
		var err error
		if e.pool, err = pgxpool.NewWithConfig(context.Background(), e.config.Copy()); err != nil {
			e.mu.Unlock()
			return nil, e.explain("connect to", err)
		}
	}
	pool := e.pool
	e.mu.Unlock()
	conn, err := pool.Acquire(ctx)
	return conn, e.explain("connect to", err)
}

// acquire is a connection to a database whose schema is this version's; there is none (false) if nothing was ever
// written, and make is false.
func (e *Engine) acquire(ctx context.Context, make bool) (conn *pgxpool.Conn, there bool, err error) {
	if conn, err = e.connection(ctx); err != nil {
		return nil, false, err
	}
	e.mu.Lock()
	current := e.current
	e.mu.Unlock()
	if current {
		return conn, true, nil
	}
	there, err = e.migrate(ctx, conn.Conn(), make)
	if err != nil || !there {
		conn.Release()
		return nil, false, err
	}
	e.mu.Lock()
	e.current = true
	e.mu.Unlock()
	return conn, true, nil
}

// Batch is [kv.Engine]'s.
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
	defer conn.Release()
	if write {
		return e.write(ctx, conn.Conn(), fn)
	}
	return e.view(ctx, conn.Conn(), fn)
}

// view runs fn in one snapshot.
func (e *Engine) view(ctx context.Context, conn *pgx.Conn, fn func(kv.Tx) error) error {
	defer rollback(conn)
	if err := exec(ctx, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return e.explain("read", err)
	}
	b := &batch{engine: e, conn: conn}
	err := conn.QueryRow(ctx, "SELECT number, commit FROM cscs_sync.states WHERE name = $1", e.options.Name).Scan(&b.state, &b.commit)
	if errors.Is(err, pgx.ErrNoRows) {
		return fn(nil)
	}
	if err != nil {
		return e.explain("read", err)
	}
	return fn(b)
}

// write runs fn with the state locked, and commits what it changed.
func (e *Engine) write(ctx context.Context, conn *pgx.Conn, fn func(kv.Tx) error) error {
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

// exec runs statements without arguments, in one message.
func exec(ctx context.Context, conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// rollback ends a transaction that was not committed. A connection on which that fails is closed, and so rolls back.
func rollback(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), connect)
	defer cancel()
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	if err := exec(ctx, conn, "ROLLBACK"); err != nil {
		_ = conn.Close(ctx)
	}
}

var _ kv.Engine = (*Engine)(nil)

// isServers reports whether an error is an answer of the server's: what was asked then has not happened.
func isServers(err error) bool {
	var answered *pgconn.PgError
	return errors.As(err, &answered)
}

// stillLeased refuses to write once the lease that this process holds is another's.
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
