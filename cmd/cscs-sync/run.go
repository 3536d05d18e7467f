package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/config"
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

SIGHUP reads the configuration again. SIGTERM and SIGINT end the loop after what
is under way, within ten seconds whatever hangs.

Each round ends in one logged reason; docs/loop.md says what to do with each:
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
	f.DurationVar(&o.interval, "interval", 0, "time between rounds (`D`), in place of the configuration's")
	f.BoolVar(&o.acceptShrunk, "accept-shrunk", false, "with --once: go on although the listing suddenly lacks much of what is recorded")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.interval < 0 {
			return &usageError{"run", fmt.Errorf("--interval %s: want a time that is not negative", o.interval)}
		}
		if o.acceptShrunk && !o.once {
			return &usageError{"run", errors.New("--accept-shrunk is for one round that a person looks at: it goes with --once")}
		}
		s, err := a.open(config.Read)
		if err != nil {
			return err
		}
		if s.cfg.Proxy == nil || s.cfg.Waldur == nil {
			return refused(errors.New("run: the configuration has no proxy or no waldur block; the loop asks the proxy, and reports to Waldur"))
		}
		a.graceful.Store(true)
		return newLoop(s, o).run(cmd.Context())
	}
	return cmd
}
