package state

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/state/kv"
	"github.com/waldur/cscs-storage-sync/state/postgres"
	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// node is one node's store on a shared state.
func node(t testing.TB, url, name string, fence func(context.Context, string) error) *Store {
	t.Helper()
	c := newClock()
	var failed error
	s, err := OpenOn(filepath.Join(t.TempDir(), "state"), Options{Now: c.now, Node: name, Boot: "boot of " + name, Fence: fence}, func(c Contents) kv.Engine {
		e, err := postgres.New(postgres.Options{URL: url, Name: "alps", Initial: c.Initial,
			Timeout: 2 * time.Second})
		if failed = err; err == nil {
			t.Cleanup(e.Close)
		}
		return e
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return s
}

func pull(t testing.TB, s *Store) string {
	t.Helper()
	var out bytes.Buffer
	if err := s.Pull(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func head(t testing.TB, s *Store) (head string) {
	t.Helper()
	view(t, s, func(tx ledger.Tx) error {
		_, head = tx.Head()
		return tx.VerifyHistory("")
	})
	return head
}

// TestCopyBothWays moves a state from its file to a database and back. The id, history and bytes
// stay the same, and never can two states be used.
func TestCopyBothWays(t *testing.T) {
	server := pgtest.Start(t)
	file, c := newStore(t)
	fill(t, file, c)
	id, err := file.ID()
	if err != nil {
		t.Fatal(err)
	}
	before, was := head(t, file), pull(t, file)
	shared := node(t, server.Database(t, "waldur"), "n1", nil)
	by := ledger.Holder{Who: "anna", Host: "n1"}
	if err := file.CopyTo(t.Context(), shared, by); err != nil {
		t.Fatal(err)
	}
	if got := pull(t, shared); got != was {
		t.Errorf("pull from the database differs from that of the file:\n%.2000s", got)
	}
	var gone *MovedError
	for what, err := range map[string]error{"write": file.Update(putRecords(1)),
		"read": second(file.Recorded()), "fresh": reopen(t, file).Update(putRecords(1))} {
		if !errors.As(err, &gone) || !strings.Contains(err.Error(), "alps in PostgreSQL") {
			t.Errorf("%s of the state that was left: %v", what, err)
		}
	}
	update(t, shared, putRecords(310))
	update(t, shared, func(tx ledger.Tx) error {
		return second(tx.AppendHistory(ledger.Entry{Who: "anna", Event: "test"}))
	})
	after := head(t, shared)
	if after == before {
		t.Error("the history of the shared state does not grow")
	}
	other, _ := newStore(t)
	update(t, other, putRecords(1))
	if err := shared.CopyTo(t.Context(), other, by); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("over another state: %v", err)
	}
	if err := shared.CopyTo(t.Context(), file, by); err != nil {
		t.Fatal(err)
	}
	if err := file.CopyTo(t.Context(), shared, by); err != nil {
		t.Fatalf("there again: %v", err)
	}
	if err := shared.CopyTo(t.Context(), file, by); err != nil {
		t.Fatalf("and back: %v", err)
	}
	if got := head(t, file); got != after {
		t.Errorf("the head is %s, want %s", got, after)
	}
	if got, err := file.ID(); got != id || err != nil {
		t.Errorf("id %q, %v, want %q", got, err, id)
	}
	update(t, file, putRecords(1))
}

// TestACopyThatStops: the copy can be made again, and no two states can be used.
func TestACopyThatStops(t *testing.T) {
	server := pgtest.Start(t)
	file, c := newStore(t)
	fill(t, file, c)
	shared := node(t, server.Database(t, "waldur"), "n1", nil)
	if err := file.markMoved(shared); err != nil { // and then the power fails
		t.Fatal(err)
	}
	if err := file.Update(putRecords(1)); !errors.As(err, new(*MovedError)) {
		t.Errorf("the state that is on its way is used: %v", err)
	}
	if err := file.CopyTo(t.Context(), shared, ledger.Holder{Who: "anna"}); err != nil {
		t.Fatal(err)
	}
	update(t, shared, putRecords(1))
}

// TestTamperingWithTheDatabase: what is changed, removed or added without cscs-sync is found.
func TestTamperingWithTheDatabase(t *testing.T) {
	server := pgtest.Start(t)
	shared := node(t, server.Database(t, "waldur"), "n1", nil)
	_, c := newStore(t)
	fill(t, shared, c)
	for name, change := range map[string]string{
		"value changed": "UPDATE cscs_sync.entries SET value = set_byte(value, 8, get_byte(value, 8) # " +
			"1) WHERE bucket = 'records' AND key = (SELECT key FROM cscs_sync.entries WHERE bucket = " +
			"'records' ORDER BY key LIMIT 1)",
		"value removed": "DELETE FROM cscs_sync.entries WHERE bucket = 'records' AND key = (SELECT key " +
			"FROM cscs_sync.entries WHERE bucket = 'records' ORDER BY key DESC LIMIT 1)",
		"value moved": "UPDATE cscs_sync.entries SET key = 'x' WHERE bucket = 'records' AND key = " +
			"(SELECT key FROM cscs_sync.entries WHERE bucket = 'records' ORDER BY key DESC LIMIT 1)",
		"meta removed": "DELETE FROM cscs_sync.entries WHERE bucket = 'meta'",
		"all removed":  "DELETE FROM cscs_sync.entries WHERE bucket = 'records'",
	} {
		server.SQL(t, "waldur", "CREATE TABLE kept AS SELECT * FROM cscs_sync.entries; "+change)
		var damaged *DamagedError
		if _, err := shared.Recorded(); !errors.As(err, &damaged) || !strings.Contains(err.Error(), "backup of the database") {
			t.Errorf("%s: %v", name, err)
		}
		server.SQL(t, "waldur", "DELETE FROM cscs_sync.entries; INSERT INTO cscs_sync.entries SELECT * "+
			"FROM kept; DROP TABLE kept")
	}
	if _, err := shared.Recorded(); err != nil {
		t.Error(err)
	}
}

// expire ends the lease, as if its node were paused for longer than the lease lasts.
func expire(t testing.TB, server *pgtest.Server) {
	server.SQL(t, "waldur", "UPDATE cscs_sync.states SET until = now() - interval '1 second'")
}

func lock(t testing.TB, s *Store) ledger.Lock {
	t.Helper()
	l, err := s.Lock(t.Context(), ledger.Holder{Who: "anna", Host: s.options.Node}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOneNodeAtATime goes through the life of a lease.
func TestOneNodeAtATime(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t, "waldur")
	a, b := node(t, url, "a", nil), node(t, url, "b", nil)
	held := lock(t, a)
	var busy *kv.HeldError
	if _, err := b.Lock(t.Context(), ledger.Holder{Who: "ben"}, 0); !errors.As(err, &busy) ||
		busy.Node != "a" {
		t.Errorf("while a holds it: %v", err)
	}
	if err := b.Fence("a", "ben", "b", "x"); err == nil || !strings.Contains(err.Error(), "is alive") {
		t.Errorf("a node that renews its lease is fenced: %v", err)
	}
	if err := errors.Join(held.Check(), a.Update(putRecords(1)), held.Release()); err != nil {
		t.Fatal(err)
	}
	if err := lock(t, b).Release(); err != nil { // given back: at once
		t.Fatal(err)
	}

	// a is paused, and its lease expires: b may not continue until a is known to be down.
	held = lock(t, a)
	expire(t, server)
	var expired *kv.ExpiredError
	if _, err := b.Lock(t.Context(), ledger.Holder{Who: "ben"}, time.Second); !errors.As(err,
		&expired) ||
		!strings.Contains(err.Error(), "state fence --node a") {
		t.Errorf("after a's lease expired: %v", err)
	}
	if err := b.Fence("b", "ben", "b", "x"); err == nil {
		t.Error("a node that holds nothing is fenced")
	}
	if err := b.Fence("a", "ben", "b", "powered off"); err != nil {
		t.Fatal(err)
	}
	second := lock(t, b)
	update(t, b, putRecords(2))
	before := head(t, b)
	// a wakes up: its writes are refused, and from then on it makes no change.
	var lost *kv.LostError
	if err := a.Update(putRecords(7)); !errors.As(err, &lost) || lost.To.Node != "b" {
		t.Errorf("a writes after b has the lease: %v", err)
	}
	if err := held.Check(); !errors.As(err, &lost) {
		t.Errorf("a may still change the storage: %v", err)
	}
	if err := held.Release(); err != nil {
		t.Errorf("a gives back what it has lost: %v", err)
	}
	if err := second.Check(); err != nil {
		t.Errorf("a's release took b's lease: %v", err)
	}
	if got := head(t, b); got != before {
		t.Error("a changed the state")
	}
	var events []string
	view(t, b, func(tx ledger.Tx) error {
		return tx.History(1, func(e ledger.Entry) error { events = append(events, e.Event+": "+e.Text); return nil })
	})
	if len(events) != 1 || !strings.Contains(events[0], "fence: node a") ||
		!strings.Contains(events[0], "powered off") {
		t.Errorf("the history says %q", events)
	}
	if err := second.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestTheFenceCommand: a command that succeeds lets the next node continue, once. A command that
// fails does not.
func TestTheFenceCommand(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t, "waldur")
	var fenced []string
	answer := errors.New("no answer from the power switch")
	fence := func(_ context.Context, node string) error {
		fenced = append(fenced, node)
		return answer
	}
	a, b := node(t, url, "a", nil), node(t, url, "b", fence)
	held := lock(t, a)
	if _, err := b.Lock(t.Context(), ledger.Holder{Who: "ben"}, 0); err == nil || len(fenced) != 0 {
		t.Errorf("a node that is alive was fenced: %v, %v", fenced, err)
	}
	expire(t, server)
	if _, err := b.Lock(t.Context(), ledger.Holder{Who: "ben"}, 0); !errors.Is(err, answer) {
		t.Errorf("%v", err)
	}
	answer = nil
	second := lock(t, b)
	if len(fenced) != 2 || fenced[0] != "a" || fenced[1] != "a" {
		t.Errorf("fenced %q", fenced)
	}
	if err := a.Update(putRecords(1)); !errors.As(err, new(*kv.LostError)) {
		t.Errorf("the fenced node writes: %v", err)
	}
	if err := errors.Join(second.Release(), held.Release()); err != nil {
		t.Error(err)
	}
}

// TestANodeThatComesBack: a node with another boot id gets its own lease after the lease has
// expired, because the former boot is over.
func TestANodeThatComesBack(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t, "waldur")
	a, twin := node(t, url, "a", nil), node(t, url, "a", nil)
	twin.options.Boot = "another boot"
	held := lock(t, a)
	if _, err := twin.Lock(t.Context(), ledger.Holder{Who: "anna"}, 0); !errors.As(err,
		new(*kv.HeldError)) {
		t.Errorf("two nodes with one name: %v", err)
	}
	expire(t, server)
	second := lock(t, twin)
	if err := a.Update(putRecords(1)); !errors.As(err, new(*kv.LostError)) {
		t.Errorf("the former boot writes: %v", err)
	}
	if err := errors.Join(second.Release(), held.Release()); err != nil {
		t.Error(err)
	}
}

// TestACrashOnOneNode: the next process on the same node gets the lease immediately, because the
// kernel says that the former process is gone. A process with another lock file does not, whatever
// its name.
func TestACrashOnOneNode(t *testing.T) {
	server := pgtest.Start(t)
	url := server.Database(t, "waldur")
	a := node(t, url, "a", nil)
	crashed := lock(t, a).(*sharedLock)
	if err := crashed.local.Release(); err != nil { // what the kernel does
		t.Fatal(err)
	}
	copied := node(t, url, "a", nil) // the same name and boot, another folder
	if _, err := copied.Lock(t.Context(), ledger.Holder{Who: "anna"}, 0); !errors.As(err,
		new(*kv.HeldError)) {
		t.Errorf("another folder on the same node: %v", err)
	}
	var locked *ledger.LockedError
	if _, err := copied.Lock(t.Context(), ledger.Holder{Who: "anna"}, 0); !errors.As(err, &locked) ||
		locked.Holder.Host != "a" {
		t.Errorf("to a caller it is no lock that is held: %v", err)
	}
	next := node(t, url, "a", nil)
	next.dir = a.dir
	if err := lock(t, next).Release(); err != nil {
		t.Error(err)
	}
}
