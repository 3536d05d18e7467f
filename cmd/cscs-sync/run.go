package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/cmd/internal/systemd"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/loop"
)

// runOptions are the flags of run.
type runOptions struct {
	once, dryRun, acceptShrunk bool
	interval                   time.Duration
}

func (a *app) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "run unattended: apply what the policy allows, hold the rest",
		Args:  arguments(0, 0),
		Long: `The loop has two lanes. Every interval, the orders lane looks at resources with
an order (pending, updating, removing, error). Every audit_interval, the audit
lane looks at the whole listing and the storage. The loop applies what
auto_approve allows, and holds the rest for people, as plan files: see held
list. Approve one, and the next round applies it. On a new state, the loop holds
everything until a plan that a person approved has been applied.

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
	f.BoolVar(&o.once, "once", false, "run one round of both lanes, audit first, then stop")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be applied and held, and change nothing")
	f.DurationVar(&o.interval, "interval", 0, "time between rounds (`D`), instead of the "+
		"configuration's")
	f.BoolVar(&o.acceptShrunk, "accept-shrunk", false,
		"with --once: continue although much of what is recorded is missing from the listing")
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
		if s.Config.Proxy == nil || s.Config.Waldur == nil {
			return engine.Refuse(engine.Configuration, errors.New("run: the configuration has no proxy "+
				"or no waldur block; the loop asks the proxy, and reports to Waldur"))
		}
		a.stop.BySelf()
		l, ended := a.loop(s, loop.Options{Once: o.once, DryRun: o.dryRun,
			AcceptShrunk: o.acceptShrunk, Interval: o.interval})
		defer ended()
		result, err := l.Run(cmd.Context())
		if err != nil {
			return err
		}
		return resultError(result)
	}
	return cmd
}

// loop returns the unattended loop. ended releases what it uses of the process.
func (a *app) loop(s *session.Session, o loop.Options) (l *loop.Loop, ended func()) {
	by := session.Supervision{Notify: systemd.Notify, WatchdogInterval: systemd.WatchdogInterval(),
		Reloading: systemd.Reloading, Find: a.configuration, Print: a.term.Print,
		Log: a.roundLog(s.Process.Log)}
	ended = func() {}
	if !o.Once {
		by.Reloads, ended = a.stop.Reloads()
	}
	return s.Loop(o, by), ended
}

// roundLog returns the log of rounds. Its level is at least info, because nobody can trust a silent
// loop.
func (a *app) roundLog(log *slog.Logger) *slog.Logger {
	if a.quietLog || log.Enabled(context.Background(), slog.LevelInfo) {
		return log
	}
	return a.logger(slog.LevelInfo)
}
