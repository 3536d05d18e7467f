package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := waldursim.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
