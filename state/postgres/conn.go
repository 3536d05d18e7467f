package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// conn is one connection. It is the lower half of pgx: the upper half brings a codec for every type
// that PostgreSQL has, which makes the program 3 MB larger.
type conn struct {
	pg *pgconn.PgConn
	// used are the statements that were used on this connection.
	used map[string]*statement
}

// statement is known to the server by its name once it is prepared.
type statement struct {
	name     string
	prepared bool
}

// query is a statement with its parameters.
type query struct {
	ctx  context.Context
	conn *conn
	sql  string
	args []any
}

// errNoRow means that a statement found nothing.
var errNoRow = errors.New("there is no such row")

func (c *conn) query(ctx context.Context, sql string, args ...any) query {
	return query{ctx, c, sql, args}
}

// exec runs a statement that finds nothing, and counts the rows that it changed.
func (c *conn) exec(ctx context.Context, sql string, args ...any) (changed int64, err error) {
	r, err := c.begin(ctx, sql, args)
	if err != nil {
		return 0, err
	}
	tag, err := r.Close()
	return tag.RowsAffected(), err
}

// begin sends a statement, whose result has to be read to its end.
func (c *conn) begin(ctx context.Context, sql string, args []any) (*pgconn.ResultReader, error) {
	values, formats := parameters(args)
	name, err := c.prepared(ctx, sql)
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return c.pg.ExecParams(ctx, sql, values, nil, formats, []int16{inBinary}), nil
	}
	return c.pg.ExecPrepared(ctx, name, values, formats, []int16{inBinary}), nil
}

// prepared is the name under which the server knows a statement, so that it need not plan it again:
// that takes longer than to read a value by its key. To prepare it is one more answer to wait for,
// so it has no name the first time, which is all that most commands need.
func (c *conn) prepared(ctx context.Context, sql string) (name string, err error) {
	known := c.used[sql]
	if known == nil {
		c.used[sql] = &statement{name: fmt.Sprint("statement", len(c.used))}
		return "", nil
	}
	if !known.prepared {
		_, err = c.pg.Prepare(ctx, known.name, sql, nil)
		known.prepared = err == nil
	}
	return known.name, err
}

// script runs statements without parameters, in one message.
func (c *conn) script(ctx context.Context, sql string) error {
	return c.pg.Exec(ctx, sql).Close()
}

// statements are sent together.
type statements []query

func (s *statements) add(sql string, args ...any) {
	*s = append(*s, query{sql: sql, args: args})
}

func (c *conn) send(ctx context.Context, list statements) error {
	var batch pgconn.Batch
	for _, q := range list {
		values, formats := parameters(q.args)
		name, err := c.prepared(ctx, q.sql)
		switch {
		case err != nil:
			return err
		case name == "":
			batch.ExecParams(q.sql, values, nil, formats, nil)
		default:
			batch.ExecPrepared(name, values, formats, nil)
		}
	}
	return c.pg.ExecBatch(ctx, &batch).Close()
}

// one reads the only row that is found; [errNoRow] if there is none.
func (q query) one(into ...any) error {
	found := false
	err := q.each(func() error {
		found = true
		return nil
	}, into...)
	if err == nil && !found {
		return errNoRow
	}
	return err
}

// each calls fn for every row, whose values are in into then. It ends with fn's first error.
func (q query) each(fn func() error, into ...any) error {
	r, err := q.conn.begin(q.ctx, q.sql, q.args)
	if err != nil {
		return err
	}
	for r.NextRow() {
		err := scan(r.Values(), into)
		if err == nil {
			err = fn()
		}
		if err != nil {
			_, _ = r.Close() // what comes after is of no use
			return err
		}
	}
	_, err = r.Close()
	return err
}

// The formats and the types of values, as in PostgreSQL's catalogue pg_type.
const (
	inText    = 0
	inBinary  = 1
	byteaType = 17
	textType  = 25
)

// parameters are values as the server reads them. It infers their types from the statement.
func parameters(args []any) (values [][]byte, formats []int16) {
	for _, arg := range args {
		var value []byte
		format := int16(inText)
		switch v := arg.(type) {
		case string:
			value = []byte(v)
		case int:
			value = strconv.AppendInt(nil, int64(v), 10)
		case int32:
			value = strconv.AppendInt(nil, int64(v), 10)
		case int64:
			value = strconv.AppendInt(nil, v, 10)
		case bool:
			value = strconv.AppendBool(nil, v)
		case []byte:
			value, format = v, inBinary
		case []string:
			value, format = array(v, textType), inBinary
		case [][]byte:
			value, format = array(v, byteaType), inBinary
		default:
			panic(fmt.Sprintf("postgres: no parameter is a %T", arg))
		}
		values, formats = append(values, value), append(formats, format)
	}
	return values, formats
}

// array is a list in PostgreSQL's binary format: the number of dimensions, whether there are nulls,
// the type of an element, how many there are, the index of the first, and each with its length.
func array[T string | []byte](list []T, element uint32) []byte {
	b := make([]byte, 0, 20)
	for _, n := range []uint32{1, 0, element, uint32(len(list)), 1} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, v := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	return b
}

// epoch is the year 2000, from which PostgreSQL counts microseconds, in Unix time.
const epoch = 946_684_800_000_000

// scan reads the values of a row, in the binary format.
func scan(values [][]byte, into []any) error {
	if len(values) != len(into) {
		return fmt.Errorf("the server answered %d values, want %d", len(values), len(into))
	}
	for i, v := range values {
		if v == nil || !read(v, into[i]) {
			return fmt.Errorf("the server answered %x as value %d, want a %T", v, i+1, into[i])
		}
	}
	return nil
}

func read(v []byte, into any) (ok bool) {
	n, isInt := integer(v)
	switch p := into.(type) {
	case *string:
		*p, ok = string(v), true
	case *[]byte:
		*p, ok = bytes.Clone(v), true
	case *bool:
		if ok = len(v) == 1; ok {
			*p = v[0] != 0
		}
	case *int:
		*p, ok = int(n), isInt
	case *int32:
		*p, ok = int32(n), isInt && int64(int32(n)) == n
	case *int64:
		*p, ok = n, isInt
	case *float64:
		*p, ok = math.Float64frombits(uint64(n)), len(v) == 8
	case *time.Time:
		if ok = len(v) == 8 && n != math.MinInt64 && n != math.MaxInt64; ok { // -infinity, infinity
			*p = time.UnixMicro(n + epoch)
		}
	}
	return ok
}

func integer(v []byte) (n int64, ok bool) {
	switch len(v) {
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v))), true
	case 8:
		return int64(binary.BigEndian.Uint64(v)), true
	}
	return 0, false
}
