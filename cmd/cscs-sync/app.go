package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/waldur/cscs-storage-sync/cmd/internal/progress"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// app is what a command may use of the process it runs in. Nothing else in this package reaches for
// the process.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// terminal tells whether a file of the process is a terminal.
	terminal func(any) bool
	width    int
	getenv   func(string) (string, bool)
	now      func() time.Time
	host     string
	user     string
	uid, gid int
	// callbackTimeout and mountTimeout are how long Waldur and a mount may take to answer.
	callbackTimeout, mountTimeout time.Duration
	// exit ends the process where a call that hangs would keep it.
	exit func(code int)
	// reached is called at each point of an apply at which a kill must do no harm; nil outside of
	// tests.
	reached func(string)
	// locker replaces the lock of what changes the storage; nil outside of tests.
	locker func(ledger.Locker) ledger.Locker
	// kernel answers quota ioctls in place of the kernel; nil outside of tests.
	kernel func(dir string, quotactl []byte) error
	// beat hears of each stage of a round, and how long it may take; nil outside of the loop.
	beat func(stage string, allowed time.Duration)

	// statusLine is what shows how far a command is; nil where nothing does.
	statusLine atomic.Pointer[progress.Progress]

	connect     sync.Once
	connections http.RoundTripper

	configPath string
	// variables are the values that flags give to variables of the configuration, in order.
	variables []config.VariableInput
	color     string
	// noColor and noPager are the flags of these names.
	noColor, noPager bool
	palette          render.Palette
	log              *slog.Logger
	logLevel         string
	logFormat        string
	// quietLog tells that the log level was asked for, so that the loop does not raise it.
	quietLog bool
	// stop is closed at the first signal.
	stop   chan struct{}
	signal atomic.Pointer[os.Signal]
	// graceful tells that the command stops by itself when stop is closed; the context then ends only
	// at the second signal.
	graceful atomic.Bool
	// reloads tells that SIGHUP means something else than stop to the command.
	reloads atomic.Bool
	// waiting is what the command waits for now, for the message when it is ended without it.
	waiting atomic.Pointer[string]
}

// system is the process as it is.
func system() *app {
	host, _ := os.Hostname()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.LookupEnv,
		now: time.Now, host: host, user: login(),
		uid: os.Geteuid(), gid: os.Getegid(), callbackTimeout: callbackTimeout,
		mountTimeout: canaryTimeout,
		exit:         os.Exit, stop: make(chan struct{})}
	a.terminal = func(f any) bool {
		file, ok := f.(*os.File)
		return ok && term.IsTerminal(int(file.Fd()))
	}
	a.width = 80
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w >= 60 {
		a.width = min(w, 120)
	}
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
	defer a.watchSignals(cancel)()
	err := a.dispatch(ctx, args)
	code := exitCode(err)
	if a.signal.Load() != nil && code != exitDone && ctx.Err() != nil {
		code = exitInterrupted
	}
	a.printError(err)
	return code
}

// logger logs to stderr in the format that was asked for.
func (a *app) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if a.logFormat == "json" {
		o.ReplaceAttr = inSeconds
		return slog.New(slog.NewJSONHandler(besideProgress{a, a.stderr}, o))
	}
	return slog.New(slog.NewTextHandler(besideProgress{a, a.stderr}, o))
}

// inSeconds gives a duration in JSON its unit: "took_seconds": 1.5. A bare number of nanoseconds is
// taken for anything.
func inSeconds(_ []string, attr slog.Attr) slog.Attr {
	if attr.Value.Kind() != slog.KindDuration {
		return attr
	}
	return slog.Float64(attr.Key+"_seconds", attr.Value.Duration().Seconds())
}

// stage gives a sign of life where somebody watches.
func (a *app) stage(name string, allowed time.Duration) {
	if a.beat != nil {
		a.beat(name, allowed)
	}
}
