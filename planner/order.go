package planner

import (
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Question is an order about which planning has to ask Waldur, because the listing does not say
// enough.
type Question struct{ ID, URL string }

// Questions returns the orders to ask about before [Desire], sorted by id: those of all selected
// resources that wait for the provider. The listing names neither the type nor the options of an
// order, and a pending one may be a Restore. Only URLs that match waldur.url are asked.
func Questions(s *Settings, sel *Selection, items []Item) []Question {
	var qs []Question
	for i := range items {
		it := &items[i]
		if it.Problem != "" || it.Target.IsBranch() || !sel.matches(it.MountPath) ||
			!it.Status.mayAct() {
			continue
		}
		if o, why := orderOf(s, it); why == "" && o.acts {
			qs = append(qs, Question{ID: o.id, URL: o.url})
		}
	}
	slices.SortFunc(qs, func(a,
		b Question) int {
		return compareStrings([3]string{a.ID}, [3]string{b.ID})
	})
	return slices.CompactFunc(qs, func(a, b Question) bool { return a.ID == b.ID })
}

// mayAct reports whether an order of a resource with this status can be acted on.
func (s Status) mayAct() bool {
	return s == StatusPending || s == StatusUpdating || s == StatusRemoving || s == StatusError
}

// AllQuestions returns the orders of the resources with these keys, whatever their status: an apply
// asks about each order before it acts.
func AllQuestions(s *Settings, items []Item, keys map[Key]bool) []Question {
	var qs []Question
	for i := range items {
		if !keys[items[i].Key] {
			continue
		}
		if o, why := orderOf(s, &items[i]); why == "" && o.acts {
			qs = append(qs, Question{ID: o.id, URL: o.url})
		}
	}
	return qs
}

// OrderURLs returns the order and callback URLs of an item, rewritten to waldur.url, for an apply.
// It returns none if one of them may not be called; planning blocks such an item.
func OrderURLs(s *Settings, it *Item) (order string, calls map[Callback]string) {
	o, why := orderOf(s, it)
	if why != "" {
		return "", nil
	}
	calls = make(map[Callback]string, len(it.URLs))
	of := About{Order: o.id, Resource: it.Key.Item}
	for name, raw := range it.URLs {
		url, err := of.Target(s.Waldur, name, raw)
		if err != nil {
			return "", nil
		}
		calls[name] = url
	}
	return o.url, calls
}

// orderRef is what the listing says about an item's order.
type orderRef struct {
	id, url string
	// acts reports whether the order is with the provider: it has an approve or a done URL.
	acts bool
}

// orderOf reads the order from an item's URLs. why says why they may not be used. One URL that
// leads elsewhere makes all unusable.
func orderOf(s *Settings, it *Item) (o orderRef, why string) {
	o.acts = it.URLs[Approve] != "" || it.URLs[SetStateDone] != ""
	if !o.acts {
		return o, ""
	}
	if s.Waldur.URL == "" {
		return o, "it has an order, but the configuration has no waldur block to report to"
	}
	of := About{Resource: it.Key.Item}
	for _, name := range []Callback{Approve, SetStateDone, Reject, SetStateErred, SetBackendID,
		UpdateOptions, SetStateOK} {
		raw := it.URLs[name]
		if raw == "" {
			continue
		}
		if id, _, ok := OrderOf(raw); ok && of.Order == "" && name.AboutOrder() {
			of.Order = id
		}
		url, err := of.Target(s.Waldur, name, raw)
		if err != nil {
			return o, "cscs-sync does not ask about its order: " + err.Error()
		}
		if o.id == "" {
			o.id, o.url, _ = OrderOf(url)
		}
	}
	return o, ""
}

// OpenOrder returns the id of the item's open order; empty if it has none. isClear is false if the
// item cannot be read, its URLs may not be used, or its status implies an order for which it has no
// URLs.
func OpenOrder(s *Settings, it *Item) (id string, isClear bool) {
	o, why := orderOf(s, it)
	switch {
	case it.Problem != "" || why != "":
		return "", false
	case o.acts:
		return o.id, true
	}
	return "", it.Status == StatusActive || it.Status == StatusRemoved
}

// countOrders counts how many entries of the listing name each order, whether or not their other
// URLs may be used.
func (g *Graph) countOrders() {
	g.orders = map[string]int{}
	for i := range g.input.Items {
		seen := map[string]bool{}
		for name, raw := range g.input.Items[i].URLs {
			if id, _, ok := OrderOf(raw); ok && name.AboutOrder() && !seen[id] {
				seen[id] = true
				g.orders[id]++
			}
		}
	}
}

// interpretOrder decides what an item's status and order ask for. An order acts only if it has its
// URLs.
func (g *Graph) interpretOrder(n *node) {
	it := n.item
	o, why := orderOf(g.input.Settings, it)
	if it.Status == StatusRemoved && o.acts {
		g.warn(reason.RemovedWithOrder, it.MountPath,
			"Waldur lists it as removed but still offers callbacks of an order: cscs-sync "+
				"does nothing for that order. Look at it in Waldur")
	}
	if it.Status == StatusRemoved || it.Status == StatusError && !o.acts {
		return
	}
	if it.Status == StatusActive {
		n.intent = intentExists
		if o.acts {
			g.warn(reason.ActiveWithOrder, it.MountPath,
				"it is active but still has callbacks of an order: cscs-sync sends no callback for it")
		}
		return
	}
	if !o.acts && g.unseen > 0 {
		n.wait(reason.OrdersUnseen,
			"the listing leaves out its order, as it does for all others: see the warning")
		return
	}
	if !o.acts {
		n.wait(reason.OrderNotReady,
			"Waldur offers no callbacks for it yet: its customer has not approved "+
				"the order, or its start date has not come")
		return
	}
	n.order = o.id
	if why != "" {
		n.intent = intentByStatus(it.Status)
		n.block(reason.OrderURL, "%s", why)
		return
	}
	if twin := g.orders[o.id]; twin > 1 {
		n.intent = intentByStatus(it.Status)
		n.block(reason.OrderTwice,
			"order %s is named by %d resources of the listing, but an order belongs to one "+
				"resource: have the proxy's listing checked", ShortID(o.id), twin)
		return
	}
	n.callable = true
	g.interpretType(n)
}

// unseenOrders returns how many resources must have an open order, if the listing gives no URL for
// any of them; otherwise 0. Even an order that its customer has not approved has some URLs, so they
// were left out on the way. Only a create that waits for its start date has none, so a single such
// order means nothing.
func unseenOrders(items []Item) (n int) {
	single := true
	for i := range items {
		it := &items[i]
		if it.Target.IsBranch() || it.Problem != "" || it.Status == StatusError ||
			intentByStatus(it.Status) == intentNothing {
			continue
		}
		if len(it.URLs) > 0 {
			return 0
		}
		n++
		single = single && n == 1 && it.Status == StatusPending
	}
	if single {
		return 0
	}
	return n
}

// unseenText says what it means that the listing shows no orders.
func unseenText(n int) string {
	return fmt.Sprintf("the listing has %d resources that are pending, updating or removing, but not "+
		"one URL of an order: the proxy, or Waldur's `field` filter, leaves the orders "+
		"out. Ask the proxy's operator. A listing looks the same when all orders wait "+
		"for their start date", n)
}

// intentByStatus returns what an open order asks for, judged by the status.
func intentByStatus(s Status) intent {
	switch s {
	case StatusPending:
		return intentCreate
	case StatusRemoving:
		return intentRemove
	case StatusUpdating, StatusError:
		return intentUpdate
	}
	return intentNothing
}

// interpretType finds out what the order wants from the status and the order's type, which only
// Waldur knows. It blocks an order whose type contradicts the status or is unknown here.
func (g *Graph) interpretType(n *node) {
	answer, asked := g.input.Orders[n.order]
	n.intent = intentByStatus(n.item.Status)
	if !asked {
		answer.Why = "it was not asked"
	}
	if answer.Why != "" {
		g.interpretUnasked(n, answer.Why, asked)
		return
	}
	o := answer.Order
	if err := (About{n.order, n.item.Key.Item}).Owns(&o); err != nil {
		n.block(reason.OrderResource, "its order belongs to something else: %v", err)
		return
	}
	if !o.Type.IsKnown() {
		n.block(reason.OrderType,
			"its order %s is a %q: this version knows no orders of that type and does "+
				"nothing for it. Update cscs-sync, or reject the order", ShortID(n.order), o.Type)
		return
	}
	n.interpretState(o.State)
	n.interpretIntent(o.Type)
}

// interpretUnasked decides about an order without an answer. A plan goes by the status, and an
// apply asks again.
func (g *Graph) interpretUnasked(n *node, why string, asked bool) {
	_, archived := g.input.Recorded.Archived[n.item.Key]
	switch {
	case n.item.Status == StatusError:
		n.block(reason.OrderUnknown,
			"its status is error and it has order %s, and only Waldur knows what that order "+
				"wants: %s",
			ShortID(n.order), why)
	case g.input.MustAsk && g.decides(n):
		n.block(reason.OrderUnknown, "Waldur could not be asked about the state of its order %s: %s",
			ShortID(n.order), why)
	case n.item.Status == StatusUpdating:
		g.warn(reason.OrderNotAsked, n.address(),
			"Waldur could not be asked what order %s changes (%s): the plan uses the proxy's "+
				"newQuotas",
			ShortID(n.order), why)
	case n.item.Status == StatusPending && archived:
		n.intent = intentRestore
	}
	if asked && n.item.Status != StatusUpdating && n.verdict == nil {
		g.unasked++
		g.unaskedWhy = why
	}
}

// interpretIntent lets the order's type decide if the status leaves the intent open, and blocks an
// order that contradicts the status.
func (n *node) interpretIntent(t OrderType) {
	intents := map[Status]map[OrderType]intent{
		StatusPending:  {OrderCreate: intentCreate, OrderRestore: intentRestore},
		StatusUpdating: {OrderUpdate: intentUpdate},
		StatusRemoving: {OrderTerminate: intentRemove},
		StatusError:    {OrderUpdate: intentUpdate, OrderTerminate: intentRemove},
	}
	w, ok := intents[n.item.Status][t]
	switch {
	case ok:
		n.intent = w
	case n.item.Status == StatusError:
		n.block(reason.OrderType,
			"its status is error, and its order %s is a %s: cscs-sync acts only on Update "+
				"and Terminate",
			ShortID(n.order), t)
	default:
		n.block(reason.OrderType, "its status is %s, but its order %s is a %s", n.item.Status,
			ShortID(n.order), t)
	}
}

// interpretState lets an order act only while it is with the provider. The listing may be older
// than Waldur's answer: an order that was cancelled or done since must not be carried out.
func (n *node) interpretState(s OrderState) {
	switch s {
	case OrderPendingProvider, OrderExecuting:
	case OrderPendingConsumer, OrderPendingProject, OrderPendingStartDate:
		n.wait(reason.OrderNotReady,
			"Waldur says that its order %s is %s: somebody else has to act first", ShortID(n.order),
			s)
	case OrderDone, OrderErred, OrderCanceled, OrderRejected:
		n.wait(reason.OrderOver,
			"Waldur says that its order %s is %s: the proxy's listing is older; plan again",
			ShortID(n.order), s)
	default:
		n.block(reason.OrderState,
			"Waldur says that its order %s is %q: this version knows no such state and does "+
				"nothing for it. Update cscs-sync", ShortID(n.order), string(s))
	}
}

// ShortID returns the first eight digits of an order's id, by which people name it.
func ShortID(id string) string { return id[:min(8, len(id))] }
