// Vast-sim stands in for the management API of a VAST system, as far as quotas need it.
//
//	vast-sim [--listen ADDRESS] [--file FILE]
//
// Its first line on standard output is "listening on http://127.0.0.1:PORT". Quotas and usage are
// kept in FILE. The control interface, faults included, is described in package vastsim. The token
// is "sim-token", user and password are "sim" and "sim-password"; nothing real belongs here.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
)

func main() {
	listen := pflag.String("listen", "127.0.0.1:0",
		"`ADDRESS` to listen on; port 0 takes a free one")
	file := pflag.String("file", "", "keep quotas and usage in this `FILE`")
	pflag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, *listen, *file)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "vast-sim: %v\n", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, listen, file string) error {
	s, err := vastsim.New(file)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("listening on http://" + l.Addr().String())
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { <-ctx.Done(); _ = srv.Close() }()
	if err := srv.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
