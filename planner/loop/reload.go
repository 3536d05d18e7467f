package loop

import "time"

// Reload reads the configuration again. If the new one is not valid, the loop continues with the
// old one.
func (l *Loop) Reload() {
	l.env.Reloading()
	defer l.env.Supervise("READY=1")
	if err := l.change(); err != nil {
		l.log.Error("reload: the old configuration stays in force; fix the new one, and "+
			"reload again", "error", err.Error())
		return
	}
	l.log.Info("reload: the configuration was read again")
}

// change switches to a new configuration, completely or not at all.
func (l *Loop) change() error {
	cfg, files, err := l.env.Load(l.log)
	if err != nil {
		return err
	}
	if cfg.Listen != l.cfg.Listen {
		stop, err := l.metrics.serve(cfg.Listen, l.log)
		if err != nil {
			return err
		}
		l.stopServing()
		l.stopServing = stop
	}
	l.adopt(cfg, files)
	return nil
}

// adopt continues with another configuration. The loop begins with an audit, and tries at once what
// failed before.
func (l *Loop) adopt(cfg Config, files Files) {
	elsewhere := cfg.State != l.cfg.State || files.Dir() != l.env.Files.Dir()
	cfg.Engine.Hooks.Stage = l.heartbeat.beat
	l.cfg, l.env.Files, l.auditDue, l.failedAudits, l.refused = cfg, files, time.Time{}, 0, pause{}
	if elsewhere {
		l.isTrusted = false
		l.recall()
	}
	l.history.retry(l.now())
	clear(l.heldTries)
}
