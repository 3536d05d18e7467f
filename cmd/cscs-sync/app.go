package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"os/user"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/term"
)

// app is what a command may use of the process it runs in. Nothing else in this package reaches for the process.
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
	// reached is called at each point of an apply at which a kill must do no harm; nil outside of tests.
	reached func(string)
	// kernel answers quota ioctls in place of the kernel; nil outside of tests.
	kernel func(dir string, quotactl []byte) error
	// beat hears of each stage of a round, and how long it may take; nil outside of the loop.
	beat func(stage string, allowed time.Duration)

	// statusLine is what shows how far a command is; nil where nothing does.
	statusLine atomic.Pointer[progress]

	connect     sync.Once
	connections http.RoundTripper

	configPath string
	color      string
	log        *slog.Logger
	logLevel   string
	logFormat  string
	// quietLog tells that the log level was asked for, so that the loop does not raise it.
	quietLog bool
	// stop is closed at the first signal.
	stop   chan struct{}
	signal atomic.Pointer[os.Signal]
	// graceful tells that the command stops by itself when stop is closed; the context then ends only at the second signal.
	graceful atomic.Bool
	// reloads tells that SIGHUP means something else than stop to the command.
	reloads atomic.Bool
}

// system is the process as it is.
func system() *app {
	host, _ := os.Hostname()
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.LookupEnv, now: time.Now, host: host, user: login(),
		uid: os.Geteuid(), gid: os.Getegid(), callbackTimeout: callbackTimeout, mountTimeout: canaryTimeout,
		exit: os.Exit, stop: make(chan struct{})}
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

// watchSignals handles SIGINT, SIGTERM and SIGHUP alike: the first asks to stop after what is under way, the second stops
// now. SIGHUP is what a lost connection sends, the usual end of an admin's session.
func (a *app) watchSignals(cancel context.CancelFunc) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	// A reader that went away, as head does, is an error of the write and not the end of the process: an apply goes on.
	broken := make(chan os.Signal, 1)
	signal.Notify(broken, syscall.SIGPIPE)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for first := true; ; {
			select {
			case <-done:
				return
			case s := <-signals:
				if s == syscall.SIGHUP && a.reloads.Load() {
					continue
				}
				if !first {
					cancel()
					time.AfterFunc(lastWait, a.leave)
					continue
				}
				first = false
				a.signal.Store(&s)
				close(a.stop)
				if !a.graceful.Load() {
					cancel()
				}
			}
		}
	})
	return func() {
		signal.Stop(signals)
		signal.Stop(broken)
		close(done)
		wg.Wait()
	}
}

// errStopped is why looking ends early.
var errStopped = errors.New("asked to stop")

// looking is ctx for what changes nothing: it ends also as soon as the process is asked to stop. Changes go on until they
// are at a good place.
func (a *app) looking(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-a.stop:
			cancel(errStopped)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// lastWait is how long calls that are under way may take to give up after the second signal.
const lastWait = 3 * time.Second

// leave ends the process although a call has not returned: the kernel does not let go of one on a mount that hangs.
func (a *app) leave() {
	a.tell("Stopped while a call to the storage hangs. What is done is noted; to go on, apply the same plan again.")
	a.exit(exitInterrupted)
}

// logger logs to stderr in the format that was asked for.
func (a *app) logger(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(besideProgress{a, a.stderr}, o))
	}
	return slog.New(slog.NewTextHandler(besideProgress{a, a.stderr}, o))
}
