package waldursim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
)

// command is the command line of waldur-sim.
type command struct {
	Options
	listen, urlFile, seedFile string
	resources, orders         int
}

func (c *command) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("waldur-sim", pflag.ContinueOnError)
	f.StringVar(&c.listen, "listen", "127.0.0.1:0", "`ADDRESS` to listen on; port 0 selects a free "+
		"one")
	f.StringVar(&c.urlFile, "url-file", "", "write the URL into this `FILE` once it answers")
	f.StringVar(&c.seedFile, "seed-file", "", "start from the scenario in this JSON `FILE`")
	f.IntVar(&c.resources, "resources", 0, "make this many resources")
	f.IntVar(&c.orders, "orders", 10, "of these, give this many in a hundred an order")
	f.Int64Var(&c.GID, "gid", 0, "make every GID this one (for a demo without root)")
	f.StringVar(&c.ProxyToken, "proxy-token", DefaultProxyToken, "bearer token of the listing")
	f.StringVar(&c.WaldurToken, "waldur-token", DefaultWaldurToken, "token of the callbacks")
	f.StringVar(&c.WaldurURL, "waldur-url", "", "base of the callback URLs (default: the requested "+
		"URL, plus /api/)")
	f.StringVar(&c.ClientID, "client-id", "cscs-sync", "OIDC client of the token endpoint")
	f.StringVar(&c.ClientSecret, "client-secret", "sim-secret", "its secret")
	f.DurationVar(&c.TokenLifetime, "token-lifetime", 5*time.Minute, "how long an issued token is "+
		"valid")
	f.DurationVar(&c.Cost, "cost", 0, "how long a page of the listing takes for each resource that "+
		"is requested; the real proxy takes about 300 µs")
	return f
}

// Main runs the command until ctx ends or somebody stops it. It returns the exit code: 0 if it
// ended properly, and 1 for any error.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := run(ctx, args, stdout, stderr)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "waldur-sim: %v\n", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c command
	f := c.flags()
	f.SetOutput(stderr)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("argument %q: takes flags only; see --help", f.Arg(0))
	}
	s := New(c.Options)
	if err := c.fill(s); err != nil {
		return err
	}
	return c.serve(ctx, s, stdout)
}

// fill loads the scenario and creates the requested resources.
func (c *command) fill(s *Server) error {
	if c.resources < 0 || c.orders < 0 || c.orders > 100 {
		return fmt.Errorf("--resources %d --orders %d: want 0 or more resources, and 0 to 100 percent",
			c.resources, c.orders)
	}
	if c.seedFile != "" {
		text, err := os.ReadFile(c.seedFile)
		if err != nil {
			return fmt.Errorf("read seed file: %w", err)
		}
		var sc Scenario
		if err := decodeStrict(text, &sc); err != nil {
			return fmt.Errorf("seed file %s: %w", c.seedFile, err)
		}
		if err := s.Load(sc); err != nil {
			return fmt.Errorf("seed file %s: %w", c.seedFile, err)
		}
	}
	return s.Generate(c.resources, c.orders)
}

func (c *command) serve(ctx context.Context, s *Server, stdout io.Writer) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	url := "http://" + l.Addr().String()
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	if c.urlFile != "" {
		err = writeFile(c.urlFile, url+"\n")
	}
	if err == nil {
		_, err = fmt.Fprintln(stdout, "listening on "+url)
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case <-s.Done():
		case err = <-served:
			return fmt.Errorf("serve: %w", err)
		}
	}
	s.Stop()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if late := srv.Shutdown(limit); late != nil {
		_ = srv.Close() // a client that does not let go
	}
	<-served
	return err
}

// writeFile writes a file that appears only when it is complete, so that a process that waits for
// it reads all of it.
func writeFile(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.WriteString(text)
	if late := f.Close(); err == nil {
		err = late
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
