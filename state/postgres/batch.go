package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/state/kv"
)

// page is the largest number of values that one statement reads or writes, and pageBytes about the
// largest number of their bytes. A scan reads firstPage values first, because many scans want only
// a few.
const (
	page      = 5000
	firstPage = 100
	pageBytes = 16 << 20
)

// keptBatches is how long the ids of batches are kept. If an answer is lost, its batch is looked up
// immediately.
const keptBatches = "1 day"

// batch is one transaction on one state.
type batch struct {
	engine *Engine
	conn   *conn
	// state is the state's number, and commit is the number of the last batch that was written before.
	state  int32
	commit int64
	// made is set if this batch creates the state.
	made bool
	// keep is the name under which the values before the batch are preserved; empty for none.
	keep string
}

// written is a batch that writes. Its changes wait in memory until its end.
type written struct {
	*kv.Overlay
	batch *batch
}

// Keep implements [kv.Tx]. At the end of the batch, the values are copied to another state.
func (w *written) Keep(of string) error {
	w.batch.keep = of
	return nil
}

// lock begins the transaction and locks the state. It creates the state if it does not exist.
func (b *batch) lock(ctx context.Context) error {
	err := b.conn.script(ctx, fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL "+
		"lock_timeout = %d; SET LOCAL statement_timeout = %d; SET LOCAL "+
		"idle_in_transaction_session_timeout = %d",
		b.engine.options.Timeout.Milliseconds(), answer.Milliseconds(), idle.Milliseconds()))
	if err != nil {
		return err
	}
	err = b.lockRow(ctx)
	if !errors.Is(err, errNoRow) {
		return err
	}
	made, err := b.conn.exec(ctx, "INSERT INTO cscs_sync.states (name) VALUES ($1) ON CONFLICT DO "+
		"NOTHING",
		b.engine.options.Name)
	if err != nil {
		return err
	}
	if err := b.lockRow(ctx); err != nil || made == 0 {
		return err // another node has just created it
	}
	b.made = true
	return b.put(ctx, b.engine.options.Initial)
}

func (b *batch) lockRow(ctx context.Context) error {
	return b.conn.query(ctx, "SELECT number, commit FROM cscs_sync.states WHERE name = $1 FOR "+
		"UPDATE",
		b.engine.options.Name).one(&b.state, &b.commit)
}

// Get implements [kv.Tx].
func (b *batch) Get(bucket string, key []byte) (value []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	err = b.conn.query(ctx, "SELECT value FROM cscs_sync.entries WHERE state = $1 AND bucket = "+
		"$2 AND key = $3", b.state, bucket, key).one(&value)
	if errors.Is(err, errNoRow) {
		return nil, nil
	}
	return value, b.engine.explain("read", err)
}

// Scan implements [kv.Tx]. It reads page by page, so that the connection is free while fn runs.
func (b *batch) Scan(bucket string, start []byte, fn func(key, value []byte) error) error {
	if start == nil {
		start = []byte{}
	}
	for limit := firstPage; ; {
		found, err := b.page(bucket, start, limit)
		if err != nil {
			return b.engine.explain("read", err)
		}
		size := 0
		for _, v := range found {
			size += len(v.Value)
			if err := fn(v.Key, v.Value); err != nil {
				return err
			}
		}
		if len(found) < limit {
			return nil
		}
		start = append(found[limit-1].Key, 0) // the smallest key after it
		limit = max(1, min(page, limit*pageBytes/max(1, size)))
	}
}

// page reads at most limit values, from the key start on.
func (b *batch) page(bucket string, start []byte, limit int) ([]kv.Value, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	var found []kv.Value
	var v kv.Value
	err := b.conn.query(ctx, "SELECT key, value FROM cscs_sync.entries WHERE state = $1 AND "+
		"bucket = $2 AND key >= $3 ORDER BY key LIMIT $4", b.state, bucket, start, limit).
		each(func() error {
			found = append(found, v)
			return nil
		}, &v.Key, &v.Value)
	return found, err
}

