package postgres

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/kv/kvtest"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// open returns an engine on a state in a database.
func open(t testing.TB, url, name string) *Engine {
	t.Helper()
	e, err := New(Options{URL: url, Name: name, Initial: kvtest.Initial, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func put(e *Engine, key, value string) error {
	return e.Batch(true, func(tx kv.Tx) error { return tx.Put("b", []byte(key), []byte(value)) })
}

func get(t testing.TB, e *Engine, key string) (value string) {
	t.Helper()
	err := e.Batch(false, func(tx kv.Tx) error {
		if tx == nil {
			value = "no state"
			return nil
		}
		v, err := tx.Get("b", []byte(key))
		value = string(v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestEngine(t *testing.T) {
	s := pgtest.Start(t)
	var made atomic.Int32
	kvtest.Run(t, func(t *testing.T) kvtest.Open {
		url := s.Database(t, fmt.Sprintf("conformance%d", made.Add(1)))
		return func() kv.Engine { return open(t, url, "alps") }
	})
}

// States in one database are independent of each other.
func TestTwoStates(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	one, two := open(t, url, "alps"), open(t, url, "jura")
	if err := put(one, "k", "1"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, two, "k"); got != "no state" {
		t.Errorf("%q", got)
	}
	if err := put(two, "k", "2"); err != nil {
		t.Fatal(err)
	}
	if a, b := get(t, one, "k"), get(t, two, "k"); a != "1" || b != "2" {
		t.Errorf("%q, %q", a, b)
	}
}

// lose cuts an engine's connections on the server's side.
func lose(t testing.TB, s *pgtest.Server) {
	s.SQL(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "+
		"application_name = 'cscs-sync'")
}

// TestACommitThatIsNotAnswered: if the connection is lost, a commit that the server made and one
// that it did not make look the same. The first is found. The second is an error that says that
// nothing was written.
func TestACommitThatIsNotAnswered(t *testing.T) {
	s := pgtest.Start(t)
	e := open(t, s.Database(t, "waldur"), "alps")
	if err := put(e, "k", "1"); err != nil {
		t.Fatal(err)
	}
	e.beforeCommit = func() { lose(t, s) }
	err := put(e, "k", "2")
	if err == nil || !strings.Contains(err.Error(), "the state is unchanged") &&
		!strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("lost before the commit: %v", err)
	}
	e.beforeCommit = func() {}
	if got := get(t, e, "k"); got != "1" {
		t.Errorf("lost before the commit, and the value is %q", got)
	}
	// The answer is lost on its way: the commit itself is made on another connection.
	if err := put(e, "k", "3"); err != nil {
		t.Fatal(err)
	}
	id := s.SQL(t, "waldur", "SELECT id FROM cscs_sync.batches ORDER BY at DESC LIMIT 1")
	if err := e.lookUp(id, errors.New("connection reset")); err != nil {
		t.Errorf("a batch that was written is not found: %v", err)
	}
	if err := e.lookUp("0123", errors.New("connection reset")); err == nil ||
		!strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("a batch that was not written: %v", err)
	}
}

// TestALookUpWaitsForTheOldTransaction: a batch may be written after its connection was lost, as
// long as its transaction is open on the server. The look-up waits for the transaction's end.
func TestALookUpWaitsForTheOldTransaction(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	e, other := open(t, url, "alps"), open(t, url, "alps")
	if err := put(e, "k", "1"); err != nil {
		t.Fatal(err)
	}
	var found error
	looked := make(chan struct{})
	e.beforeCommit = func() {
		id := ""
		go func() {
			defer close(looked)
			found = other.lookUp(id, errors.New("connection reset"))
		}()
		time.Sleep(300 * time.Millisecond)
		select {
		case <-looked:
			t.Error("the look did not wait for the open transaction")
		default:
		}
	}
	if err := put(e, "k", "2"); err != nil {
		t.Fatal(err)
	}
	<-looked
	if found == nil {
		t.Error("a batch with another id was found")
	}
}

// TestAStoppedNodeHoldsNobodyUp: a node that stops in the middle of a batch loses its lock, and its
// batch writes nothing.
func TestAStoppedNodeHoldsNobodyUp(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	e, other := open(t, url, "alps"), open(t, url, "alps")
	if err := put(e, "k", "1"); err != nil {
		t.Fatal(err)
	}
	err := e.Batch(true, func(tx kv.Tx) error {
		if err := put(other, "k", "other"); !errors.Is(err, kv.ErrBusy) {
			t.Errorf("while the batch is open: %v", err)
		}
		for deadline := time.Now().Add(3 * idle); put(other, "k", "other") != nil; {
			if time.Now().After(deadline) {
				t.Fatal("the other node waits for ever")
			}
		}
		return tx.Put("b", []byte("k"), []byte("late"))
	})
	if err == nil {
		t.Error("a batch was written after its lock was lost")
	}
	if got := get(t, other, "k"); got != "other" {
		t.Errorf("%q", got)
	}
}

// TestErrorsSayWhatToDo causes the errors that people will meet.
func TestErrorsSayWhatToDo(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	s.SQL(t, "waldur", "CREATE ROLE poor LOGIN PASSWORD 'geheim'; REVOKE CREATE ON DATABASE waldur "+
		"FROM PUBLIC")
	tests := map[string]struct{ url, want string }{
		"no server":   {"postgres://u:geheim@127.0.0.1:1/waldur", "cannot be reached"},
		"no socket":   {"postgres://u:geheim@/waldur?host=/nonexistent", "cannot be reached"},
		"no database": {s.URL("postgres", "nosuch"), "the database does not exist"},
		"no user":     {s.URL("nobody", "waldur"), "nobody"},
		"no right":    {s.URL("poor", "waldur"), "GRANT CREATE ON DATABASE"},
		"no TLS":      {"postgres://u:geheim@127.0.0.1:1/waldur?sslmode=verify-full", "cannot be reached"},
	}
	for name, c := range tests {
		err := put(open(t, c.url, "alps"), "k", "v")
		if err == nil || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(err.Error(), "alps") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the password is shown: %v", name, err)
		}
	}
	e := open(t, url, "alps")
	if err := put(e, "k", "1"); err != nil {
		t.Fatal(err)
	}
	s.SQL(t, "waldur", "ALTER DATABASE waldur SET default_transaction_read_only = on")
	lose(t, s)
	if got := get(t, open(t, url, "alps"), "k"); got != "1" {
		t.Errorf("a read-only database is read as %q", got)
	}
	s.Kill()
	if err := put(e, "k", "2"); err == nil || !strings.Contains(err.Error(), "alps") {
		t.Errorf("a server that has died: %v", err)
	}
	s.Launch(t)
	s.SQL(t, "waldur", "BEGIN READ WRITE; ALTER DATABASE waldur SET default_transaction_read_only = "+
		"off; COMMIT")
	if err := put(e, "k", "3"); err != nil {
		t.Errorf("the server is back: %v", err)
	}
}

func TestWrongPassword(t *testing.T) {
	s := pgtest.Start(t)
	s.Database(t, "waldur")
	s.SQL(t, "waldur", "CREATE ROLE sync LOGIN PASSWORD 'right'; GRANT CREATE ON DATABASE waldur TO "+
		"sync")
	hba := s.Folder + "/data/pg_hba.conf"
	rules := "local all postgres trust\nlocal all all scram-sha-256\n"
	if err := os.WriteFile(hba, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	s.SQL(t, "postgres", "SELECT pg_reload_conf()")
	with := func(password string) string {
		return strings.Replace(s.URL("sync", "waldur"), "sync@", "sync:"+password+"@", 1)
	}
	err := put(open(t, with("wrongword"), "alps"), "k", "v")
	if err == nil || !strings.Contains(err.Error(), "refuses the user or the password") ||
		strings.Contains(err.Error(), "wrongword") {
		t.Errorf("%v", err)
	}
	if err := put(open(t, with("right"), "alps"), "k", "v"); err != nil {
		t.Error(err)
	}
}

// TestAStandbyIsReadOnly writes to a standby, and to whichever of both is the primary.
func TestAStandbyIsReadOnly(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	if err := put(open(t, url, "alps"), "k", "1"); err != nil {
		t.Fatal(err)
	}
	standby := s.Standby(t)
	err := put(open(t, standby.URL("postgres", "waldur"), "alps"), "k", "2")
	if !errors.Is(err, kv.ErrReadOnly) || !strings.Contains(err.Error(), "target_session_attrs") {
		t.Errorf("%v", err)
	}
}

// TestSchemas: a schema of a newer version is refused, whoever asks. An empty schema that an
// administrator created is used.
func TestSchemas(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	s.SQL(t, "waldur", "CREATE ROLE poor LOGIN; REVOKE CREATE ON DATABASE waldur FROM PUBLIC; "+
		"CREATE SCHEMA cscs_sync AUTHORIZATION poor")
	e := open(t, s.URL("poor", "waldur"), "alps")
	if got := get(t, e, "k"); got != "no state" {
		t.Errorf("an empty schema: %q", got)
	}
	if err := put(e, "k", "1"); err != nil {
		t.Fatal(err)
	}
	s.SQL(t, "waldur", "UPDATE cscs_sync.version SET version = version + 1")
	newer := open(t, url, "alps")
	for what, err := range map[string]error{"write": put(newer, "k", "2"),
		"read": newer.Batch(false, func(kv.Tx) error { return nil })} {
		if !errors.Is(err, kv.ErrNewer) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.SQL(t, "waldur", "UPDATE cscs_sync.version SET version = version - 1")
	if got := get(t, newer, "k"); got != "1" {
		t.Errorf("%q", got)
	}
}

// TestManyNodesMakeTheSchema at the same time.
func TestManyNodesMakeTheSchema(t *testing.T) {
	s := pgtest.Start(t)
	url := s.Database(t, "waldur")
	errs := make(chan error)
	for i := range 6 {
		e := open(t, url, "alps")
		go func() { errs <- put(e, fmt.Sprint(i), "v") }()
	}
	for range 6 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := s.SQL(t, "waldur", "SELECT count(*) FROM cscs_sync.entries"); n != "7" {
		t.Errorf("%s values, want 6 and the initial one", n)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("x", 64), "a\nb", "Zürich"} {
		if _, err := New(Options{URL: "postgres:///x", Name: name}); err == nil {
			t.Errorf("%q: accepted", name)
		}
	}
	_, err := New(Options{URL: "mysql://u:geheim@h/d", Name: "alps"})
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("%v", err)
	}
	e := open(t, "postgres://u:geheim@db1:5433/waldur", "alps")
	if got := e.Name(); got != "alps in PostgreSQL db1:5433/waldur" {
		t.Error(got)
	}
}

// TestDurability: Durability names what a fail-over, a crash or a power cut could lose.
func TestDurability(t *testing.T) {
	s := pgtest.Start(t, "fsync = on")
	url := s.Database(t, "waldur")
	problem := func() string {
		t.Helper()
		d, err := open(t, url, "alps").Durability(t.Context())
		if err != nil || !d.Local || d.Version == "" {
			t.Fatalf("%+v, %v", d, err)
		}
		return d.Problem()
	}
	if got := problem(); got != "" {
		t.Errorf("one server: %s", got)
	}
	s.SQL(t, "postgres", "ALTER DATABASE waldur SET synchronous_commit = off")
	if got := problem(); !strings.Contains(got, "synchronous_commit is off") {
		t.Error(got)
	}
	s.SQL(t, "postgres", "ALTER DATABASE waldur RESET synchronous_commit")
	s.Standby(t)
	for deadline := time.Now().Add(20 * time.Second); problem() == "" &&
		time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
	}
	if got := problem(); !strings.Contains(got, "asynchronous") {
		t.Errorf("with a standby: %q", got)
	}
	for d, want := range map[Durability]string{
		{FullWrites: false, Commit: "on"}:                                      "fsync",
		{FullWrites: true, Commit: "local", Standbys: "one", Replicas: 1}:      "local",
		{FullWrites: true, Commit: "on", Standbys: "FIRST 1 (s)", Replicas: 1}: "",
	} {
		if got := d.Problem(); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%+v: %q, want %q", d, got, want)
		}
	}
}

// TestAFailOver: the primary dies, and a synchronous standby is promoted. Everything confirmed is
// there, and an engine that names both servers continues.
func TestAFailOver(t *testing.T) {
	s := pgtest.Start(t, "fsync = on", "synchronous_standby_names = '*'", "synchronous_commit = local")
	s.Database(t, "waldur")
	standby := s.Standby(t, "synchronous_standby_names = ''")
	s.SQL(t, "postgres", "ALTER SYSTEM SET synchronous_commit = on")
	s.SQL(t, "postgres", "SELECT pg_reload_conf()")
	url := fmt.Sprintf("postgres://postgres@/waldur?host=%s,%s&port=5432,5432&target_session_attrs=read-write", s.Folder, standby.Folder)
	e := open(t, url, "alps")
	for i := range 20 {
		if err := put(e, "begun", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	s.Kill()
	standby.Promote(t)
	var got string
	err := errors.New("not asked yet")
	for deadline := time.Now().Add(20 * time.Second); err != nil &&
		time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		err = e.Batch(false, func(tx kv.Tx) error {
			v, err := tx.Get("b", []byte("begun"))
			got = string(v)
			return err
		})
	}
	if err != nil || got != "19" {
		t.Fatalf("after the fail-over: %q, %v", got, err)
	}
	if err := put(e, "begun", "20"); err != nil {
		t.Error(err)
	}
}

// TestCutOffFromTheDatabase: a node to which the database no longer answers stops at its own
// deadline, before another node sees its lease as over. It does not continue when the connection is
// back.
func TestCutOffFromTheDatabase(t *testing.T) {
	s := pgtest.Start(t)
	s.Database(t, "waldur")
	s.SQL(t, "waldur", "CREATE ROLE a LOGIN SUPERUSER; CREATE ROLE b LOGIN SUPERUSER")
	const lasts = 3 * time.Second
	on := func(node string) *Engine {
		e, err := New(Options{URL: s.URL(node, "waldur"), Name: "alps", Initial: kvtest.Initial,
			Lease: lasts})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		return e
	}
	a, b := on("a"), on("b")
	held, err := a.Claim(t.Context(), kv.Claim{Node: "a", Boot: "1"})
	if err != nil {
		t.Fatal(err)
	}
	for range 4 { // it is renewed, for longer than it lasts
		time.Sleep(lasts / 3)
		if err := held.Check(); err != nil {
			t.Fatal(err)
		}
	}
	s.SQL(t, "postgres", "ALTER ROLE a NOLOGIN; SELECT pg_terminate_backend(pid) FROM "+
		"pg_stat_activity WHERE usename = 'a'")
	cut := time.Now()
	stopped := false
	for {
		if err := held.Check(); err != nil {
			stopped = true
		}
		_, err := b.Claim(t.Context(), kv.Claim{Node: "b", Boot: "2"})
		var expired *kv.ExpiredError
		if errors.As(err, &expired) {
			break
		}
		if held := new(kv.HeldError); !errors.As(err, &held) || time.Since(cut) > 3*lasts {
			t.Fatalf("b, %s after the cut: %v", time.Since(cut), err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if !stopped {
		t.Error("b sees the lease as over before a has stopped")
	}
	s.SQL(t, "postgres", "ALTER ROLE a LOGIN")
	time.Sleep(lasts)
	if err := held.Check(); err == nil {
		t.Error("a goes on once the database answers again")
	}
	if err := put(a, "k", "late"); err == nil {
		t.Error("a writes once the database answers again")
	}
	if err := held.Release(); err != nil {
		t.Error(err)
	}
}

// TestTheServersAnswersAreExplained: the error for each answer that people will meet says what to
// do, and none shows the password.
func TestTheServersAnswersAreExplained(t *testing.T) {
	e := open(t, "postgres://sync:geheim@db1/waldur", "alps")
	for code, want := range map[string]string{
		"53100": "make room and try again", "40001": "another transaction changed the same values",
		"25006": "target_session_attrs=read-write", "28P01": "refuses the user or the password",
		"53300": "raise its max_connections", "55P03": "try again", "XX000": "no way out is known",
	} {
		answered := &pgconn.PgError{Severity: "ERROR", Code: code, Message: "no way out is known, geheim"}
		err := e.explain("write", fmt.Errorf("batch: %w", answered))
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") ||
			!strings.Contains(err.Error(), "alps in PostgreSQL db1:5432/waldur") {
			t.Errorf("%s: %v, want %q", code, err, want)
		}
		if isReadOnly := errors.Is(err, kv.ErrReadOnly); isReadOnly != (code == "25006") {
			t.Errorf("%s is read-only: %v", code, isReadOnly)
		}
	}
}
