package state

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Result is how a plan that has begun ended, or stands.
type Result string

// The results. A plan that was interrupted has not ended: apply of it goes on.
const (
	Done        Result = "done"
	Partial     Result = "partial"
	Interrupted Result = "interrupted"
	Abandoned   Result = "abandoned"
)

// Approval is the summary of an approval that let a plan run.
type Approval struct {
	Name string    `json:"name"`
	Time time.Time `json:"time"`
	// Kind is "signed", "local" or "policy".
	Kind    string `json:"kind,omitempty"`
	Ticket  string `json:"ticket,omitempty"`
	Comment string `json:"comment,omitempty"`
	// Digest identifies the approval, which is single-use: the SHA-256, in hex, of the message and of the key that signed it,
	// whatever the encoding of the signature.
	Digest string `json:"digest"`
}

// PlanStart is a plan that is about to begin.
type PlanStart struct {
	// ID is the plan id; Context the SHA-256 of the whole machine's part; Made when the plan was made, and Ledger the number
	// of the last entry of the history then ([Tx.Head]).
	ID, Context string
	Made        time.Time
	Ledger      uint64
	// Keys are the resources that it touches.
	Keys []planner.Key
	// Approvals are those that were counted.
	Approvals []Approval
	Who, Host string
}

// Plan is what the ledger knows of a plan that has begun.
type Plan struct {
	ID      string    `json:"id"`
	Context string    `json:"context"`
	Made    time.Time `json:"made"`
	Ledger  uint64    `json:"ledger,omitempty"`
	Begun   time.Time `json:"begun"`
	By      string    `json:"by"`
	Host    string    `json:"host,omitempty"`
	// Resources counts the resources that it touches.
	Resources int        `json:"resources"`
	Approvals []Approval `json:"approvals,omitempty"`
	// Steps counts the journal's steps so far.
	Steps uint64 `json:"steps"`
	// Result is empty while the plan runs for the first time.
	Result Result `json:"result,omitempty"`
	// Ended is when the result was noted, EndedSeq the number of the history's entry of it.
	Ended    time.Time `json:"ended"`
	EndedSeq uint64    `json:"ended_seq,omitempty"`
	// EndedBy is who ended it, and Why what was said about it.
	EndedBy string         `json:"ended_by,omitempty"`
	Why     string         `json:"why,omitempty"`
	Counts  map[string]int `json:"counts,omitempty"`
}

// Over tells whether the plan has ended: it can never run again.
func (p Plan) Over() bool { return p.Result != "" && p.Result != Interrupted }

// Renewed reports whether a plan with this id, made when the history's last entry was number ledger, is a new one: made
// after this one has ended. Clocks have no part in it.
func (p Plan) Renewed(ledger uint64) bool { return p.EndedSeq > 0 && ledger >= p.EndedSeq }

// touched is the newest plan, by what its planning knew of the history, that has begun for a resource.
type touched struct {
	Plan   string    `json:"plan"`
	Made   time.Time `json:"made"`
	Ledger uint64    `json:"ledger,omitempty"`
}

// newer reports whether t was made after another plan. Only between two for which the history was the same, the clock
// decides: neither can be made long before the other, unless nothing was applied in between.
func (t touched) newer(made time.Time, ledger uint64) bool {
	return t.Ledger > ledger || t.Ledger == ledger && t.Made.After(made)
}

// usedApproval is an approval that has served a plan.
type usedApproval struct {
	Plan     string    `json:"plan"`
	Begun    time.Time `json:"begun"`
	Approval Approval  `json:"approval"`
}

// Supersession tells that a plan made later has begun for a resource.
type Supersession struct {
	Key  planner.Key
	Plan string
	Made time.Time
}

