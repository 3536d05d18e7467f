package state

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Delivery is a callback that waits in the outbox. It holds no token: that is added when it is sent.
type Delivery struct {
	// Seq is its number and its place in the order; never used again.
	Seq      uint64           `json:"seq"`
	Key      planner.Key      `json:"key"`
	Address  string           `json:"address"`
	Order    string           `json:"order,omitempty"`
	Callback planner.Callback `json:"callback"`
	URL      string           `json:"url"`
	// OrderURL is the order's own URL: asked before anything is sent again.
	OrderURL string `json:"order_url,omitempty"`
	// Body is the JSON body; empty for none.
	Body  []byte    `json:"body,omitempty"`
	Plan  string    `json:"plan,omitempty"`
	Since time.Time `json:"since"`
	// Tries counts attempts that failed; Next is when another is due: zero, at once.
	Tries int       `json:"tries"`
	Next  time.Time `json:"next"`
	// Problem is why the last attempt failed. Parked: only a person can go on.
	Problem string `json:"problem,omitempty"`
	Parked  bool   `json:"parked,omitempty"`
}

// Undelivered is the delivery as plans show it.
func (d Delivery) Undelivered() planner.Undelivered {
	return planner.Undelivered{Key: d.Key, Address: d.Address, Order: d.Order, Callback: d.Callback, Since: d.Since,
		Problem: d.Problem, Parked: d.Parked}
}