// Stamp implements [kv.Stamped].
func (b *batch) Stamp(bucket string) (s kv.Stamp, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	err = b.conn.query(ctx, "SELECT commit, batch FROM cscs_sync.stamps WHERE state = $1 AND "+
		"bucket = $2",
		b.state, bucket).one(&s.Commit, &s.Batch)
	if errors.Is(err, errNoRow) {
		return kv.Stamp{}, nil
	}
	return s, b.engine.explain("read", err)
}

// Since implements [kv.Stamped]. The ids of batches are kept for a day, so an older stamp is
// unknown.
func (b *batch) Since(bucket string, s kv.Stamp,
	fn func(key, value []byte) error) (known bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	err = b.conn.query(ctx, "SELECT EXISTS (SELECT FROM cscs_sync.batches WHERE state = $1 AND "+
		"id = $2)",
		b.state, s.Batch).one(&known)
	if err != nil || !known {
		return false, b.engine.explain("read", err)
	}
	var v kv.Value
	var refused error
	err = b.conn.query(ctx, "SELECT key, value FROM cscs_sync.entries WHERE state = $1 AND "+
		"bucket = $2 AND commit > $3 ORDER BY key", b.state, bucket, s.Commit).
		each(func() error {
			refused = fn(v.Key, v.Value)
			return refused
		}, &v.Key, &v.Value)
	if refused != nil {
		return true, refused
	}
	return true, b.engine.explain("read", err)
}

// errViewed means that a view tried to change something.
var errViewed = errors.New("a view changes nothing")

// Put returns an error, because this is a view, or is below the changes of a batch.
func (b *batch) Put(string, []byte, []byte) error { return errViewed }

// Delete returns an error, like Put.
func (b *batch) Delete(string, []byte) error { return errViewed }

// Keep returns an error, like Put.
func (b *batch) Keep(string) error { return errViewed }

// finish writes the changes and commits.
func (b *batch) finish(changes *kv.Overlay) error {
	ctx, cancel := context.WithTimeout(context.Background(), answer)
	defer cancel()
	if err := b.send(ctx, changes); err != nil {
		return b.engine.explain("write", err)
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return err
	}
	var last statements
	last.add("UPDATE cscs_sync.states SET commit = commit + 1 WHERE number = $1", b.state)
	buckets := changes.Buckets()
	last.add("INSERT INTO cscs_sync.stamps (state, bucket, commit, batch) "+
		"SELECT $1, unnest($2::text[]), $3, $4 ON CONFLICT (state, bucket) DO UPDATE SET "+
		"commit = excluded.commit, batch = excluded.batch", b.state, buckets, b.commit+1,
		hex.EncodeToString(id))
	last.add("DELETE FROM cscs_sync.batches WHERE state = $1 AND at < now() - interval "+
		"'"+keptBatches+"'", b.state)
	last.add("INSERT INTO cscs_sync.batches (state, id) VALUES ($1, $2)", b.state,
		hex.EncodeToString(id))
	if err := b.conn.send(ctx, last); err != nil {
		return b.engine.explain("write", err)
	}
	b.engine.beforeCommit()
	// If the server answers COMMIT with ROLLBACK, a statement before it failed, and that error was
	// reported.
	err := b.conn.script(ctx, "COMMIT")
	b.engine.afterCommit()
	if err != nil && !isServers(err) {
		return b.engine.lookUp(hex.EncodeToString(id), err)
	}
	return b.engine.explain("write", err)
}

// send sends the changes, in as few statements as possible.
func (b *batch) send(ctx context.Context, changes *kv.Overlay) error {
	if b.keep != "" {
		if err := b.keepBefore(ctx); err != nil {
			return err
		}
	}
	var puts, removals []kv.Value
	changes.Changed(func(v kv.Value) { puts = append(puts, v) }, func(bucket string, key []byte) {
		removals = append(removals, kv.Value{Bucket: bucket, Key: key})
	})
	for len(removals) > 0 {
		n := min(page, len(removals))
		buckets, keys, _ := columns(removals[:n])
		_, err := b.conn.exec(ctx, "DELETE FROM cscs_sync.entries e USING "+
			"unnest($2::text[], $3::bytea[]) AS gone (bucket, key) WHERE e.state = $1 AND "+
			"e.bucket = gone.bucket AND e.key = gone.key", b.state, buckets, keys)
		if err != nil {
			return err
		}
		removals = removals[n:]
	}
	return b.put(ctx, puts)
}

