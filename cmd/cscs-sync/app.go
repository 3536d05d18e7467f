package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/stop"
	"github.com/waldur/cscs-storage-sync/cmd/internal/terminal"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// app is the part of the process that a command may use. Nothing else in this package uses the
// process.
type app struct {
	term       *terminal.Terminal
	stop       *stop.Stopper
	now        func() time.Time
	host, user string
	uid, gid   int
	// callbackTimeout and mountTimeout are how long Waldur and a mount may take to answer.
	callbackTimeout, mountTimeout time.Duration
	// reached is called at each point of an apply where a kill must do no harm; nil except in
	// tests.
	reached func(string)
	// locker replaces the lock for changes of the storage; nil except in tests.
	locker func(ledger.Locker) ledger.Locker
	// kernel answers quota ioctls instead of the kernel; nil except in tests.
	kernel func(dir string, quotactl []byte) error

	connect     sync.Once
	connections http.RoundTripper

	configPath string
	// variables are values of the configuration's variables from flags, in order.
	variables []config.VariableInput
	noColor   bool
	log       *slog.Logger
	logLevel  string
	logFormat string
	// quietLog means that the user chose the log level, so the loop does not raise it.
	quietLog bool
}

// system returns the app of this process.
func system() *app {
	host, _ := os.Hostname()
	a := &app{now: time.Now, host: host, user: login(), uid: os.Geteuid(), gid: os.Getegid(),
		callbackTimeout: session.CallbackTimeout, mountTimeout: session.MountTimeout}
	a.term = terminal.OfProcess(func() time.Time { return a.now() })
	a.stop = stop.New(stop.Usual, a.term.Tell, func() { os.Exit(exitInterrupted) })
	a.term.Paging = a.stop.BySelf
	return a
}

// login returns the name of the account that started the process, before sudo if it was used.
func login() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, a *app, args []string) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer a.stop.Watch(cancel)()
	err := a.dispatch(ctx, args)
	code := exitCode(err)
	if a.stop.IsAsked() && code != exitDone && ctx.Err() != nil {
		code = exitInterrupted
	}
	a.printError(err)
	return code
}

// logger returns a logger that writes to stderr in the chosen format.
func (a *app) logger(level slog.Level) *slog.Logger {
	return a.term.Logger(level, a.logFormat == "json")
}
