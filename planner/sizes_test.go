package planner

import (
	"testing"
	"unsafe"
)

// TestSizes: a plan keeps one of each of these for every resource at the same time, so a word more
// in one of them is a MiB for each 131,072 resources. What few resources have belongs behind a
// pointer.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		what       string
		size, most uintptr
	}{
		{"item", unsafe.Sizeof(Item{}), 200},
		{"node", unsafe.Sizeof(node{}), 152},
		{"claims on a quota", unsafe.Sizeof(quotaClaims{}), 72},
		{"state of a quota", unsafe.Sizeof(QuotaState{}), 72},
		{"directory", unsafe.Sizeof(Directory{}), 64},
	} {
		if c.size > c.most {
			t.Errorf("%s: %d bytes, at most %d", c.what, c.size, c.most)
		}
	}
}
