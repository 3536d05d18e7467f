// Package parallel runs pure functions on all processors. What comes out does not depend on how many there are.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Meanwhile runs f beside what the caller does next, and returns a function that waits for its result. If f panics, so does
// whoever asks for the result, and nobody else.
func Meanwhile[R any](f func() R) func() R {
	done := make(chan struct{})
	result := sync.OnceValue(f) // which keeps a panic as well
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		result()
	}()
	return func() R {
		<-done
		return result()
	}
}

// Map returns f of each of the list, in its order.
func Map[T, R any](list []T, f func(T) R) []R {
	results := make([]R, len(list))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(list); i = int(next.Add(1)) - 1 {
				results[i] = f(list[i])
			}
		})
	}
	all.Wait()
	return results
}
