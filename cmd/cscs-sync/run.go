package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/build"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/status"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
)

// runOptions are the flags of run.
type runOptions struct {
	once, dryRun, acceptShrunk bool
	interval                   time.Duration
}

func (a *app) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "the unattended loop: apply what policy allows, hold the rest",
		Args:  arguments(0, 0),
		Long: `Two lanes: every interval the orders (pending, updating, removing, error), and
every audit_interval the whole listing and the storage. What auto_approve allows
is applied; the rest is written as plan files to the folder pending in
state.path: approve one, and the next round applies it. Until one plan approved
by a person has been applied on this state, everything is held.

SIGHUP reads the configuration again. SIGTERM and SIGINT end the loop within
ten seconds: running changes get six seconds to finish.

Each round ends in one logged reason. docs/reference/rounds.md says what to do
about each:
  applied, would_apply, no_changes, all_held, orders_blocked, outside_window,
  over_limit, backoff, source_unreachable, source_incomplete, source_shrank,
  lock_busy, observe_failed, partial, not_converged, stopped, error

Exit codes: 0 ended by SIGTERM or SIGINT, or --once is done, also with changes
held; 1 error; 3 refused; 4 --once, and something failed.`,
	}
	f := cmd.Flags()
	var o runOptions
	f.BoolVar(&o.once, "once", false, "one round of both lanes, audit first, and end")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be applied and held, and change nothing")
	f.DurationVar(&o.interval, "interval", 0, "time between rounds (`D`), in place of the "+
		"configuration's")
	f.BoolVar(&o.acceptShrunk, "accept-shrunk", false,
		"with --once: go on although the listing suddenly lacks much of what is recorded")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.interval < 0 {
			return &usageError{"run", fmt.Errorf("--interval %s: want a time that is not negative",
				o.interval)}
		}
		if o.acceptShrunk && !o.once {
			return &usageError{"run", errors.New("--accept-shrunk is for one round that a person looks " +
				"at: it goes with --once")}
		}
		s, err := a.open(config.Read)
		if err != nil {
			return err
		}
		if s.cfg.Proxy == nil || s.cfg.Waldur == nil {
			return engine.Refuse(engine.Configuration, errors.New("run: the configuration has no proxy "+
				"or no waldur block; the loop asks the proxy, and reports to Waldur"))
		}
		a.stop.BySelf()
		l, ended := s.loop(loop.Options{Once: o.once, DryRun: o.dryRun, AcceptShrunk: o.acceptShrunk,
			Interval: o.interval})
		defer ended()
		result, err := l.Run(cmd.Context())
		if err != nil {
			return err
		}
		return resultError(result)
	}
	return cmd
}

// loop is the unattended loop under the configuration of this session; ended lets go of what it has
// from the process.
func (s *session) loop(o loop.Options) (l *loop.Loop, ended func()) {
	probe := site.NewMountProbe(s.app.mountTimeout)
	var current atomic.Pointer[config.Config] // for the probe, which other goroutines use
	current.Store(s.cfg)
	reloads := make(chan os.Signal, 1)
	if !o.Once {
		s.app.stop.KeepReloads()
		signal.Notify(reloads, syscall.SIGHUP)
	}
	env := loop.Env{Files: s.store.Files(), Send: s.site().Tell, Supervise: supervise,
		WatchdogInterval: watchdogInterval(),
		Reloads:          reloads, Reloading: reloading,
		Hung: func() []string { return probe.Hung(current.Load()) }, Hanging: s.site().Hanging,
		MountTimeout: s.app.mountTimeout, Print: s.app.term.Print, Log: s.app.roundLog(),
		Load: func(log *slog.Logger) (loop.Config, loop.Files, error) {
			if err := s.reload(log); err != nil {
				return loop.Config{}, nil, err
			}
			current.Store(s.cfg)
			return s.loopConfig(), s.store.Files(), nil
		}}
	if s.cfg.Run.Listen != "" {
		s.servePages(&env)
	}
	l = loop.New(s.loopConfig(), env, o)
	s.app.beat = l.Beat
	return l, func() { signal.Stop(reloads) }
}

