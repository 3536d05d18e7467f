package apply

import (
	"context"
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// stepQueued is the journal's name for the step that put a resource's callbacks into the outbox.
const stepQueued = "queued"

// putInOutbox puts the callbacks of a resource into the outbox and loads all that wait there. It
// never adds a callback again that this plan has added before. A callback that an earlier plan left
// for the same order is dropped if this plan sends it too. putInOutbox returns the steps to journal.
func (e *Engine) putInOutbox(tx ledger.Tx, job *Job, w *Work,
	o *outcome) (steps []ledger.Step, err error) {
	if len(o.calls) > 0 {
		if err := e.supersede(tx, job, w, o.calls); err != nil {
			return nil, err
		}
		steps = []ledger.Step{queuedStep(w, o.calls)}
	}
	for i := range o.calls {
		if _, err := tx.Enqueue(o.calls[i]); err != nil {
			return steps, err
		}
	}
	return steps, e.takeUpOutbox(tx, job, w, o)
}

// takeUpOutbox loads all callbacks that wait for a resource, including those of earlier runs.
func (e *Engine) takeUpOutbox(tx ledger.Tx, job *Job, w *Work, o *outcome) (err error) {
	o.plan, o.fresh = job.ID, len(o.calls) > 0
	if o.fresh || w.Queued {
		o.waiting, err = tx.WaitingOf(w.Action.Key)
	}
	return err
}

func queuedStep(w *Work, calls []ledger.Delivery) ledger.Step {
	names := make([]string, len(calls))
	for i := range calls {
		names[i] = string(calls[i].Callback)
	}
	return ledger.Step{Key: w.Action.Key, Name: stepQueued, Note: strings.Join(names, " ")}
}

// supersede drops the callbacks that earlier plans left in the outbox and this plan sends itself.
func (e *Engine) supersede(tx ledger.Tx, job *Job, w *Work, calls []ledger.Delivery) error {
	waiting, err := tx.WaitingOf(w.Action.Key)
	if err != nil {
		return err
	}
	ours := map[planner.Callback]bool{}
	for i := range calls {
		ours[calls[i].Callback] = true
	}
	for _, d := range waiting {
		if d.Plan == job.ID || d.Order != w.Action.Order || !ours[d.Callback] {
			continue
		}
		if err := tx.Drop(d.Seq, e.Who, e.Host, fmt.Sprintf("plan %s sends it instead",
			job.ID)); err != nil {
			return err
		}
	}
	return nil
}

// deliverSkipped sends the callbacks that an earlier run of this plan queued for a resource that is
// stale now.
func (e *Engine) deliverSkipped(ctx context.Context, job *Job, w *Work) error {
	if !w.Queued {
		return nil
	}
	o := &outcome{}
	if err := e.Journal.Update(
		func(tx ledger.Tx) error { return e.takeUpOutbox(tx, job, w, o) }); err != nil {
		return fmt.Errorf("read the outbox for %s: %w", w.Action.Address, err)
	}
	return e.deliver(ctx, w.Action, o)
}
