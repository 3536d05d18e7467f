// Package backoff says how long to leave alone what failed.
package backoff

import "time"

// Wait returns how long to wait after so many failures in a row: first, which doubles with each
// failure after the first, and at most longest.
func Wait(first, longest time.Duration, failures int) time.Duration {
	wait := min(first, longest)
	for i := 1; i < failures && 0 < wait && wait < longest; i++ {
		if wait > longest/2 {
			return longest
		}
		wait *= 2
	}
	return wait
}
