package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/state/postgres/pgtest"
)

// connected is a connection to a new database.
func connected(t *testing.T, s *pgtest.Server, name string) *conn {
	t.Helper()
	e := open(t, s.Database(t, name), "alps")
	c, err := e.connection(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.release)
	return c.conn
}

// TestParametersAreAsTheLibraryWritesThem: pgx, which knows every type, reads the same values.
func TestParametersAreAsTheLibraryWritesThem(t *testing.T) {
	types := pgtype.NewMap()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		keys := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "keys")
		values, formats := parameters([]any{texts, keys})
		var textsBack []string
		var keysBack [][]byte
		err := errors.Join(types.Scan(pgtype.TextArrayOID, formats[0], values[0], &textsBack),
			types.Scan(pgtype.ByteaArrayOID, formats[1], values[1], &keysBack))
		if err != nil || fmt.Sprintf("%q %q", textsBack, keysBack) != fmt.Sprintf("%q %q", texts, keys) {
			t.Fatalf("%q %q became %q %q (%v)", texts, keys, textsBack, keysBack, err)
		}
	})
}

// TestValuesAreAsTheLibraryReadsThem: what pgx writes is read back.
func TestValuesAreAsTheLibraryReadsThem(t *testing.T) {
	types := pgtype.NewMap()
	rapid.Check(t, func(t *rapid.T) {
		for oid, of := range map[uint32]struct{ value, into any }{
			pgtype.Int4OID:   {rapid.Int32().Draw(t, "int4"), new(int32)},
			pgtype.Int8OID:   {rapid.Int64().Draw(t, "int8"), new(int64)},
			pgtype.BoolOID:   {rapid.Bool().Draw(t, "bool"), new(bool)},
			pgtype.TextOID:   {rapid.String().Draw(t, "text"), new(string)},
			pgtype.ByteaOID:  {rapid.SliceOf(rapid.Byte()).Draw(t, "bytea"), new([]byte)},
			pgtype.Float8OID: {rapid.Float64().Draw(t, "float8"), new(float64)},
			pgtype.TimestamptzOID: {time.UnixMicro(rapid.Int64Range(-1e15, 1e16).Draw(t, "time")),
				new(time.Time)},
		} {
			written, err := types.Encode(oid, inBinary, of.value, nil)
			if err != nil {
				t.Fatal(err)
			}
			if written == nil {
				written = []byte{}
			}
			if err := scan([][]byte{written}, []any{of.into}); err != nil {
				t.Fatal(err)
			}
			if got := reflect.ValueOf(of.into).Elem().Interface(); fmt.Sprint(got) != fmt.Sprint(of.value) {
				t.Fatalf("%v became %v", of.value, got)
			}
		}
	})
}

// TestValuesThatAreRefused: nothing is guessed of a value that is absent or of another type.
func TestValuesThatAreRefused(t *testing.T) {
	infinity := []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	for _, c := range []struct {
		value []byte
		into  any
	}{
		{nil, new(string)}, {nil, new([]byte)}, {nil, new(bool)}, {[]byte{}, new(bool)},
		{[]byte{0, 1}, new(bool)}, {[]byte{0}, new(int)}, {[]byte{0, 0, 1, 0, 0, 0, 0, 0}, new(int32)},
		{[]byte{0, 0, 0, 1}, new(float64)}, {[]byte{0, 0, 0, 1}, new(time.Time)},
		{infinity, new(time.Time)}, {[]byte("x"), new(uint8)}, {[]byte{1, 2, 3}, new(int64)},
	} {
		if err := scan([][]byte{c.value}, []any{c.into}); err == nil {
			t.Errorf("%x is taken for a %T", c.value, c.into)
		}
	}
	if err := scan([][]byte{{1}}, nil); err == nil {
		t.Error("one value is taken for none")
	}
	defer func() {
		if recover() == nil {
			t.Error("a parameter of a type that is not known is taken")
		}
	}()
	parameters([]any{math.Pi})
}

// TestServerReadsWhatIsSent: every kind of value goes to a real server and comes back.
func TestServerReadsWhatIsSent(t *testing.T) {
	c := connected(t, pgtest.Start(t), "values")
	ctx := context.Background()
	var text string
	var key []byte
	var number int64
	var small int32
	var is bool
	var joined string
	var many int
	var share float64
	var when time.Time
	err := c.query(ctx, "SELECT $1::text, $2::bytea, $3::bigint, $4::integer, $5::boolean, "+
		"array_to_string($6::text[], '|'), cardinality($7::bytea[]), 1.5::float8, "+
		"'2026-01-02 03:04:05.678901+01'::timestamptz", "ä\"{", []byte{0, 255}, int64(math.MinInt64),
		int32(-1), true, []string{"a,b", "", `\"`}, [][]byte{{0}, {}}).
		one(&text, &key, &number, &small, &is, &joined, &many, &share, &when)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s %x %d %d %t %s %d %g %s", text, key, number, small, is, joined, many, share,
		when.UTC().Format(time.RFC3339Nano))
	if want := `ä"{ 00ff -9223372036854775808 -1 true a,b||\" 2 1.5 ` +
		"2026-01-02T02:04:05.678901Z"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestAnErrorLeavesTheConnectionUsable: one of the server's, one of a value, and one of the caller's
