package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// ways are the ways out, by the SQLSTATE of the server's answer (PostgreSQL's manual, appendix A).
var ways = map[string]string{
	"28P01": "the server refuses the user or the password: correct the URL in `state \"postgres\"`",
	"28000": "the server lets this user not in from here: see its pg_hba.conf, and whether it wants TLS (sslmode=require)",
	"3D000": "there is no such database: make it, or correct the URL",
	"42501": "the user lacks a right: GRANT CREATE ON DATABASE, or make the schema cscs_sync and give it to the user",
	"25006": "the server is a read-only standby: name the primary in the URL, or all servers with target_session_attrs=read-write",
	"53100": "the disk of the database is full; the state is as it was: make room and try again",
	"53200": "the server is out of memory; the state is as it was: try again",
	"53300": "the server has no connection left: raise its max_connections",
	"57P01": "the server is being shut down; the state is as it was: try again",
	"57P02": "the server has crashed; the state is as it was: try again",
	"57P03": "the server is starting, or recovers: try again",
	"57014": "the server ended the statement: it took too long; the state is as it was",
	"25P03": "this node said nothing for too long, and the server gave its lock to others; the state is as it was: try again",
	"40001": "another transaction changed the same; the state is as it was: try again",
	"40P01": "two transactions waited for each other; the state is as it was: try again",
}

// explain adds to an error what a person can do about it. It never shows the password.
func (e *Engine) explain(op string, err error) error {
	if err == nil {
		return nil
	}
	var answered *pgconn.PgError
	if errors.As(err, &answered) {
		if answered.Code == "55P03" {
			return fmt.Errorf("state %s: %w (waited %s): try again", e.Name(), kv.ErrBusy, e.options.Timeout)
		}
		way, known := ways[answered.Code]
		if !known {
			return fmt.Errorf("%s state %s: %w", op, e.Name(), e.hide(err))
		}
		if answered.Code == "25006" {
			return fmt.Errorf("%s state %s: %w: %s (%w)", op, e.Name(), kv.ErrReadOnly, way, e.hide(err))
		}
		return fmt.Errorf("%s state %s: %s (%w)", op, e.Name(), way, e.hide(err))
	}
	var refused *pgconn.ConnectError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("%s state %s: the database cannot be reached; the state is as it was: see that the server runs and that its "+
			"port is open from here (%w)", op, e.Name(), e.hide(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s state %s: the database did not answer in time: %w", op, e.Name(), e.hide(err))
	}
	return fmt.Errorf("%s state %s: %w", op, e.Name(), e.hide(err))
}

// hide is an error whose text has no password in it.
func (e *Engine) hide(err error) error {
	password := e.config.ConnConfig.Password
	if password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return &hidden{strings.ReplaceAll(err.Error(), password, "(secret)"), err}
}

// hidden is an error with another text.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }
