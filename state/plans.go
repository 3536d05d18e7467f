package state

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// touched is the newest plan that has begun for a resource. Newest means by what its planning knew
// of the history.
type touched struct {
	Plan   string    `json:"plan"`
	Made   time.Time `json:"made"`
	Ledger uint64    `json:"ledger,omitempty"`
}

// newer reports whether t was made after another plan. The clock decides only if the history was
// the same for both plans: then neither can be much older than the other, unless nothing was
// applied in between.
func (t touched) newer(made time.Time, ledger uint64) bool {
	return t.Ledger > ledger || t.Ledger == ledger && t.Made.After(made)
}

// usedApproval is an approval that was used for a plan.
type usedApproval struct {
	Plan     string          `json:"plan"`
	Begun    time.Time       `json:"begun"`
	Approval ledger.Approval `json:"approval"`
}

// Begin records that a plan begins. After the batch, that is on disk, and the first change may be
// made. If the plan began before and has not ended, it resumes, and nothing else is checked. The
// error is a [ledger.UsedError] if the plan has ended, a [ledger.SupersededError] if a plan that
// was made later has begun for one of its resources, and a [ledger.ApprovalUsedError] if an
// approval was already used for a plan.
//
// Ids depend only on what is to be done. So a plan that is made after another one with the same id
// has ended (because the storage was changed back since) is a new plan, and may begin with its own
// approvals.
func (tx *Tx) Begin(p ledger.PlanStart) (resumed bool, err error) {
	if p.ID == "" || p.Who == "" || p.Made.IsZero() {
		return false, errors.New("begin a plan: want its id, when it was made, and who applies it")
	}
	if strings.IndexByte(p.ID, 0) >= 0 {
		return false, fmt.Errorf("plan %q: a NUL byte cannot be stored", p.ID)
	}
	old, known, err := tx.Plan(p.ID)
	if err != nil {
		return false, err
	}
	if known && !old.Over() {
		return true, tx.resume(old, p)
	}
	if known && !old.Renewed(p.Ledger) {
		return false, &ledger.UsedError{Plan: p.ID, At: old.Ended, By: old.EndedBy, Result: old.Result}
	}
	if by, err := tx.Superseded(p); err != nil {
		return false, err
	} else if len(by) > 0 {
		return false, &ledger.SupersededError{Plan: p.ID, By: by}
	}
	return false, tx.start(p)
}

func (tx *Tx) resume(old ledger.Plan, p ledger.PlanStart) error {
	old.Result, old.Ended, old.EndedSeq, old.EndedBy, old.Why, old.Counts = "", time.Time{}, 0, "", "", nil
	if err := tx.put(bucketPlans, []byte(old.ID), old); err != nil {
		return err
	}
	_, err := tx.AppendHistory(ledger.Entry{Who: p.Who, Host: p.Host, Event: ledger.EventResume,
		Plan: p.ID,
		Text: "begun at " + old.Begun.Format(time.RFC3339) + " by " + old.By})
	return err
}

func (tx *Tx) start(p ledger.PlanStart) error {
	plan := ledger.Plan{ID: p.ID, Context: p.Context, Made: p.Made.UTC(), Ledger: p.Ledger,
		Begun: tx.now, By: p.Who, Host: p.Host, Resources: len(p.Keys), Approvals: p.Approvals}
	if err := tx.put(bucketPlans, []byte(p.ID), plan); err != nil {
		return err
	}
	for _, a := range p.Approvals {
		if err := tx.useApproval(p.ID, a); err != nil {
			return err
		}
	}
	// in order, because a new file takes many keys in order quickly, and others ever slower
	for _, k := range slices.SortedFunc(slices.Values(p.Keys), planner.Key.Compare) {
		t := touched{Plan: p.ID, Made: p.Made.UTC(), Ledger: p.Ledger}
		if err := tx.putKeyed(bucketTouched, k, t); err != nil {
			return err
		}
	}
	_, err := tx.AppendHistory(ledger.Entry{Who: p.Who, Host: p.Host, Event: ledger.EventBegin,
		Plan: p.ID, Approvals: p.Approvals, Counts: map[string]int{"resources": len(p.Keys)},
		Text: "context " + p.Context, Changed: p.Changed[:min(len(p.Changed), stepsInEntry)]})
	for rest := p.Changed[min(len(p.Changed), stepsInEntry):]; len(rest) > 0 && err == nil; {
		n := min(len(rest), stepsInEntry)
		_, err = tx.AppendHistory(ledger.Entry{Who: p.Who, Host: p.Host, Event: ledger.EventChanges,
			Plan: p.ID, Approvals: p.Approvals, Changed: rest[:n]})
		rest = rest[n:]
	}
	return err
}

