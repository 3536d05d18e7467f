package main

import (
	"context"
	"os"
	"runtime"
)

func main() {
	os.Exit(offFirstThread(func() int { return run(context.Background(), system(), os.Args[1:]) }))
}

// init keeps main on the first thread, so that no call of another goroutine is made there.
func init() { runtime.LockOSThread() }

// offFirstThread does the work, and has the first thread of the process only wait for it. The
// kernel gives a signal to that thread, if it can: were it to hang in a call, a stop would hang
// with it, and with each further signal too.
func offFirstThread(work func() int) int {
	code := make(chan int)
	go func() { code <- work() }()
	return <-code
}
