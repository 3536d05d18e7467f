package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/state"
)

// reload reads the configuration again, and goes on with the old one if the new one is not valid. It gives the function
// that stops serving metrics.
func (l *loop) reload(stopServing func()) func() {
	l.notify.reloading()
	defer l.notify.send("READY=1")
	stop, err := l.change(stopServing)
	if err != nil {
		l.log.Error("reload: going on with the old configuration; mend the new one, and reload again", "error", err.Error())
		return stopServing
	}
	l.log.Info("reload: the configuration was read again")
	return stop
}

// change takes over a new configuration, all of it or nothing.
func (l *loop) change(stopServing func()) (func(), error) {
	path, err := l.s.configuration()
	if err != nil {
		return nil, err
	}
	cfg, diags := config.Load(path, config.OS(), config.Options{Secrets: config.Read, Variables: l.s.variables})
	l.logDiagnostics(diags)
	if diags.HasErrors() {
		return nil, fmt.Errorf("configuration %s is not valid: each fault is logged above", path)
	}
	if cfg.Proxy == nil || cfg.Waldur == nil {
		return nil, fmt.Errorf("configuration %s has no proxy or no waldur block any more; the loop needs both", path)
	}
	store, err := l.s.openStore(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Run.Listen != l.s.cfg.Run.Listen {
		stop, err := l.metrics.serve(cfg.Run.Listen, l.log)
		if err != nil {
			return nil, err
		}
		stopServing()
		stopServing = stop
	}
	l.adopt(cfg, store)
	return stopServing, nil
}

// logDiagnostics logs what is wrong with a configuration, one entry each: the log may be read by a program.
func (l *loop) logDiagnostics(diags hcl.Diagnostics) {
	for _, d := range diags {
		level := slog.LevelError
		if d.Severity == hcl.DiagWarning {
			level = slog.LevelWarn
		}
		at := ""
		if d.Subject != nil {
			at = fmt.Sprintf("%s:%d", d.Subject.Filename, d.Subject.Start.Line)
		}
		l.log.Log(context.Background(), level, "reload: configuration", "at", at, "summary", d.Summary, "detail", d.Detail)
	}
}

// adopt goes on with another configuration: it begins with an audit, and tries at once what failed before.
func (l *loop) adopt(cfg *config.Config, store *state.Store) {
	elsewhere := cfg.State != l.s.cfg.State || store.File() != l.s.store.File()
	l.s.site().Use(cfg)
	l.s.cfg, l.s.store, l.auditDue, l.failedAudits, l.refused = cfg, store, time.Time{}, 0, pause{}
	l.config.Store(cfg)
	if elsewhere {
		l.isTrusted = false
		l.recall()
	}
	l.memory.retry(l.s.now())
	clear(l.heldTries)
}
