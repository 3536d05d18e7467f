// Vast-sim takes the place of the management API of a VAST system. It has the parts that quotas
// need.
//
//	vast-sim [--listen ADDRESS] [--file FILE]
//
// Its first line on standard output is "listening on http://127.0.0.1:PORT". It stores quotas and
// usage in FILE. Package vastsim describes the control interface, including faults. The token is
// "sim-token", and user and password are "sim" and "sim-password". Use no real secrets here.
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
