package apply

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// commit records what a batch did in one transaction, synced before any callback is sent: journal,
// records, archive register and outbox. If the state cannot hold what belongs to one resource, only
// that resource fails.
func (e *Engine) commit(job *Job, outcomes []*outcome) error {
	e.reached("journal")
	err := e.Journal.Update(func(tx ledger.Tx) error {
		var steps []ledger.Step
		for _, o := range outcomes {
			if o == nil {
				continue
			}
			some, err := e.commitOne(tx, job, o)
			steps = append(steps, some...)
			if errors.Is(err, ledger.ErrUnfit) {
				o.err = errors.Join(o.err,
					fmt.Errorf("record %s: %w", job.Work[o.index].Action.Address, err))
			} else if err != nil {
				return err
			}
		}
		if steps == nil {
			return nil
		}
		return tx.AppendSteps(job.ID, steps)
	})
	e.reached("record written")
	if err != nil {
		e.full.Store(true)
		return fmt.Errorf("record what was done: %w; the storage is ahead of the state", err)
	}
	return nil
}

// commitOne writes what belongs to one resource, and returns the steps to journal.
func (e *Engine) commitOne(tx ledger.Tx, job *Job, o *outcome) (steps []ledger.Step, err error) {
	w := &job.Work[o.index]
	// A move that was made is recorded, whatever failed after it.
	if err := e.commitRecord(tx, w, o); err != nil {
		return nil, err
	}
	step := ledger.Step{Key: w.Action.Key, Name: stepNames[statusOf(o.err)], Inode: o.inode,
		Note: strings.Join(o.steps, " ")}
	if o.err != nil {
		step.Note = o.err.Error()
	} else if steps, err = e.putInOutbox(tx, job, w, o); err != nil {
		return steps, err
	}
	return append(steps, step), nil
}

// stepNames are the journal's words for how the work on a resource ended.
var stepNames = map[Status]string{Done: ledger.StepDone, Failed: "failed", NotBegun: "failed",
	Skipped: "skipped"}

func (e *Engine) commitRecord(tx ledger.Tx, w *Work, o *outcome) error {
	switch {
	case o.archived != nil:
		if err := tx.PutArchived(*o.archived); err != nil {
			return err
		}
		_, err := tx.DeleteRecord(w.Action.Key)
		return err
	case o.forget:
		_, err := tx.DeleteRecord(w.Action.Key)
		return err
	case o.restored != "":
		if _, err := tx.DeleteArchived(o.restored); err != nil {
			return err
		}
	}
	if o.record == nil {
		return nil
	}
	return tx.PutRecord(*o.record)
}

// unnotedError means that Waldur answered a callback and the state could not be written.
type unnotedError struct{ error }

func (e *unnotedError) Unwrap() error { return e.error }

// errUnsent says why a callback is not sent once the state cannot be written.
var errUnsent = errors.New(
	"it is not sent, because the state cannot be written; it waits in the outbox")

// firstError keeps the first error that several goroutines meet.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) keep(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// told counts the callbacks that Waldur has taken in this run, recorded or not.
type told struct {
	mu    sync.Mutex
	calls map[planner.Callback]int
}

func (t *told) add(c planner.Callback) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls = map[planner.Callback]int{}
	}
	t.calls[c]++
}

// Told returns how many callbacks of each kind Waldur has taken, including those whose answers
// could not be recorded. Call it after [Engine.Run].
func (e *Engine) Told() map[planner.Callback]int { return e.told.calls }
