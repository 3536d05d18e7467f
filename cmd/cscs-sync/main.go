package main

import (
	"context"
	"os"
	"runtime/debug"
)

func main() {
	tuneMemory()
	os.Exit(run(context.Background(), system(), os.Args[1:]))
}

// tuneMemory has garbage collected when it is a third of what is in use, and not as much again. What a plan keeps is most
// of what it allocates, so this costs little time, and a third of the peak is saved. GOGC in the environment wins.
func tuneMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(33)
	}
}
