package parallel

import (
	"sync/atomic"
	"testing"
)

// TestMap: f is called once for each element, and the results are in the order of the list.
func TestMap(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000} {
		list := make([]int, n)
		for i := range list {
			list[i] = i
		}
		var asked atomic.Int64
		for i, got := range Map(list, func(i int) int { asked.Add(1); return i * i }) {
			if got != i*i {
				t.Errorf("of %d, result %d is %d", n, i, got)
			}
		}
		if asked.Load() != int64(n) {
			t.Errorf("%d were asked, want %d", asked.Load(), n)
		}
	}
}

// TestMeanwhile: the function runs once, beside its caller, and its result can be read twice.
func TestMeanwhile(t *testing.T) {
	release, runs := make(chan struct{}), 0
	result := Meanwhile(func() int { <-release; runs++; return 7 })
	close(release)
	for range 2 {
		if got := result(); got != 7 || runs != 1 {
			t.Errorf("it is %d after %d runs", got, runs)
		}
	}
}

// TestPanicOfNobody: only the goroutine that asks for the result panics.
func TestPanicOfNobody(t *testing.T) {
	result := Meanwhile(func() int { panic("no") })
	defer func() {
		if p := recover(); p != "no" {
			t.Errorf("asking panics with %v", p)
		}
	}()
	result()
}