// Begin notes that a plan begins; after the batch that is on disk, and the first change may be made. A plan that began
// before and has not ended resumes: then nothing else is checked. A plan that has ended is a [UsedError]; one with a
// resource for which a plan made later has begun a [SupersededError]; an approval that already served a plan an
// [ApprovalUsedError].
//
// Ids depend on what is to be done and on nothing else, so a plan made after another one with the same id has ended (the
// storage was changed back since) is a new plan, and may begin with approvals of its own.
func (tx *Tx) Begin(p PlanStart) (resumed bool, err error) {
	if p.ID == "" || p.Who == "" || p.Made.IsZero() {
		return false, errors.New("begin a plan: want its id, when it was made, and by whom it is applied")
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
		return false, &UsedError{Plan: p.ID, At: old.Ended, By: old.EndedBy, Result: old.Result}
	}
	if by, err := tx.Superseded(p); err != nil {
		return false, err
	} else if len(by) > 0 {
		return false, &SupersededError{Plan: p.ID, By: by}
	}
	return false, tx.start(p)
}

func (tx *Tx) resume(old Plan, p PlanStart) error {
	old.Result, old.Ended, old.EndedSeq, old.EndedBy, old.Why, old.Counts = "", time.Time{}, 0, "", "", nil
	if err := tx.put(bucketPlans, []byte(old.ID), old); err != nil {
		return err
	}
	_, err := tx.AppendHistory(Entry{Who: p.Who, Host: p.Host, Event: EventResume, Plan: p.ID,
		Text: "begun at " + old.Begun.Format(time.RFC3339) + " by " + old.By})
	return err
}

func (tx *Tx) start(p PlanStart) error {
	plan := Plan{ID: p.ID, Context: p.Context, Made: p.Made.UTC(), Ledger: p.Ledger, Begun: tx.now, By: p.Who, Host: p.Host,
		Resources: len(p.Keys), Approvals: p.Approvals}
	if err := tx.put(bucketPlans, []byte(p.ID), plan); err != nil {
		return err
	}
	for _, a := range p.Approvals {
		if err := tx.useApproval(p.ID, a); err != nil {
			return err
		}
	}
	for _, k := range p.Keys {
		if err := tx.putKeyed(bucketTouched, k, touched{Plan: p.ID, Made: p.Made.UTC(), Ledger: p.Ledger}); err != nil {
			return err
		}
	}
	_, err := tx.AppendHistory(Entry{Who: p.Who, Host: p.Host, Event: EventBegin, Plan: p.ID, Approvals: p.Approvals,
		Counts: map[string]int{"resources": len(p.Keys)}, Text: "context " + p.Context})
	return err
}

func (tx *Tx) useApproval(plan string, a Approval) error {
	if a.Digest == "" {
		return fmt.Errorf("begin plan %s: the approval by %s has no digest", plan, a.Name)
	}
	used, at, err := tx.ApprovalUsed(plan, a)
	if err != nil {
		return err
	}
	if used {
		return &ApprovalUsedError{Approval: a, At: at}
	}
	return tx.put(bucketApprovals, []byte(a.Digest), usedApproval{Plan: plan, Begun: tx.now, Approval: a})
}

// ApprovalUsed reports whether an approval of a plan has served, and when that began. For a plan that resumes its own
// approvals are used, too. What served before the state had format 3 is known by the plan, the person and the time.
func (tx *Tx) ApprovalUsed(plan string, a Approval) (used bool, at time.Time, err error) {
	for _, key := range []string{a.Digest, servedBefore(plan, a.Name, a.Time)} {
		var u usedApproval
		if used, err = tx.get(bucketApprovals, []byte(key), &u); used || err != nil {
			return used, u.Begun, err
		}
	}
	return false, at, nil
}

// Superseded lists the resources of a plan for which another plan, made after it, has begun.
func (tx *Tx) Superseded(p PlanStart) ([]Supersession, error) {
	var out []Supersession
	for _, key := range p.Keys {
		k, err := keyBytes(key)
		if err != nil {
			return nil, err
		}
		var t touched
		if ok, err := tx.get(bucketTouched, k, &t); err != nil {
			return nil, err
		} else if ok && t.Plan != p.ID && t.newer(p.Made, p.Ledger) {
			out = append(out, Supersession{Key: key, Plan: t.Plan, Made: t.Made})
		}
	}
	return out, nil
}

// Touched are the resources for which a plan was the last to begin.
func (tx *Tx) Touched(plan string) (keys []planner.Key, err error) {
	err = decodeEach(tx, bucketTouched, nil, func(k []byte, t touched) error {
		if t.Plan == plan {
			keys = append(keys, keyOf(k))
		}
		return nil
	})
	return keys, err
}