func (tx *Tx) useApproval(plan string, a ledger.Approval) error {
	if a.Digest == "" {
		return fmt.Errorf("begin plan %s: the approval by %s has no digest", plan, a.Name)
	}
	used, at, err := tx.ApprovalUsed(plan, a)
	if err != nil {
		return err
	}
	if used {
		return &ledger.ApprovalUsedError{Approval: a, At: at}
	}
	return tx.put(bucketApprovals, []byte(a.Digest),
		usedApproval{Plan: plan, Begun: tx.now, Approval: a})
}

// ApprovalUsed reports whether an approval was used for a plan, and when that plan began. The
// approvals of a plan that resumes are used, too. Approvals that were used before the state had
// format 3 are identified by the plan, the person and the time.
func (tx *Tx) ApprovalUsed(plan string, a ledger.Approval) (used bool, at time.Time, err error) {
	for _, key := range []string{a.Digest, oldApprovalKey(plan, a.Name, a.Time)} {
		var u usedApproval
		if used, err = tx.get(bucketApprovals, []byte(key), &u); used || err != nil {
			return used, u.Begun, err
		}
	}
	return false, at, nil
}

// Superseded returns the resources of a plan for which another plan, made later, has begun.
func (tx *Tx) Superseded(p ledger.PlanStart) ([]ledger.Supersession, error) {
	var out []ledger.Supersession
	for _, key := range p.Keys {
		k, err := keyBytes(key)
		if err != nil {
			return nil, err
		}
		var t touched
		if ok, err := tx.get(bucketTouched, k, &t); err != nil {
			return nil, err
		} else if ok && t.Plan != p.ID && t.newer(p.Made, p.Ledger) {
			out = append(out, ledger.Supersession{Key: key, Plan: t.Plan, Made: t.Made})
		}
	}
	return out, nil
}

// Touched returns the resources for which a plan was the last one to begin.
func (tx *Tx) Touched(plan string) (keys []planner.Key, err error) {
	err = decodeEach(tx, bucketTouched, nil, func(k []byte, t touched) error {
		if t.Plan == plan {
			keys = append(keys, keyOf(k))
		}
		return nil
	})
	return keys, err
}

// BegunSince returns those of the resources for which another plan has begun at the given time or
// later.
func (tx *Tx) BegunSince(id string, since time.Time,
	keys []planner.Key) ([]ledger.Supersession, error) {
	var out []ledger.Supersession
	for _, key := range keys {
		k, err := keyBytes(key)
		if err != nil {
			return nil, err
		}
		var t touched
		if ok, err := tx.get(bucketTouched, k, &t); err != nil {
			return nil, err
		} else if !ok || t.Plan == id {
			continue
		}
		if p, ok, err := tx.Plan(t.Plan); err != nil {
			return nil, err
		} else if ok && !p.Begun.Before(since) {
			out = append(out, ledger.Supersession{Key: key, Plan: t.Plan, Made: t.Made})
		}
	}
	return out, nil
}

// Plan returns what the ledger knows of a plan, and whether the plan ever began.
func (tx *Tx) Plan(id string) (ledger.Plan, bool, error) {
	var p ledger.Plan
	ok, err := tx.get(bucketPlans, []byte(id), &p)
	return p, ok, err
}

// Plans returns all plans that ever began, in the order of their ids.
func (tx *Tx) Plans() ([]ledger.Plan, error) { return all[ledger.Plan](tx, bucketPlans) }