func (b *batch) put(ctx context.Context, puts []kv.Value) error {
	for len(puts) > 0 {
		n := onePage(puts)
		buckets, keys, values := columns(puts[:n])
		_, err := b.conn.exec(ctx, "INSERT INTO cscs_sync.entries (state, bucket, key, value, commit) "+
			"SELECT $1, bucket, key, value, $5 FROM unnest($2::text[], $3::bytea[], $4::bytea[]) AS "+
			"new (bucket, key, value) "+
			"ON CONFLICT (state, bucket, key) DO UPDATE SET value = excluded.value, commit = "+
			"excluded.commit",
			b.state, buckets, keys, values, b.commit+1)
		if err != nil {
			return err
		}
		puts = puts[n:]
	}
	return nil
}

// onePage returns how many of the first values one statement writes: at least one.
func onePage(of []kv.Value) int {
	size := 0
	for n, v := range of[:min(page, len(of))] {
		if size += len(v.Value); size > pageBytes && n > 0 {
			return n
		}
	}
	return min(page, len(of))
}

func columns(of []kv.Value) (buckets []string, keys, values [][]byte) {
	for _, v := range of {
		buckets, keys, values = append(buckets, v.Bucket), append(keys, v.Key), append(values, v.Value)
	}
	return buckets, keys, values
}

// keepBefore copies the values as they were before the batch to another state with a new name.
func (b *batch) keepBefore(ctx context.Context) error {
	name := fmt.Sprintf("%s before %s", b.engine.options.Name, b.keep)
	var there bool
	err := b.conn.query(ctx, "SELECT EXISTS (SELECT FROM cscs_sync.states WHERE name = $1)",
		name).one(&there)
	if err == nil && there {
		name = fmt.Sprintf("%s, commit %d", name, b.commit)
	}
	if err == nil {
		_, err = b.conn.exec(ctx, "WITH kept AS (INSERT INTO cscs_sync.states (name, commit) "+
			"VALUES ($1, $2) RETURNING number) INSERT INTO cscs_sync.entries "+
			"(state, bucket, key, value, commit) SELECT kept.number, bucket, key, value, e.commit "+
			"FROM kept, cscs_sync.entries e WHERE e.state = $3", name, b.commit, b.state)
	}
	return err
}

// UnknownError means that a batch was sent, but that it is unknown whether it was written.
type UnknownError struct {
	State string
	Err   error
}

// Error says what happened and what to do.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("state %s: the answer to a commit was lost, and the database cannot be asked "+
		"whether it was written: %v; run the command again when the database answers", e.State, e.Err)
}

// Unwrap returns why the answer was lost.
func (e *UnknownError) Unwrap() error { return e.Err }

// lookUp finds out whether a batch was written whose answer was lost, and returns nil if it was. It
// waits until the server has ended the batch's transaction, which holds the state's lock.
func (e *Engine) lookUp(id string, lost error) error {
	deadline := time.Now().Add(answer)
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		written, err := e.find(id)
		switch {
		case err == nil && written:
			return nil
		case err == nil:
			lost = fmt.Errorf("the connection was lost before the commit; nothing was written: %w", lost)
			return e.explain("write", lost)
		case time.Now().After(deadline):
			return &UnknownError{e.Name(), errors.Join(lost, err)}
		}
		time.Sleep(pause)
	}
}

// find reports whether the batch was written. It waits until no other transaction holds the state.
func (e *Engine) find(id string) (written bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), connect)
	defer cancel()
	conn, there, err := e.acquire(ctx, false)
	if err != nil || !there {
		return false, errors.Join(err, ctx.Err())
	}
	defer conn.release()
	defer rollback(conn.conn)
	b := &batch{engine: e, conn: conn.conn}
	if err := b.conn.script(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED"); err != nil {
		return false, err
	}
	if err := b.lockRow(ctx); errors.Is(err, errNoRow) {
		return false, nil // the batch should have created the state, and has not
	} else if err != nil {
		return false, err
	}
	err = b.conn.query(ctx, "SELECT EXISTS (SELECT FROM cscs_sync.batches WHERE state = $1 AND "+
		"id = $2)",
		b.state, id).one(&written)
	return written, err
}
