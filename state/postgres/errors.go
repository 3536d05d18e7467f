package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// unchanged is part of the message about a batch that the server refused.
const unchanged = "the state is unchanged: "

// ways say what a person can do, by the SQLSTATE in the server's answer (appendix A of PostgreSQL's
// manual).
var ways = map[string]string{
	"28P01": "the server refuses the user or the password: correct the URL in `state \"postgres\"`",
	"28000": "the server refuses this user from this node: check its pg_hba.conf, and whether it " +
		"requires TLS (sslmode=require)",
	"3D000": "the database does not exist: create it, or correct the URL",
	"42501": "the user lacks a right: run GRANT CREATE ON DATABASE, or create the schema cscs_sync " +
		"and give it to the user",
	"25006": "the server is a read-only standby: name the primary in the URL, or all servers with " +
		"target_session_attrs=read-write",
	"53100": "the disk of the database is full; " + unchanged + "make room and try again",
	"53200": "the server is out of memory; " + unchanged + "try again",
	"53300": "the server has no free connection: raise its max_connections",
	"57P01": "the server is shutting down; " + unchanged + "try again",
	"57P02": "the server has crashed; " + unchanged + "try again",
	"57P03": "the server is starting or recovering: try again",
	"57014": "the server ended the statement because it took too long; " + unchanged + "try again",
	"25P03": "this node was silent for too long, and the server gave its lock to others; " +
		unchanged +
		"try again",
	"40001": "another transaction changed the same values; " + unchanged + "try again",
	"40P01": "two transactions waited for each other; " + unchanged + "try again",
}

// explain adds to an error what a person can do. It never shows the password.
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
	switch {
	case isCertificate(err):
		return fmt.Errorf("%s state %s: the server's certificate is not trusted; %scheck sslrootcert "+
			"and the host in the URL (%w)", op, e.Name(), unchanged, e.hide(err))
	case errors.As(err, new(*pgconn.ConnectError)):
		return fmt.Errorf("%s state %s: the database cannot be reached; %scheck that the server is "+
			"running and that its port is open from here (%w)", op, e.Name(), unchanged, e.hide(err))
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s state %s: the database did not answer in time; try again later: %w", op,
			e.Name(),
			e.hide(err))
	}
	return fmt.Errorf("%s state %s: %w", op, e.Name(), e.hide(err))
}

// isCertificate reports whether an error means that the server's certificate is not trusted.
func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) ||
		errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError)) ||
		errors.As(err, new(x509.CertificateInvalidError))
}

// hide returns an error whose text does not contain the password.
func (e *Engine) hide(err error) error {
	password := e.config.Password
	if password == "" || !strings.Contains(err.Error(), password) {
		return err
	}
	return &hidden{strings.ReplaceAll(err.Error(), password, "(secret)"), err}
}

// hidden is an error with a different text.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }
