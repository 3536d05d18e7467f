package loop

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// How often a loop that stands by asks whether it may lead, and how often it logs why it does not.
const (
	standbyPoll = 500 * time.Millisecond
	standbyLog  = 10 * time.Minute
)

// Leader decides which of several loops on one state works. The others stand by.
type Leader interface {
	// Lead returns nil once this loop leads. A [*ledger.StandbyError] says why it waits.
	Lead(ctx context.Context) error
	// Check returns an error once this loop no longer leads. It makes no request.
	Check() error
	// Release lets another loop lead at once.
	Release() error
}

// standby is what a loop has logged about why it does not lead.
type standby struct {
	// leads reports whether the loop led when it last looked.
	leads bool
	// said is the last reason, and at the time when it was logged.
	said string
	at   time.Time
}

// leader returns what decides whether this loop works. It is nil if the loop always works. A dry
// run changes nothing, so it needs no leader.
func (l *Loop) leader() Leader {
	if l.Options.DryRun {
		return nil
	}
	return l.cfg.Leader
}

// leads reports whether this loop may work now. An error means that this is not known. When a loop
// begins to lead, it does not know what the other loop did, so it begins with an audit.
func (l *Loop) leads(ctx context.Context) (bool, error) {
	if l.leader() == nil {
		l.metrics.standsBy("", false)
		return true, nil
	}
	err := l.leader().Lead(ctx)
	if stoppedNow(l.stop()) {
		return false, nil
	}
	if err != nil {
		return false, l.standBy(err)
	}
	if !l.standby.leads {
		l.standby = standby{leads: true}
		l.auditDue, l.failedAudits, l.isTrusted, l.tellAgain = time.Time{}, 0, false, true
		l.recall()
		l.metrics.standsBy("", false)
		l.log.Info("this node leads")
		l.env.Supervise("STATUS=this node leads")
	}
	return true, nil
}

// standBy logs why this loop does not work: whenever the reason changes, and now and then. It
// returns any error that is no reason to stand by.
func (l *Loop) standBy(err error) error {
	l.standby.leads = false
	why := err.Error()
	var waits *ledger.StandbyError
	isStandby := errors.As(err, &waits)
	isWell := isStandby && waits.Leads
	l.metrics.standsBy(why, isWell)
	l.env.Supervise("STATUS=standing by: " + why)
	kind := "unknown"
	switch {
	case isWell:
		kind, err = waits.Node, nil
	case isStandby:
		kind, err = why, nil
	}
	now := l.now()
	age := now.Sub(l.standby.at)
	if kind == l.standby.said && age >= 0 && age < standbyLog {
		return err
	}
	l.standby.said, l.standby.at = kind, now
	if isWell {
		l.log.Info("standing by", "leader", waits.Node, "because", why)
	} else {
		l.log.Warn("standing by", "error", why)
	}
	return err
}

// wait returns how long the loop waits until its next round, or until it asks again whether it may
// lead.
func (l *Loop) wait(leads bool) time.Duration {
	if !leads {
		l.heartbeat.beat(stageWaiting, engine.StageSlack)
		return standbyPoll
	}
	wait := jitter(l.interval())
	l.heartbeat.beat(stageWaiting, wait+engine.StageSlack)
	return wait
}

// release lets another loop lead.
func (l *Loop) release() {
	if l.leader() == nil {
		return
	}
	if err := l.leader().Release(); err != nil {
		l.log.Warn("another node takes over later, because this node could not give the lead back",
			"error",
			err.Error())
	}
}

// lostLead returns an error once another loop may lead.
func (l *Loop) lostLead() error {
	if l.leader() == nil {
		return nil
	}
	if err := l.leader().Check(); err != nil {
		return fmt.Errorf("the round ends here, because this node no longer leads: %w", err)
	}
	return nil
}