// Finish records the result of an apply of a begun plan. [ledger.Interrupted] keeps the journal, so
// that the next apply of the plan continues. With any other result the plan is over, and its
// journal goes into the history.
func (tx *Tx) Finish(id string, result ledger.Result, who string, counts map[string]int) error {
	switch result {
	case ledger.Done, ledger.Partial, ledger.Interrupted:
		return tx.end(id, result, ledger.EventFinish, who, "", counts)
	}
	return fmt.Errorf("finish plan %s: unknown result %q", id, result)
}

// Abandon ends a begun plan that nobody will continue.
func (tx *Tx) Abandon(id, who, why string) error {
	if who == "" || why == "" {
		return errors.New("abandon a plan: want who and why")
	}
	return tx.end(id, ledger.Abandoned, ledger.EventAbandon, who, why, nil)
}

func (tx *Tx) end(id string, result ledger.Result, event, who, why string,
	counts map[string]int) error {
	p, ok, err := tx.Plan(id)
	if err != nil {
		return err
	}
	if !ok || p.Over() {
		return fmt.Errorf("plan %s: %w", id, ledger.ErrNotBegun)
	}
	p.Result, p.Ended, p.EndedBy, p.Why, p.Counts = result, tx.now, who, why, counts
	if p.Over() {
		if err := tx.retireJournal(p, who); err != nil {
			return err
		}
	}
	text := string(result)
	if why != "" {
		text += ": " + why
	}
	if _, err = tx.AppendHistory(ledger.Entry{Who: who, Host: p.Host, Event: event, Plan: id,
		Approvals: p.Approvals, Counts: counts, Text: text}); err != nil {
		return err
	}
	p.EndedSeq, _ = tx.Head()
	return tx.put(bucketPlans, []byte(id), p)
}

// AppendSteps adds steps to the journal of a begun plan: all of them or none, with one sync at the
// end of the batch.
func (tx *Tx) AppendSteps(plan string, steps []ledger.Step) error {
	p, ok, err := tx.Plan(plan)
	if err != nil {
		return err
	}
	if !ok || p.Over() {
		return fmt.Errorf("journal of plan %s: %w", plan, ledger.ErrNotBegun)
	}
	for _, s := range steps {
		if s.At.IsZero() {
			s.At = tx.now
		}
		p.Steps++
		if err := tx.put(bucketSteps, stepKey(plan, p.Steps), s); err != nil {
			return err
		}
	}
	return tx.put(bucketPlans, []byte(plan), p)
}

func stepKey(plan string, n uint64) []byte {
	return append(append([]byte(plan), 0), numberKey(n)...)
}

// Steps returns the journal of a plan that has begun and not ended, in order.
func (tx *Tx) Steps(plan string) ([]ledger.Step, error) {
	var out []ledger.Step
	err := decodeEach(tx, bucketSteps, append([]byte(plan), 0), func(_ []byte, s ledger.Step) error {
		out = append(out, s)
		return nil
	})
	return out, err
}

// stepsInEntry is the most steps or changes in one history entry.
const stepsInEntry = 500

// retireJournal moves the last step of each resource into the history and removes the journal.
func (tx *Tx) retireJournal(p ledger.Plan, who string) error {
	steps, err := tx.Steps(p.ID)
	if err != nil {
		return err
	}
	last := lastSteps(steps)
	for len(last) > 0 {
		n := min(len(last), stepsInEntry)
		e := ledger.Entry{Who: who, Host: p.Host, Event: ledger.EventJournal, Plan: p.ID, Steps: last[:n]}
		if _, err := tx.AppendHistory(e); err != nil {
			return err
		}
		last = last[n:]
	}
	return tx.clear(bucketSteps, append([]byte(p.ID), 0))
}

// lastSteps returns the last step of each resource, in the order of these steps.
func lastSteps(steps []ledger.Step) []ledger.Step {
	last := map[planner.Key]int{}
	for i, s := range steps {
		last[s.Key] = i
	}
	var out []ledger.Step
	for i, s := range steps {
		if last[s.Key] == i {
			out = append(out, s)
		}
	}
	return out
}
