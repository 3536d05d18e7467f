package waldur

import "testing"

// TestFields: every field has a row in the table and is found there by its name, and nowhere else.
// Messages name no two fields of one object alike.
func TestFields(t *testing.T) {
	for f := inOrder + 1; f < fields; f++ {
		m := table[f]
		if m.name == "" || len(m.name) > longestName || fieldOf(m.in, []byte(m.name)) != f {
			t.Errorf("field %d: %+v, found as %v", f, m, fieldOf(m.in, []byte(m.name)))
		}
		for in := unread; in < fields; in++ {
			if got := fieldOf(in, []byte(m.name)); in != m.in && got == f || got != unread &&
				table[got].in != in {
				t.Errorf("%v is found in %v", f, in)
			}
		}
		if callback := callbackOf[f] != ""; callback != (f >= itemApprove && f <= itemUpdateOptions) {
			t.Errorf("%v: callback %q", f, callbackOf[f])
		}
	}
	for _, name := range []string{"", "x", "quotaz", "approve_by_provider_url_of_somebody_else_that_is_long"} {
		if got := fieldOf(inItem, []byte(name)); got != unread {
			t.Errorf("%q is found as %v", name, got)
		}
	}
}

// TestWithin: the fields within a field follow it without a gap.
func TestWithin(t *testing.T) {
	for f := inOrder + 1; f < fields; f++ {
		for in := range fields {
			above := in
			for above != unread && above != f {
				above = table[above].in
			}
			if (above == f) != (f <= in && in <= within[f]) {
				t.Errorf("%v is from %d to %d, and field %d is %v", f, f, within[f], in, in)
			}
		}
	}
}
