package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// timeout ends a machine that hangs. Emulation on a busy host takes some minutes at most.
const timeout = 20 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kerneltest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, programs []string) error {
	if len(programs) == 0 {
		return fmt.Errorf("no test program is given: build one with `go test -c` and give its path")
	}
	k, err := fetch(ctx, "bin/kernel")
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "kerneltest")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m := machine{dir: dir, kernel: k}
	if err := m.build(ctx, programs); err != nil {
		return err
	}
	return m.run(ctx, os.Stdout)
}
