package expr

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// maxValue bounds what a function may return: more than any configuration needs, and little enough
// for any machine.
const maxValue = 1 << 20

// maxNamed bounds the value of a variable or a local, which many expressions may repeat.
const maxNamed = 64 << 10

// perElement is what an element costs beside its text.
const perElement = 16

// errTooLarge is the fault of a value that no configuration needs.
var errTooLarge = errors.New("the value is too large")

// Bounded refuses a value of more than limit bytes. Each element of a list or a map counts as some
// bytes, too.
func Bounded(v cty.Value, limit int) error {
	left := limit
	if !fits(v, &left) {
		return fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	return nil
}

// fits takes the size of v from what is left, and reports whether that was enough.
func fits(v cty.Value, left *int) bool {
	*left -= perElement
	if *left < 0 || v.IsMarked() || !v.IsKnown() || v.IsNull() {
		return *left >= 0
	}
	switch t := v.Type(); {
	case t == cty.String:
		*left -= len(v.AsString())
	case t.IsCollectionType() || t.IsTupleType() || t.IsObjectType():
		for it := v.ElementIterator(); it.Next(); {
			key, element := it.Element()
			if !fits(element, left) || key.Type() == cty.String && !fits(key, left) {
				return false
			}
		}
	}
	return *left >= 0
}

// infinite reports whether there is an infinite number anywhere in v.
func infinite(v cty.Value) bool {
	found := false
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		found = found || e.Type() == cty.Number && e.IsKnown() && !e.IsNull() &&
			e.AsBigFloat().IsInf()
		return !found, nil
	})
	return found
}
