package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

const (
	// most is how many connections a process has at a time, and oldest how long one is used: then the
	// name of the server is looked up again.
	most   = 4
	oldest = time.Hour
	// trusted is how long an idle connection is taken without asking whether it still works.
	trusted = time.Second
)

// pool keeps connections that are not in use.
type pool struct {
	connections *puddle.Pool[*conn]
}

func newPool(config *pgconn.Config) (*pool, error) {
	p, err := puddle.NewPool(&puddle.Config[*conn]{
		Constructor: func(ctx context.Context) (*conn, error) {
			c, err := pgconn.ConnectConfig(ctx, config)
			return &conn{c, map[string]*statement{}}, err
		},
		Destructor: func(c *conn) {
			ctx, cancel := context.WithTimeout(context.Background(), connect)
			defer cancel()
			_ = c.pg.Close(ctx)
		},
		MaxSize: most,
	})
	return &pool{p}, err
}

// pooled is a connection that has to be given back.
type pooled struct {
	conn     *conn
	resource *puddle.Resource[*conn]
}

// take takes a connection out of the pool that works, or makes one.
func (p *pool) take(ctx context.Context) (*pooled, error) {
	for range most + 1 { // were all of them lost, the last is new
		r, err := p.connections.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		c := r.Value()
		if time.Since(r.CreationTime()) < oldest &&
			(r.IdleDuration() < trusted || c.pg.Ping(ctx) == nil) {
			return &pooled{c, r}, nil
		}
		r.Destroy()
	}
	return nil, errors.Join(ctx.Err(), errors.New("every connection was lost as soon as it was made"))
}

// release gives the connection back. One that is closed, or in the middle of something, is not used
// again.
func (p *pooled) release() {
	if c := p.conn.pg; c.IsClosed() || c.IsBusy() || c.TxStatus() != 'I' {
		p.resource.Destroy()
		return
	}
	p.resource.Release()
}
