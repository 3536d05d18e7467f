package postgres

import "context"

// Durability is how safely the server keeps what it has confirmed.
type Durability struct {
	// Commit is synchronous_commit, Standbys is synchronous_standby_names, and FullWrites whether fsync and full_page_writes are on.
	Commit, Standbys string
	FullWrites       bool
	// Replicas counts the servers that follow now; the user may not be allowed to see them.
	Replicas int
	// TLS reports whether this connection is encrypted, and Local whether it never leaves the node.
	TLS, Local bool
	// Version is the server's, for people.
	Version string
}

// Problem says why a commit that was confirmed could be lost; empty if none is known. A commit that is lost is a lost
// "begun": another node would start a plan that this one is carrying out.
func (d Durability) Problem() string {
	switch {
	case !d.FullWrites:
		return "fsync or full_page_writes is off: a power cut loses what was confirmed"
	case d.Commit == "off":
		return "synchronous_commit is off: a crash loses what was confirmed"
	case d.Replicas > 0 && d.Standbys == "":
		return "the server has standbys, and replication is asynchronous: a fail-over loses what was confirmed; set synchronous_standby_names"
	case d.Standbys != "" && d.Commit == "local":
		return "synchronous_commit is local: a fail-over loses what was confirmed; set it to on"
	}
	return ""
}

// Durability asks the server.
func (e *Engine) Durability(ctx context.Context) (d Durability, err error) {
	conn, err := e.connection(ctx)
	if err != nil {
		return d, err
	}
	defer conn.Release()
	err = conn.QueryRow(ctx, "SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names'), "+
		"current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on', (SELECT count(*) FROM pg_stat_replication), "+
		"coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), inet_server_addr() IS NULL, current_setting('server_version')").
		Scan(&d.Commit, &d.Standbys, &d.FullWrites, &d.Replicas, &d.TLS, &d.Local, &d.Version)
	return d, e.explain("read the settings of", err)
}