// Enqueue puts a callback at the end of the outbox and returns its number. A plan's callback of a resource that already
// waits is not put there twice.
func (tx *Tx) Enqueue(d Delivery) (uint64, error) {
	if u, err := url.Parse(d.URL); err != nil || u.User != nil || u.Host == "" {
		return 0, fmt.Errorf("outbox: %s of %s: want a URL without a user", d.Callback, d.Address)
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
	if seq, ok := tx.queued[d.identity()]; ok {
		return seq, nil
	}
	if d.Since.IsZero() {
		d.Since = tx.now
	}
	d.Seq = tx.next(bucketOutbox)
	tx.queued[d.identity()] = d.Seq
	tx.waiting[d.Key] = append(tx.waiting[d.Key], d)
	return d.Seq, tx.put(bucketOutbox, numberKey(d.Seq), d)
}

// identity is what makes two deliveries the same: one plan sends each callback of a resource once.
func (d Delivery) identity() string {
	return fmt.Sprintf("%q", []string{d.Plan, keyText(d.Key), string(d.Callback)})
}

// loadQueued reads once in a batch what waits, so that a batch of many callbacks does not read the outbox for each.
func (tx *Tx) loadQueued() error {
	if tx.queued != nil {
		return nil
	}
	waiting, err := tx.Outbox()
	if err != nil {
		return err
	}
	tx.queued, tx.waiting = make(map[string]uint64, len(waiting)), map[planner.Key][]Delivery{}
	for _, w := range waiting {
		tx.queued[w.identity()] = w.Seq
		tx.waiting[w.Key] = append(tx.waiting[w.Key], w)
	}
	return nil
}

// WaitingOf are the callbacks of one resource that wait, in order: those of one order are sent in this order.
func (tx *Tx) WaitingOf(key planner.Key) ([]Delivery, error) {
	if err := tx.loadQueued(); err != nil {
		return nil, err
	}
	return slices.Clone(tx.waiting[key]), nil
}

// takeOut removes a callback from the outbox; false if it is not there.
func (tx *Tx) takeOut(seq uint64) (bool, error) {
	tx.queued, tx.waiting = nil, nil
	return tx.del(bucketOutbox, numberKey(seq))
}

// Outbox are the callbacks that wait, in order.
func (tx *Tx) Outbox() ([]Delivery, error) { return all[Delivery](tx, bucketOutbox) }

// Due are the callbacks that may be sent at now: of each order only the first, unless that is parked or not yet due.
func (tx *Tx) Due(now time.Time) ([]Delivery, error) {
	waiting, err := tx.Outbox()
	var out []Delivery
	seen := map[queue]bool{}
	for _, d := range waiting {
		if !seen[d.queue()] && !d.Parked && !d.waits(now) {
			out = append(out, d)
		}
		seen[d.queue()] = true
	}
	return out, err
}

// longestWait is for how long an answer of Waldur's may put a callback off, and a little more.
const longestWait = 25 * time.Hour

// waits reports whether a callback is not due yet. One that is put off for longer than anything is, was put off by a clock
// that was ahead: it is due.
func (d Delivery) waits(now time.Time) bool {
	return now.Before(d.Next) && d.Next.Sub(now) <= longestWait
}

// queue names the callbacks that wait for each other: those of one order of one resource.
type queue struct {
	key   planner.Key
	order string
}

func (d Delivery) queue() queue { return queue{d.Key, d.Order} }

// MarkDelivered takes a callback that Waldur has answered well out of the outbox.
func (tx *Tx) MarkDelivered(seq uint64) error {
	there, err := tx.takeOut(seq)
	if err == nil && !there {
		return fmt.Errorf("callback %d: %w", seq, ErrNotFound)
	}
	return err
}

// MarkFailed notes an attempt that failed, and when to try again.
func (tx *Tx) MarkFailed(seq uint64, problem string, next time.Time) error {
	return tx.changeDelivery(seq, func(d *Delivery) {
		d.Tries++
		d.Problem, d.Next = problem, next.UTC()
	})
}

// Park notes an attempt that failed for good: a person has to retry or drop the callback.
func (tx *Tx) Park(seq uint64, problem string) error {
	return tx.changeDelivery(seq, func(d *Delivery) {
		d.Tries++
		d.Problem, d.Parked = problem, true
	})
}

// Retry makes a callback due at once, parked or not.
func (tx *Tx) Retry(seq uint64) error {
	return tx.changeDelivery(seq, func(d *Delivery) { d.Parked, d.Next = false, time.Time{} })
}

// Drop gives a callback up. The history keeps who did so and why.
func (tx *Tx) Drop(seq uint64, who, host, why string) error {
	if who == "" || why == "" {
		return errors.New("drop a callback: want who and why")
	}
	var d Delivery
	ok, err := tx.get(bucketOutbox, numberKey(seq), &d)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("callback %d: %w", seq, ErrNotFound)
	}
	if _, err := tx.takeOut(seq); err != nil {
		return err
	}
	_, err = tx.AppendHistory(Entry{Who: who, Host: host, Event: EventDrop, Plan: d.Plan,
		Text: fmt.Sprintf("%s of %s, order %s: %s (last problem: %s)", d.Callback, d.Address, d.Order, why, d.Problem)})
	return err
}

// DropWithDependents gives a callback up, and with an approve all later callbacks of its order: Waldur takes none of them
// without it. It returns those that it has dropped beside the one asked for.
func (tx *Tx) DropWithDependents(seq uint64, who, host, why string) (more []Delivery, err error) {
	waiting, err := tx.Outbox()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(waiting, func(d Delivery) bool { return d.Seq == seq })
	if err := tx.Drop(seq, who, host, why); err != nil || waiting[i].Callback != planner.Approve {
		return nil, err
	}
	for _, d := range waiting[i+1:] {
		if d.queue() != waiting[i].queue() {
			continue
		}
		if err := tx.Drop(d.Seq, who, host, fmt.Sprintf("its approve, callback %d, was dropped: %s", seq, why)); err != nil {
			return more, err
		}
		more = append(more, d)
	}
	return more, nil
}

func (tx *Tx) changeDelivery(seq uint64, change func(*Delivery)) error {
	var d Delivery
	ok, err := tx.get(bucketOutbox, numberKey(seq), &d)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("callback %d: %w", seq, ErrNotFound)
	}
	change(&d)
	tx.queued, tx.waiting = nil, nil
	return tx.put(bucketOutbox, numberKey(seq), d)
}