// BegunSince lists the resources among keys for which another plan has begun at a time or after it.
func (tx *Tx) BegunSince(id string, since time.Time, keys []planner.Key) ([]Supersession, error) {
	var out []Supersession
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
			out = append(out, Supersession{Key: key, Plan: t.Plan, Made: t.Made})
		}
	}
	return out, nil
}

// Plan is what the ledger knows of a plan; false if it never began.
func (tx *Tx) Plan(id string) (Plan, bool, error) {
	var p Plan
	ok, err := tx.get(bucketPlans, []byte(id), &p)
	return p, ok, err
}

// Plans are all plans that ever began, in the order of their ids.
func (tx *Tx) Plans() ([]Plan, error) { return all[Plan](tx, bucketPlans) }

// Finish notes how an apply of a begun plan went. [Interrupted] keeps the journal, so that apply of the plan goes on;
// with any other result the plan is over and its journal goes into the history.
func (tx *Tx) Finish(id string, result Result, who string, counts map[string]int) error {
	switch result {
	case Done, Partial, Interrupted:
		return tx.end(id, result, EventFinish, who, "", counts)
	}
	return fmt.Errorf("finish plan %s: unknown result %q", id, result)
}

// Abandon ends a begun plan that nobody will go on with.
func (tx *Tx) Abandon(id, who, why string) error {
	if who == "" || why == "" {
		return errors.New("abandon a plan: want who and why")
	}
	return tx.end(id, Abandoned, EventAbandon, who, why, nil)
}

func (tx *Tx) end(id string, result Result, event, who, why string, counts map[string]int) error {
	p, ok, err := tx.Plan(id)
	if err != nil {
		return err
	}
	if !ok || p.Over() {
		return fmt.Errorf("plan %s: %w", id, ErrNotBegun)
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
	if _, err = tx.AppendHistory(Entry{Who: who, Host: p.Host, Event: event, Plan: id, Approvals: p.Approvals, Counts: counts,
		Text: text}); err != nil {
		return err
	}
	p.EndedSeq, _ = tx.Head()
	return tx.put(bucketPlans, []byte(id), p)
}

// Step is one step of a begun plan that was done: one line of its journal.
type Step struct {
	Key planner.Key `json:"key"`
	// Name is the step's; apply decides what the names mean.
	Name  string    `json:"name"`
	Inode uint64    `json:"inode,omitempty"`
	Note  string    `json:"note,omitempty"`
	At    time.Time `json:"at"`
}

// AppendSteps adds steps to the journal of a begun plan: all of them or none, with one sync at the end of the batch.
func (tx *Tx) AppendSteps(plan string, steps []Step) error {
	p, ok, err := tx.Plan(plan)
	if err != nil {
		return err
	}
	if !ok || p.Over() {
		return fmt.Errorf("journal of plan %s: %w", plan, ErrNotBegun)
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

// Steps is the journal of a plan that has begun and not ended, in order.
func (tx *Tx) Steps(plan string) ([]Step, error) {
	var out []Step
	err := decodeEach(tx, bucketSteps, append([]byte(plan), 0), func(_ []byte, s Step) error {
		out = append(out, s)
		return nil
	})
	return out, err
}

// stepsInEntry bounds the size of one history entry.
const stepsInEntry = 500

// retireJournal moves the last step of each resource into the history and removes the journal.
func (tx *Tx) retireJournal(p Plan, who string) error {
	steps, err := tx.Steps(p.ID)
	if err != nil {
		return err
	}
	last := lastSteps(steps)
	for len(last) > 0 {
		n := min(len(last), stepsInEntry)
		if _, err := tx.AppendHistory(Entry{Who: who, Host: p.Host, Event: EventJournal, Plan: p.ID, Steps: last[:n]}); err != nil {
			return err
		}
		last = last[n:]
	}
	return tx.clear(bucketSteps, append([]byte(p.ID), 0))
}

// lastSteps keeps the last step of each resource, in the order of these steps.
func lastSteps(steps []Step) []Step {
	last := map[planner.Key]int{}
	for i, s := range steps {
		last[s.Key] = i
	}
	var out []Step
	for i, s := range steps {
		if last[s.Key] == i {
			out = append(out, s)
		}
	}
	return out
}