// servePages makes the loop serve its status page.
func (s *session) servePages(env *loop.Env) {
	p := &status.Live{Host: s.app.host, Version: build.Version(), Now: s.app.now, Hung: env.Hung}
	p.Use(s.statusView())
	env.Pages, env.Ended, env.Seen = status.Handler(p, s.names(), s.app.log), p.Ended, p.Seen
	load := env.Load
	env.Load = func(log *slog.Logger) (loop.Config, loop.Files, error) {
		cfg, files, err := load(log)
		if err == nil {
			p.Use(s.statusView())
		}
		return cfg, files, err
	}
}

// names are the names under which the status page may be asked for: the host's, and that of
// run.listen.
func (s *session) names() []string {
	short, _, _ := strings.Cut(s.app.host, ".")
	names := []string{s.app.host, short}
	if host, _, err := net.SplitHostPort(s.cfg.Run.Listen); err == nil {
		names = append(names, host)
	}
	return names
}

// loopConfig is what the loop works under.
func (s *session) loopConfig() loop.Config {
	return loop.Config{Engine: s.engine(), State: s.store.File(), Interval: s.cfg.Run.Interval,
		AuditInterval: s.cfg.Run.AuditInterval,
		Listen:        s.cfg.Run.Listen, Channels: s.site().Channels(), Leader: s.leader(),
		Feedback: loop.Feedback{Usage: s.cfg.Waldur.ReportUsage, Messages: s.cfg.Waldur.OrderMessages,
			Tell: s.site().Notes().Tell}}
}

// leader decides whether the loop works; nil where no other node has one.
func (s *session) leader() loop.Leader {
	if s.cfg.Shared == nil {
		return nil
	}
	if s.leadership == nil {
		by := ledger.Holder{Who: s.app.user, Host: s.app.host, PID: os.Getpid(), Since: s.app.now()}
		s.leadership = state.NewLeadership(s.store, s.cfg.Shared.Group, by)
	}
	return s.leadership
}

// follow has the leadership follow a new configuration.
func (s *session) follow(cfg *config.Config, store *state.Store) error {
	if s.leadership == nil {
		return nil
	}
	if cfg.Shared != nil {
		return s.leadership.Use(store, cfg.Shared.Group)
	}
	err := s.leadership.Release()
	s.leadership = nil
	return err
}

// roundLog logs rounds: at least at level info, because a loop that says nothing cannot be trusted.
func (a *app) roundLog() *slog.Logger {
	if a.quietLog || a.log.Enabled(context.Background(), slog.LevelInfo) {
		return a.log
	}
	return a.logger(slog.LevelInfo)
}

// reload reads the configuration again, and takes it over if the loop can work under it.
func (s *session) reload(log *slog.Logger) error {
	path, err := s.app.configuration()
	if err != nil {
		return err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Read, StateURL: true,
		Variables: s.app.variables})
	logDiagnostics(log, diags)
	if diags.HasErrors() {
		return fmt.Errorf("configuration %s is not valid: each fault is logged above", path)
	}
	if cfg.Proxy == nil || cfg.Waldur == nil {
		return fmt.Errorf("configuration %s has no proxy or no waldur block any more; the loop needs "+
			"both", path)
	}
	store, err := s.app.openStore(cfg)
	if err != nil {
		return err
	}
	if err := s.follow(cfg, store); err != nil {
		log.Warn("reload: the state that was left still names this node", "error", err.Error())
	}
	s.cfg, s.store = cfg, store
	s.site().Use(cfg)
	return nil
}

// logDiagnostics logs what is wrong with a configuration, one entry each: the log may be read by a
// program.
func logDiagnostics(log *slog.Logger, diags hcl.Diagnostics) {
	for _, d := range diags {
		level := slog.LevelError
		if d.Severity == hcl.DiagWarning {
			level = slog.LevelWarn
		}
		at := ""
		if d.Subject != nil {
			at = fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line)
		}
		log.Log(context.Background(), level, "reload: configuration", "at", at, "summary", d.Summary,
			"detail", d.Detail)
	}
}
