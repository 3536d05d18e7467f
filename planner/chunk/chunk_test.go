package chunk

import (
	"fmt"
	"strings"
	"testing"
)

// TestTextsStayAsTheyWere: neither later texts nor changes of the bytes that they were made from
// change earlier texts.
func TestTextsStayAsTheyWere(t *testing.T) {
	var texts Texts
	var kept, want []string
	b := make([]byte, 0, 2*mostBytes)
	for i := range 20_000 {
		b = fmt.Appendf(b[:0], "%d:%s", i, strings.Repeat("x", i%97))
		if i%5000 == 0 {
			b = append(b, strings.Repeat("y", mostBytes+1)...)
		}
		kept, want = append(kept, texts.Keep(b)), append(want, string(b))
		clear(b)
	}
	for i := range want {
		if kept[i] != want[i] {
			t.Fatalf("text %d is %.40q, want %.40q", i, kept[i], want[i])
		}
	}
	if texts.Keep(nil) != "" {
		t.Error("nothing is not empty")
	}
}

// TestItemsAreApart: each item is zero when it is made, and shares no memory with others.
func TestItemsAreApart(t *testing.T) {
	var items Items[int]
	all := map[*int]int{}
	for i := range 5000 {
		p := items.New()
		if *p != 0 {
			t.Fatalf("item %d is made as %d", i, *p)
		}
		*p = i + 1
		all[p] = *p
	}
	for p, want := range all {
		if *p != want {
			t.Fatalf("%d has become %d", want, *p)
		}
	}
	if len(all) != 5000 {
		t.Errorf("%d items, want 5000", len(all))
	}
}

// TestFewPieces: thousands of things take a handful of allocations.
func TestFewPieces(t *testing.T) {
	b := []byte(strings.Repeat("x", 40))
	got := testing.AllocsPerRun(3, func() {
		var texts Texts
		var items Items[[4]uint64]
		for range 10_000 {
			texts.Keep(b)
			items.New()
		}
	})
	if got > 50 {
		t.Errorf("20,000 things take %.0f allocations", got)
	}
}
