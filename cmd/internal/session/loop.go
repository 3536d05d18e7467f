package session

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/status"
	"github.com/waldur/cscs-storage-sync/providers/site"
	"github.com/waldur/cscs-storage-sync/state"
)

// Supervision is what a loop has of the process that it runs in.
type Supervision struct {
	// Notify sends the service manager a message, and WatchdogInterval is how often that wants one.
	Notify           func(message string)
	WatchdogInterval time.Duration
	// Reloads asks for the configuration to be read again from the path that Find returns; Reloading
	// says that this begins.
	Reloads   <-chan os.Signal
	Reloading func()
	Find      func() (path string, err error)
	// Print prints what a dry run would do.
	Print func(string) error
	Log   *slog.Logger
}

// Loop is the unattended loop under the configuration.
func (s *Session) Loop(o loop.Options, by Supervision) *loop.Loop {
	probe := site.NewMountProbe(s.Process.MountTimeout)
	var current atomic.Pointer[config.Config] // for the probe, which other goroutines use
	current.Store(s.Config)
	env := loop.Env{Files: s.Store.Files(), Send: s.Site().Tell, Supervise: by.Notify,
		WatchdogInterval: by.WatchdogInterval, Reloads: by.Reloads, Reloading: by.Reloading,
		Hung: func() []string { return probe.Hung(current.Load()) }, Hanging: s.Site().Hanging,
		MountTimeout: s.Process.MountTimeout, Print: by.Print, Log: by.Log,
		Load: func(log *slog.Logger) (loop.Config, loop.Files, error) {
			if err := s.reload(by.Find, log); err != nil {
				return loop.Config{}, nil, err
			}
			current.Store(s.Config)
			return s.loopConfig(), s.Store.Files(), nil
		}}
	if s.Config.Run.Listen != "" {
		s.servePages(&env)
	}
	l := loop.New(s.loopConfig(), env, o)
	s.beat = l.Beat
	return l
}

// servePages makes the loop serve its status page.
func (s *Session) servePages(env *loop.Env) {
	p := &status.Live{Host: s.Process.Host, Version: s.Process.Version, Now: s.Process.Now,
		Hung: env.Hung}
	p.Use(s.statusView())
	env.Pages = status.Handler(p, s.names(), s.Process.Log)
	env.Ended, env.Seen = p.Ended, p.Seen
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
func (s *Session) names() []string {
	short, _, _ := strings.Cut(s.Process.Host, ".")
	names := []string{s.Process.Host, short}
	if host, _, err := net.SplitHostPort(s.Config.Run.Listen); err == nil {
		names = append(names, host)
	}
	return names
}

// loopConfig returns the configuration of the loop.
func (s *Session) loopConfig() loop.Config {
	cfg := s.Config
	return loop.Config{Engine: s.Engine(), State: s.Store.File(), Interval: cfg.Run.Interval,
		AuditInterval: cfg.Run.AuditInterval,
		Listen:        cfg.Run.Listen, Channels: s.Site().Channels(), Leader: s.Leader(),
		Feedback: loop.Feedback{Usage: cfg.Waldur.ReportUsage, Messages: cfg.Waldur.OrderMessages,
			Tell: s.Site().Notes().Tell}}
}

// Leader returns the leader, which decides whether the loop works. It is nil if no other node can
// have a loop.
func (s *Session) Leader() loop.Leader {
	if s.Config.Shared == nil {
		return nil
	}
	if s.leadership == nil {
		s.leadership = state.NewLeadership(s.Store, s.Config.Shared.Group, s.holder())
	}
	return s.leadership
}

// follow gives the leadership a new configuration.
func (s *Session) follow(cfg *config.Config, store *state.Store) error {
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

// reload reads the configuration again and uses it if the loop can work with it.
func (s *Session) reload(find func() (string, error), log *slog.Logger) error {
	path, err := find()
	if err != nil {
		return err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Read, StateURL: true,
		Variables: s.Process.Variables})
	logDiagnostics(log, diags)
	if diags.HasErrors() {
		return fmt.Errorf("configuration %s is not valid: each fault is logged above", path)
	}
	if cfg.Proxy == nil || cfg.Waldur == nil {
		return fmt.Errorf("configuration %s has no proxy or no waldur block any more; the loop needs "+
			"both", path)
	}
	store, err := openStore(cfg, &s.Process)
	if err != nil {
		return err
	}
	if err := s.follow(cfg, store); err != nil {
		log.Warn("reload: the state that was left still names this node", "error", err.Error())
	}
	s.Config, s.Store = cfg, store
	s.Site().Use(cfg)
	return nil
}

// logDiagnostics logs each diagnostic of a configuration as one entry, because programs may read
// the log.
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
