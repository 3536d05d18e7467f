// Package chunk keeps many small things in few large pieces of memory. What is kept for as long as
// a plan takes costs the garbage collector a mark for each piece, not for each thing, and no
// rounding up of its size. A piece stays as long as anything in it is used, so only what is kept
// together belongs here.
package chunk

import "strings"

// The sizes of pieces: they begin small, since most plans are, and double.
const (
	leastBytes, mostBytes = 1 << 9, 1 << 16
	leastItems, mostItems = 1 << 2, 1 << 9
)

// Texts keeps texts. The zero value is ready; it serves one goroutine.
type Texts struct {
	piece strings.Builder
	size  int
}

// Keep returns b as a string that lies beside those kept before.
func (t *Texts) Keep(b []byte) string {
	if len(b) > leastBytes {
		return string(b) // it is large enough to be a piece of its own
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

// Items keeps things of one kind. The zero value is ready; it serves one goroutine.
type Items[T any] struct{ piece []T }

// New returns a zero T that lies beside those made before.
func (i *Items[T]) New() *T {
	if len(i.piece) == cap(i.piece) {
		i.piece = make([]T, 0, min(max(2*cap(i.piece), leastItems), mostItems))
	}
	i.piece = i.piece[:len(i.piece)+1]
	return &i.piece[len(i.piece)-1]
}
