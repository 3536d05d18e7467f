package main

import (
	"context"
	"os"
	"runtime"
)

func main() {
	os.Exit(offFirstThread(func() int { return run(context.Background(), system(), os.Args[1:]) }))
}

// init keeps main on the first thread, so that no other goroutine makes calls there.
func init() { runtime.LockOSThread() }

// offFirstThread does the work on another thread, and the first thread only waits. The kernel
// prefers the first thread for signals. If that thread hung in a call, no signal could stop the
// process.
func offFirstThread(work func() int) int {
	code := make(chan int)
	go func() { code <- work() }()
	return <-code
}
