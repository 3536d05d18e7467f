package postgres

import "context"

// Durability says how safely the server keeps what it has confirmed.
type Durability struct {
	// Commit is synchronous_commit and Standbys is synchronous_standby_names. FullWrites reports
	// whether fsync and full_page_writes are on.
	Commit, Standbys string
	FullWrites       bool
	// Replicas is the number of servers that replicate this one now, as far as the user may see them.
	Replicas int
	// TLS reports whether this connection is encrypted, and Local whether it never leaves the node.
	TLS, Local bool
	// Version is the server's version, for people.
	Version string
}

// Problem says why a confirmed commit could be lost, or returns "" if no reason is known. If the
// commit that a plan began is lost, another node could start a plan that this node is carrying out.
func (d Durability) Problem() string {
	switch {
	case !d.FullWrites:
		return "fsync or full_page_writes is off: a power cut can lose confirmed commits; switch both on"
	case d.Commit == "off":
		return "synchronous_commit is off: a crash can lose confirmed commits; set it to on"
	case d.Replicas > 0 && d.Standbys == "":
		return "the server has standbys, but replication is asynchronous: a fail-over can lose " +
			"confirmed commits; set synchronous_standby_names"
	case d.Standbys != "" && d.Commit == "local":
		return "synchronous_commit is local: a fail-over can lose confirmed commits; set it to on"
	}
	return ""
}

// Durability asks the server how safely it keeps commits.
func (e *Engine) Durability(ctx context.Context) (d Durability, err error) {
	conn, err := e.connection(ctx)
	if err != nil {
		return d, err
	}
	defer conn.release()
	err = conn.conn.query(ctx, "SELECT current_setting('synchronous_commit'), "+
		"current_setting('synchronous_standby_names'), current_setting('fsync') = 'on' AND "+
		"current_setting('full_page_writes') = 'on', (SELECT count(*) FROM pg_stat_replication), "+
		"coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), "+
		"inet_server_addr() IS NULL, current_setting('server_version')").
		one(&d.Commit, &d.Standbys, &d.FullWrites, &d.Replicas, &d.TLS, &d.Local, &d.Version)
	return d, e.explain("read the settings of", err)
}
