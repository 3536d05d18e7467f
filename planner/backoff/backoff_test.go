package backoff

import (
	"math"
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	for _, c := range []struct {
		first, longest time.Duration
		failures       int
		want           time.Duration
	}{
		{time.Minute, time.Hour, 0, time.Minute},
		{time.Minute, time.Hour, 1, time.Minute},
		{time.Minute, time.Hour, 2, 2 * time.Minute},
		{time.Minute, time.Hour, 6, 32 * time.Minute},
		{time.Minute, time.Hour, 7, time.Hour},
		{time.Minute, time.Hour, math.MaxInt, time.Hour},
		{time.Minute, time.Second, 1, time.Second},
		{time.Second, math.MaxInt64, 100, math.MaxInt64},
		{0, time.Hour, math.MaxInt, 0},
		{time.Second, 0, math.MaxInt, 0},
	} {
		if got := Wait(c.first, c.longest, c.failures); got != c.want {
			t.Errorf("%v up to %v after %d failures: %v, want %v", c.first, c.longest, c.failures, got,
				c.want)
		}
	}
}
