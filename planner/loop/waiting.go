package loop

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// overdueAfter is how long an order may wait, for any reason, before people are told.
const overdueAfter = 24 * time.Hour

// WaitingOrder is an open order that this node has not carried out yet, so that a customer waits.
type WaitingOrder struct {
	Key     planner.Key `json:"key"`
	Address string      `json:"address"`
	// Order is empty if Waldur does not say which order it is yet.
	Order string `json:"order,omitempty"`
	// Since is when a round first saw the order.
	Since time.Time `json:"since"`
	// Why says what the order waits for. IsBlocked reports whether it waits until somebody corrects
	// something.
	Why       string `json:"why"`
	IsBlocked bool   `json:"blocked,omitempty"`
	// Message is what its customer may be told; empty for nothing. TakesMessage reports whether Waldur
	// takes a message, because the order waits for the provider.
	Message      string `json:"message,omitempty"`
	TakesMessage bool   `json:"takes_message,omitempty"`
	// Logged is what was logged about the order last. Told is what people were told, by channel. See
	// [WaitingOrder.news].
	Logged string            `json:"logged,omitempty"`
	Told   map[string]string `json:"told,omitempty"`
}

// digits matches numbers that change from round to round in reasons that stay the same.
var digits = regexp.MustCompile(`[0-9]+`)

// IsOverdue reports whether the order has waited too long.
func (w WaitingOrder) IsOverdue(now time.Time) bool { return now.Sub(w.Since) >= overdueAfter }

// news returns what to report about the order: nothing until it is blocked or overdue, then a
// different text for each reason.
func (w WaitingOrder) news(now time.Time) string {
	switch {
	case w.IsBlocked:
		return "blocked: " + digits.ReplaceAllString(w.Why, "")
	case w.IsOverdue(now):
		return "overdue"
	}
	return ""
}

// watchOrders notes which orders wait, since when and for what. It forgets none if the round did
// not see all orders.
func (r *round) watchOrders(p *engine.Planned, decisions []policy.Decision) {
	now := r.loop.now()
	why := reasonsToWait(p, decisions)
	seen := map[planner.Key]bool{}
	for i := range p.Items {
		it := &p.Items[i]
		if it.Target.IsBranch() || r.lane == LaneOrders && !p.Listed[it.Key] || !it.IsOrdered() {
			continue
		}
		seen[it.Key] = true
		w, known := r.loop.history.Orders[it.Key]
		order, _ := planner.OpenOrder(r.loop.cfg.Engine.Settings, it)
		if !known || w.Order != order || isAhead(now, w.Since) {
			w = WaitingOrder{Key: it.Key, Order: order, Since: now}
		}
		w.Address, w.Why, w.IsBlocked = it.MountPath, why[it.Key].text, why[it.Key].isBlocked
		answer := p.Orders[order]
		w.Message = why[it.Key].message
		w.TakesMessage = answer.Why == "" && answer.Order.State == planner.OrderPendingProvider
		if news := w.news(now); news != "" && news != w.Logged {
			w.Logged = news
			r.logWaiting(w, now)
		}
		r.loop.history.Orders[it.Key] = w
	}
	if r.orders == nil || r.orders.problem() == nil {
		maps.DeleteFunc(r.loop.history.Orders,
			func(k planner.Key, _ WaitingOrder) bool { return !seen[k] })
	}
}

// logWaiting logs an order that is blocked or has waited too long.
func (r *round) logWaiting(w WaitingOrder, now time.Time) {
	what := "order is blocked"
	if !w.IsBlocked {
		what = "order waits for more than a day"
	}
	r.loop.log.Warn(what, "address", w.Address, "order", planner.ShortID(w.Order), "waits",
		now.Sub(w.Since).Round(time.Second), "because", w.Why,
		"next", "cscs-sync explain "+render.ShellWord(w.Address))
}

// waitReason says why an order waits.
type waitReason struct {
	text      string
	isBlocked bool
	// message is what the customer may be told; empty for nothing.
	message string
}

// reasonsToWait returns why resources of a plan are not yet as their orders ask, by resource. Being
// blocked outweighs all other reasons.
func reasonsToWait(p *engine.Planned, decisions []policy.Decision) map[planner.Key]waitReason {
	why := map[planner.Key]waitReason{}
	for _, d := range decisions {
		text := "it is carried out"
		if !d.Approved {
			text = d.Rule
		}
		m := message("", d.Code, false)
		if d.Approved {
			m = ""
		}
		why[p.Plan.Core.Actions[d.Index].Key] = waitReason{text, false, m}
	}
	for _, w := range p.Plan.Context.Waiting {
		is := w.Reasons[0].Code
		why[w.Key] = waitReason{w.Reasons[0].Text, is == codes.OrdersUnseen, message(is, "", false)}
	}
	for _, b := range p.Plan.Context.Blocked {
		why[b.Key] = waitReason{b.Reasons[0].Text, true, message(b.Reasons[0].Code, "", true)}
	}
	return why
}

// BlockedOrders returns how many orders are blocked, and how many have waited too long.
func (m *FailureHistory) BlockedOrders(now time.Time) (blocked, overdue int) {
	for _, w := range m.Orders {
		if w.IsBlocked {
			blocked++
		}
		if w.IsOverdue(now) {
			overdue++
		}
	}
	return blocked, overdue
}

// ordersNotice is the notice about orders that wait: all news of a round in one.
type ordersNotice struct {
	Event string `json:"event"`
	Host  string `json:"host"`
	// Count is the number of these orders. Orders are the first of them.
	Count  int           `json:"count"`
	Orders []orderNotice `json:"orders"`
	Text   string        `json:"text"`
}

type orderNotice struct {
	Address string    `json:"address"`
	Order   string    `json:"order"`
	Since   time.Time `json:"since"`
	Blocked bool      `json:"blocked"`
	Because string    `json:"because"`
}

// mostInNotice is the largest number of orders that a notice lists.
const mostInNotice = 20

// tellOfOrders reports through one channel the orders that it has not reported yet, or whose news
// has changed.
func (r *round) tellOfOrders(ctx context.Context, channel string) error {
	now := r.loop.now()
	n := ordersNotice{Event: "orders_waiting", Host: r.loop.cfg.Engine.Host, Orders: []orderNotice{}}
	var fresh []planner.Key
	for _, k := range slices.SortedFunc(maps.Keys(r.loop.history.Orders), planner.Key.Compare) {
		w := r.loop.history.Orders[k]
		news := w.news(now)
		if news == "" || w.Told[channel] == news {
			continue
		}
		fresh = append(fresh, k)
		if len(n.Orders) < mostInNotice {
			n.Orders = append(n.Orders, orderNotice{w.Address, w.Order, w.Since.UTC(), w.IsBlocked,
				w.Why})
		}
	}
	if n.Count = len(fresh); n.Count == 0 {
		return nil
	}
	n.Text = fmt.Sprintf(
		"cscs-sync on %s: %s blocked, or waiting for more than a day; the first is of %s: %s",
		r.loop.cfg.Engine.Host,
		planner.Count(n.Count, "order"), n.Orders[0].Address, n.Orders[0].Because)
	if err := r.tell(ctx, channel, n); err != nil {
		return fmt.Errorf("tell of orders that wait: %w", err)
	}
	for _, k := range fresh {
		w := r.loop.history.Orders[k]
		told := maps.Clone(w.Told)
		if told == nil {
			told = map[string]string{}
		}
		told[channel] = w.news(now)
		w.Told = told
		r.loop.history.Orders[k] = w
	}
	return nil
}
