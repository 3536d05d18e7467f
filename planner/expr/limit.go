package expr

import (
	"errors"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// maxValue is the most bytes that a function may return: more than any configuration needs, and
// little enough for any machine.
const maxValue = 1 << 20

// maxNamed limits the value of a variable or a local, in bytes, because many expressions may repeat
// it.
const maxNamed = 64 << 10

// perElement is how many bytes an element counts in addition to its text.
const perElement = 16

// errTooLarge means that a value is larger than any configuration needs.
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

// fits subtracts the size of v from what is left, and reports whether enough was left.
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
