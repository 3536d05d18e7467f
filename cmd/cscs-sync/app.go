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

// app is what a command may use of the process it runs in. Nothing else in this package reaches for
// the process.
type app struct {
	term       *terminal.Terminal
	stop       *stop.Stopper
	now        func() time.Time
	host, user string
	uid, gid   int
	// callbackTimeout and mountTimeout are how long Waldur and a mount may take to answer.
	callbackTimeout, mountTimeout time.Duration
	// reached is called at each point of an apply at which a kill must do no harm; nil outside of
	// tests.
	reached func(string)
	// locker replaces the lock of what changes the storage; nil outside of tests.
	locker func(ledger.Locker) ledger.Locker
	// kernel answers quota ioctls in place of the kernel; nil outside of tests.
	kernel func(dir string, quotactl []byte) error

	connect     sync.Once
	connections http.RoundTripper

	configPath string
	// variables are the values that flags give to variables of the configuration, in order.
	variables []config.VariableInput
	noColor   bool
	log       *slog.Logger
	logLevel  string
	logFormat string
	// quietLog means that the log level was asked for, so that the loop does not raise it.
	quietLog bool
}

// system is the process as it is.
func system() *app {
	host, _ := os.Hostname()
	a := &app{now: time.Now, host: host, user: login(), uid: os.Geteuid(), gid: os.Getegid(),
		callbackTimeout: session.CallbackTimeout, mountTimeout: session.MountTimeout}
	a.term = terminal.OfProcess(func() time.Time { return a.now() })
	a.stop = stop.New(stop.Usual, a.term.Tell, func() { os.Exit(exitInterrupted) })
	a.term.Paging = a.stop.BySelf
	return a
}

// login is the name of the account that started this: the one before sudo, where there was one.
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

// logger logs to stderr in the format that was asked for.
func (a *app) logger(level slog.Level) *slog.Logger {
	return a.term.Logger(level, a.logFormat == "json")
}
