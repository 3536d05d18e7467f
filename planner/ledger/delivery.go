package ledger

import (
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Delivery is a callback that waits in the outbox. It has no token; that is added when it is sent.
type Delivery struct {
	// Seq is its number and its place in the order. It is never used again.
	Seq      uint64           `json:"seq"`
	Key      planner.Key      `json:"key"`
	Address  string           `json:"address"`
	Order    string           `json:"order,omitempty"`
	Callback planner.Callback `json:"callback"`
	// URL is the target as [planner.KeptURL] returns it, without waldur.url.
	URL string `json:"url"`
	// OrderURL is the order's own URL, kept in the same form. It is asked before anything is sent
	// again.
	OrderURL string `json:"order_url,omitempty"`
	// Body is the JSON body; empty for none.
	Body  []byte    `json:"body,omitempty"`
	Plan  string    `json:"plan,omitempty"`
	Since time.Time `json:"since"`
	// Tries counts failed attempts. Next is when another is due; zero means at once.
	Tries int       `json:"tries"`
	Next  time.Time `json:"next"`
	// Problem says why the last attempt failed. Parked reports whether only a person can continue.
	Problem string `json:"problem,omitempty"`
	Parked  bool   `json:"parked,omitempty"`
}

// Undelivered returns the delivery as plans show it.
func (d Delivery) Undelivered() planner.Undelivered {
	return planner.Undelivered{Key: d.Key, Address: d.Address, Order: d.Order, Callback: d.Callback,
		Since:   d.Since,
		Problem: d.Problem, Parked: d.Parked}
}

// longestWait is a little more than the longest time for which an answer of Waldur may delay a
// callback.
const longestWait = 25 * time.Hour

// Waits reports whether a callback is not due yet. If it is delayed by more than longestWait, the
// clock was ahead when that was noted, so the callback is due.
func (d Delivery) Waits(now time.Time) bool {
	return now.Before(d.Next) && d.Next.Sub(now) <= longestWait
}
