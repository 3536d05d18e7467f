// Package parallel runs pure functions on all processors. The results do not depend on the number
// of processors.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Meanwhile runs f while the caller continues. It returns a function that waits for the result of
// f. If f panics, only that function panics, in the goroutine that calls it.
func Meanwhile[R any](f func() R) func() R {
	done := make(chan struct{})
	result := sync.OnceValue(f) // it keeps a panic as well
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

// Map returns the result of f for each element of the list, in the order of the list.
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
