// Package chunk keeps many small values in few large pieces of memory. Values that live as long as
// a plan cost the garbage collector one mark for each piece instead of one for each value, and
// their sizes are not rounded up. A piece lives as long as anything in it is used, so only values
// that are kept together belong in one.
package chunk

import "strings"

// The sizes of pieces. They begin small, because most plans are small, and double.
const (
	leastBytes, mostBytes = 1 << 9, 1 << 16
	leastItems, mostItems = 1 << 2, 1 << 9
)

// Texts keeps texts. The zero value is ready to use. Only one goroutine may use it.
type Texts struct {
	piece strings.Builder
	size  int
}

// Keep returns b as a string that lies beside the strings kept before.
func (t *Texts) Keep(b []byte) string {
	if len(b) > leastBytes {
		return string(b) // large enough for a piece of its own
	}
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.size = min(max(2*t.size, leastBytes), mostBytes)
		t.piece = strings.Builder{}
		t.piece.Grow(t.size)
	}
	start := t.piece.Len()
	t.piece.Write(b)
	return t.piece.String()[start:]
}

// Items keeps values of one type. The zero value is ready to use. Only one goroutine may use it.
type Items[T any] struct{ piece []T }

// New returns a zero T that lies beside those made before.
func (i *Items[T]) New() *T {
	if len(i.piece) == cap(i.piece) {
		i.piece = make([]T, 0, min(max(2*cap(i.piece), leastItems), mostItems))
	}
	i.piece = i.piece[:len(i.piece)+1]
	return &i.piece[len(i.piece)-1]
}
