// Package backoff says how long to wait after failures.
package backoff

import "time"

// Wait returns how long to wait after this many failures in a row: first after the first failure,
// twice as long after each further one, and at most longest.
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
