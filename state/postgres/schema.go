package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// migrations create the schema. Each one leads from the version that is its index to the next. A
// released migration is never edited: every change is a new migration.
var migrations = []string{`
CREATE TABLE cscs_sync.states (
	number serial PRIMARY KEY,
	name   text NOT NULL UNIQUE,
	commit bigint NOT NULL DEFAULT 0,
	made   timestamptz NOT NULL DEFAULT now(),
	-- the lease: which node may change the storage, and until when
	epoch  bigint NOT NULL DEFAULT 0,
	node   text,
	boot   text,
	who    text,
	since  timestamptz,
	until  timestamptz
);
CREATE TABLE cscs_sync.entries (
	state  integer NOT NULL REFERENCES cscs_sync.states,
	bucket text COLLATE "C" NOT NULL,
	key    bytea NOT NULL,
	value  bytea NOT NULL,
	commit bigint NOT NULL,
	PRIMARY KEY (state, bucket, key)
);
CREATE TABLE cscs_sync.batches (
	state integer NOT NULL REFERENCES cscs_sync.states,
	id    text NOT NULL,
	at    timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (state, id)
);
`, `
CREATE TABLE cscs_sync.nodes (
	state  integer NOT NULL REFERENCES cscs_sync.states,
	node   text NOT NULL,
	boot   text NOT NULL,
	who    text NOT NULL,
	-- the fingerprint of the configuration
	config text NOT NULL,
	leads  boolean NOT NULL,
	since  timestamptz NOT NULL,
	until  timestamptz NOT NULL,
	PRIMARY KEY (state, node)
);
CREATE UNIQUE INDEX nodes_leader ON cscs_sync.nodes (state) WHERE leads;

-- which batch last changed the values of a bucket
CREATE TABLE cscs_sync.stamps (
	state  integer NOT NULL REFERENCES cscs_sync.states,
	bucket text NOT NULL,
	commit bigint NOT NULL,
	batch  text NOT NULL,
	PRIMARY KEY (state, bucket)
);
`}

// schemaLock is the number of the advisory lock that makes sure that only one process at a time
// updates the schema.
const schemaLock = 0x637363732d73796e

// migrate updates the schema to this version, in one transaction. A newer schema is an error.
// Without make, a database without a schema stays as it is, and migrate returns false.
func (e *Engine) migrate(ctx context.Context, conn *conn, make bool) (there bool, err error) {
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return false, e.explain("read the schema of", err)
	}
	switch {
	case version > len(migrations):
		return false, e.newer(version)
	case version == len(migrations):
		return true, nil
	case version == 0 && !make:
		return false, nil
	}
	defer rollback(conn)
	if err := conn.script(ctx, fmt.Sprintf("BEGIN; SELECT pg_advisory_xact_lock(%d)",
		schemaLock)); err != nil {
		return false, e.explain("make the schema of", err)
	}
	if version, err = schemaVersion(ctx, conn); err != nil { // another node may have been faster
		return false, e.explain("read the schema of", err)
	}
	if version > len(migrations) {
		return false, e.newer(version)
	}
	if err := bringTo(ctx, conn, version); err != nil {
		return false, e.explain("make the schema of", err)
	}
	return true, nil
}

func bringTo(ctx context.Context, conn *conn, from int) error {
	if from == 0 {
		// Not every user may create a schema. If the database's administrator has created one, it is used
		// as it is.
		var there bool
		err := conn.query(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = "+
			"'cscs_sync')").one(&there)
		if err == nil && !there {
			err = conn.script(ctx, "CREATE SCHEMA cscs_sync")
		}
		if err == nil {
			err = conn.script(ctx, "CREATE TABLE cscs_sync.version (version integer NOT NULL); INSERT INTO "+
				"cscs_sync.version VALUES (0)")
		}
		if err != nil {
			return err
		}
	}
	for _, step := range migrations[from:] {
		if err := conn.script(ctx, step); err != nil {
			return err
		}
	}
	if _, err := conn.exec(ctx, "UPDATE cscs_sync.version SET version = $1",
		len(migrations)); err != nil {
		return err
	}
	return conn.script(ctx, "COMMIT")
}

// schemaVersion returns the version of the schema, or 0 if there is none. It reads the catalog,
// because to_regclass answers from a cache that does not contain what another node has created
// since this transaction began.
func schemaVersion(ctx context.Context, conn *conn) (version int, err error) {
	var there bool
	err = conn.query(ctx, "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = "+
		"c.relnamespace WHERE n.nspname = 'cscs_sync' AND c.relname = 'version')").one(&there)
	if err != nil || !there {
		return 0, err
	}
	err = conn.query(ctx, "SELECT version FROM cscs_sync.version").one(&version)
	if errors.Is(err, errNoRow) {
		err = errors.New("table cscs_sync.version is empty: restore the schema from a backup")
	}
	return version, err
}

func (e *Engine) newer(version int) error {
	return fmt.Errorf("state %s: %w (schema version %d, this version supports %d): nothing was "+
		"changed; use that version", e.Name(), kv.ErrNewer, version, len(migrations))
}