// in the middle of the rows.
func TestAnErrorLeavesTheConnectionUsable(t *testing.T) {
	c := connected(t, pgtest.Start(t), "errors")
	ctx := context.Background()
	mine := errors.New("mine")
	nothing := func() error { return nil }
	rows := "SELECT n FROM generate_series(1, 10000) AS of (n)"
	var n int
	var wrong bool
	var work statements
	work.add("SELECT 1")
	work.add("SELECT 1/$1::integer", 0)
	for name, err := range map[string]error{
		"SQLSTATE 22012":         c.query(ctx, "SELECT 1/$1::integer", 0).one(&n),
		"(SQLSTATE 22012)":       c.send(ctx, work),
		"SQLSTATE 42601":         c.script(ctx, "SELEC"),
		"want a *bool":           c.query(ctx, rows).one(&wrong),
		"mine":                   c.query(ctx, rows).each(func() error { return mine }, &n),
		"there is no such row":   c.query(ctx, rows+" WHERE n < 0").one(&n),
		"answered 1 values":      c.query(ctx, rows).one(),
		"SQLSTATE 22P02":         c.query(ctx, "SELECT $1::integer", "x").one(&n),
		"division by zero":       c.query(ctx, "SELECT 1/(n - 9000) "+rows[9:]).each(nothing, &n),
		"cannot insert multiple": c.query(ctx, "SELECT 1; SELECT 2").one(&n),
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
	if err := c.query(ctx, "SELECT count(*) FROM ("+rows+") AS x").one(&n); err != nil || n != 10000 {
		t.Errorf("%d, %v", n, err)
	}
}

// TestStatementsArePreparedOnce: from the second time on, each by its own name, alone and together.
func TestStatementsArePreparedOnce(t *testing.T) {
	c := connected(t, pgtest.Start(t), "prepared")
	ctx := context.Background()
	names := func() (list string) {
		err := c.query(ctx, "SELECT coalesce(string_agg(statement, ';' ORDER BY name), '') "+
			"FROM pg_prepared_statements WHERE statement LIKE '%+%'").one(&list)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	add := func() {
		t.Helper()
		var one, two int
		err := errors.Join(c.query(ctx, "SELECT 1 + $1::integer", 2).one(&one),
			c.query(ctx, "SELECT 5 + $1::integer", 2).one(&two))
		var work statements
		work.add("SELECT 7 + $1::integer", 2)
		work.add("SELECT 9 + $1::integer", 2)
		if err := errors.Join(err, c.send(ctx, work)); err != nil || one != 3 || two != 7 {
			t.Errorf("%d, %d, %v", one, two, err)
		}
	}
	add()
	if got := names(); strings.Contains(got, "$1") {
		t.Errorf("prepared for the first time: %s", got)
	}
	add()
	add()
	if got := names(); strings.Count(got, "$1::integer") != 4 {
		t.Errorf("prepared: %s", got)
	}
}

// TestPool: connections are used again, those that were lost or left in a transaction are not, and
// no more than four are open.
func TestPool(t *testing.T) {
	s := pgtest.Start(t)
	e := open(t, s.Database(t, "pool"), "alps")
	ctx := context.Background()
	process := func() (pid int) {
		c, err := e.connection(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer c.release()
		if err := c.conn.query(ctx, "SELECT pg_backend_pid()").one(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	first := process()
	if again := process(); again != first {
		t.Error("a connection is not used again")
	}
	c, err := e.connection(ctx)
	if err == nil {
		err = c.conn.script(ctx, "BEGIN")
	}
	if err != nil {
		t.Fatal(err)
	}
	c.release()
	second := process()
	if second == first {
		t.Error("a connection is used again that was left in a transaction")
	}
	lose(t, s)
	time.Sleep(trusted + 100*time.Millisecond)
	if process() == second {
		t.Error("a connection that the server has closed is used again")
	}
	var taken []*pooled
	for range most {
		c, err := e.connection(ctx)
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, c)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := e.connection(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a fifth connection: %v", err)
	}
	for _, c := range taken {
		c.release()
	}
}
