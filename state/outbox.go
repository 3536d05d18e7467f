package state

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

// Enqueue adds a callback to the end of the outbox and returns its number. If the same plan's same
// callback for the resource is already waiting, it is not added again.
func (tx *Tx) Enqueue(d ledger.Delivery) (uint64, error) {
	if d.URL, d.OrderURL = planner.KeptURL(d.URL), planner.KeptURL(d.OrderURL); d.URL == "" {
		return 0, fmt.Errorf("outbox: %s of %s: want the URL of a callback", d.Callback, d.Address)
	}
	if _, err := keyBytes(d.Key); err != nil {
		return 0, err
	}
	if err := tx.writable(); err != nil {
		return 0, err
	}
	if err := tx.loadQueued(); err != nil {
		return 0, err
	}
	if seq, ok := tx.queued[identityOf(d)]; ok {
		return seq, nil
	}
	if d.Since.IsZero() {
		d.Since = tx.now
	}
	d.Seq = tx.next(bucketOutbox)
	tx.queued[identityOf(d)] = d.Seq
	tx.waiting[d.Key] = append(tx.waiting[d.Key], d)
	return d.Seq, tx.put(bucketOutbox, numberKey(d.Seq), d)
}

// identityOf returns what two deliveries have in common if they are the same: one plan sends each
// callback of a resource once.
func identityOf(d ledger.Delivery) string {
	return fmt.Sprintf("%q", []string{d.Plan, d.Key.Text(), string(d.Callback)})
}

// loadQueued reads the outbox once in a batch, so that a batch with many callbacks does not read it
// for each of them.
func (tx *Tx) loadQueued() error {
	if tx.queued != nil {
		return nil
	}
	waiting, err := tx.Outbox()
	if err != nil {
		return err
	}
	tx.queued, tx.waiting = make(map[string]uint64, len(waiting)), map[planner.Key][]ledger.Delivery{}
	for _, w := range waiting {
		tx.queued[identityOf(w)] = w.Seq
		tx.waiting[w.Key] = append(tx.waiting[w.Key], w)
	}
	return nil
}

// WaitingOf returns the waiting callbacks of one resource, in order. Those of one order are sent in
// this order.
func (tx *Tx) WaitingOf(key planner.Key) ([]ledger.Delivery, error) {
	if err := tx.loadQueued(); err != nil {
		return nil, err
	}
	return slices.Clone(tx.waiting[key]), nil
}

// removeQueued removes a callback from the outbox, and reports whether it was there.
func (tx *Tx) removeQueued(seq uint64) (bool, error) {
	tx.queued, tx.waiting = nil, nil
	return tx.del(bucketOutbox, numberKey(seq))
}

// Outbox returns the waiting callbacks, in order.
func (tx *Tx) Outbox() ([]ledger.Delivery, error) { return all[ledger.Delivery](tx, bucketOutbox) }

// Due returns the callbacks that may be sent at now. Of each order this is at most the first one,
// and none if that one is parked or not yet due.
func (tx *Tx) Due(now time.Time) ([]ledger.Delivery, error) {
	waiting, err := tx.Outbox()
	var out []ledger.Delivery
	seen := map[queue]bool{}
	for _, d := range waiting {
		if !seen[queueOf(d)] && !d.Parked && !d.Waits(now) {
			out = append(out, d)
		}
		seen[queueOf(d)] = true
	}
	return out, err
}

// queue identifies callbacks that must wait for each other: those of one order of one resource.
type queue struct {
	key   planner.Key
	order string
}

func queueOf(d ledger.Delivery) queue { return queue{d.Key, d.Order} }

// MarkDelivered removes a callback from the outbox after Waldur has accepted it.
func (tx *Tx) MarkDelivered(seq uint64) error {
	there, err := tx.removeQueued(seq)
	if err == nil && !there {
		return fmt.Errorf("callback %d: %w", seq, ledger.ErrNotFound)
	}
	return err
}

// MarkFailed records a failed attempt, and when to try again.
func (tx *Tx) MarkFailed(seq uint64, problem string, next time.Time) error {
	return tx.changeDelivery(seq, func(d *ledger.Delivery) {
		d.Tries++
		d.Problem, d.Next = problem, next.UTC()
	})
}

// Park records an attempt that failed permanently. A person must retry or drop the callback.
func (tx *Tx) Park(seq uint64, problem string) error {
	return tx.changeDelivery(seq, func(d *ledger.Delivery) {
		d.Tries++
		d.Problem, d.Parked = problem, true
	})
}

// Retry makes a callback due immediately, whether or not it is parked.
func (tx *Tx) Retry(seq uint64) error {
	return tx.changeDelivery(seq, func(d *ledger.Delivery) { d.Parked, d.Next = false, time.Time{} })
}

// Drop gives up a callback. The history records who did so and why.
func (tx *Tx) Drop(seq uint64, who, host, why string) error {
	if who == "" || why == "" {
		return errors.New("drop a callback: want who and why")
	}
	var d ledger.Delivery
	ok, err := tx.get(bucketOutbox, numberKey(seq), &d)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("callback %d: %w", seq, ledger.ErrNotFound)
	}
	if _, err := tx.removeQueued(seq); err != nil {
		return err
	}
	text := fmt.Sprintf("%s of %s, order %s: %s (last problem: %s)", d.Callback, d.Address, d.Order,
		why,
		d.Problem)
	_, err = tx.AppendHistory(ledger.Entry{Who: who, Host: host, Event: ledger.EventDrop, Plan: d.Plan,
		Text: text})
	return err
}

// DropWithDependents gives up a callback. If it is an approve, all later callbacks of its order are
// given up, too, because Waldur accepts none of them without it. It returns the other callbacks
// that it dropped.
func (tx *Tx) DropWithDependents(seq uint64, who, host, why string) (more []ledger.Delivery,
	err error) {
	waiting, err := tx.Outbox()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(waiting, func(d ledger.Delivery) bool { return d.Seq == seq })
	if err := tx.Drop(seq, who, host, why); err != nil || waiting[i].Callback != planner.Approve {
		return nil, err
	}
	for _, d := range waiting[i+1:] {
		if queueOf(d) != queueOf(waiting[i]) {
			continue
		}
		because := fmt.Sprintf("its approve, callback %d, was dropped: %s", seq, why)
		if err := tx.Drop(d.Seq, who, host, because); err != nil {
			return more, err
		}
		more = append(more, d)
	}
	return more, nil
}

func (tx *Tx) changeDelivery(seq uint64, change func(*ledger.Delivery)) error {
	var d ledger.Delivery
	ok, err := tx.get(bucketOutbox, numberKey(seq), &d)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("callback %d: %w", seq, ledger.ErrNotFound)
	}
	change(&d)
	tx.queued, tx.waiting = nil, nil
	return tx.put(bucketOutbox, numberKey(seq), d)
}
