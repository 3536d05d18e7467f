package waldursim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// action is one of Waldur's callbacks, with what it requires before it acts. The checks are made in
// Waldur's order: 404, 403, 409, 405, and 400 by run itself.
type action[T any] struct {
	allowed func(T) bool
	states  string // the states allowed, as the answer lists them
	kinds   []string
	run     func(*model, T, []byte) reply
}

// orderAction returns a callback of an order.
func orderAction(name string) (action[*order], bool) {
	in := func(states ...OrderState) action[*order] {
		var names []string
		for _, s := range states {
			names = append(names, string(s))
		}
		return action[*order]{
			allowed: func(o *order) bool { return slices.Contains(states, o.state) },
			states:  strings.Join(names, ", "),
		}
	}
	var a action[*order]
	switch name {
	case "approve_by_provider":
		a = in(PendingProvider)
		a.run = approve
	case "reject_by_provider":
		a = in(PendingProvider)
		a.run = func(m *model, o *order, _ []byte) reply { m.enter(o, Rejected); return done() }
	case "set_state_executing":
		a = in(PendingConsumer, PendingProvider, OrderErred)
		a.kinds = []string{SiteAgent}
		a.run = execute
	case "set_state_done":
		a = in(Executing)
		a.kinds = []string{SiteAgent, Basic, Support}
		a.run = func(m *model, o *order, _ []byte) reply { m.enter(o, Done); return done() }
	case "set_state_erred":
		a.kinds = []string{SiteAgent}
		a.run = setErred
	case "set_backend_id":
		a.run = setOrderBackendID
	case "set_provider_info":
		a = in(PendingProvider)
		a.run = setProviderInfo
	default:
		return a, false
	}
	return a, true
}

// callOrder answers a request below marketplace-orders/.
func (m *model) callOrder(r request, id, name string) reply {
	if name == "" && r.method == http.MethodGet {
		return m.getOrder(r, id)
	}
	a, known := orderAction(name)
	if rep, stop := precheck(r, known); stop {
		return rep
	}
	o, err := m.findOrder(id)
	if err != nil || r.account == Hidden {
		return detail(http.StatusNotFound, "No Order matches the given query.")
	}
	return call(m, r, a, o, o.resource.offering.kind)
}

// precheck refuses a callback that does not exist, or a wrong method.
func precheck(r request, known bool) (reply, bool) {
	switch {
	case !known:
		return detail(http.StatusNotFound, "Not Found"), true
	case r.method != http.MethodPost:
		rep := detail(http.StatusMethodNotAllowed, `Method "`+r.method+`" not allowed.`)
		rep.header = map[string]string{"Allow": "POST, OPTIONS"}
		return rep, true
	}
	return reply{}, false
}

// call makes the checks that come after the object was found, and then acts.
func call[T any](m *model, r request, a action[T], object T, kind string) reply {
	switch {
	case r.account == Denied:
		return detail(http.StatusForbidden, "You do not have permission to perform this action.")
	case a.allowed != nil && !a.allowed(object):
		return detail(http.StatusConflict, "Valid states for operation: "+a.states+".")
	case a.kinds != nil && !slices.Contains(a.kinds, kind):
		return detail(http.StatusMethodNotAllowed,
			`Method "The order's offering with `+kind+` type does not support this action" not allowed.`)
	case len(r.body) > 0 && r.contentType != "" && r.contentType != "application/json":
		return detail(http.StatusUnsupportedMediaType,
			`Unsupported media type "`+r.contentType+`" in request.`)
	}
	return a.run(m, object, r.body)
}

func approve(m *model, o *order, body []byte) reply {
	fields, bad := parseBody(body)
	if bad != nil {
		return *bad
	}
	if raw, given := fields["attributes"]; given {
		attrs, ok := raw.(map[string]any)
		if !ok {
			return fieldError("attributes",
				`Expected a dictionary of items but got type "`+pythonType(raw)+`".`)
		}
		o.attrs = merged(o.attrs, attrs)
		if o.kind == Create {
			o.resource.attrs = merged(o.resource.attrs, attrs)
		}
	}
	o.state, o.modified = Executing, m.now()
	m.process(o)
	m.touch(o.resource)
	return reply{status: http.StatusOK, effect: true, body: map[string]any{"detail": "Order has been approved and is being processed."}}
}

// execute is the way back for an erred order. The resource stays as it is.
func execute(m *model, o *order, _ []byte) reply {
	o.state, o.modified = Executing, m.now()
	m.touch(o.resource)
	return done()
}

// setErred works in any state of the order: it changes the resource even if the order was finished
// long ago.
func setErred(m *model, o *order, body []byte) reply {
	fields, bad := parseBody(body)
	if bad != nil {
		return *bad
	}
	var text [2]string
	for i, name := range []string{"error_message", "error_traceback"} {
		if rep := charField(fields, name, &text[i]); rep != nil {
			return *rep
		}
	}
	if fields["error_message"] == nil || fields["error_traceback"] == nil {
		return serverError()
	}
	r := o.resource
	switch {
	case o.kind == Terminate && r.state == Terminated:
		return serverError()
	case o.state == Executing:
		m.enter(o, OrderErred)
	case o.kind == Terminate:
		r.state = OK
	default:
		r.state = Erred
	}
	o.message, o.trace, o.modified = text[0], text[1], m.now()
	m.touch(r)
	return done()
}

func setOrderBackendID(m *model, o *order, body []byte) reply {
	id, rep := backendID(body)
	if rep != nil {
		return *rep
	}
	changed := id != o.backendID
	o.backendID = id
	return changeReply("Order", changed)
}

// getOrder answers with a part of what Waldur returns for an order.
func (m *model) getOrder(r request, id string) reply {
	o, err := m.findOrder(id)
	if err != nil || r.account == Hidden {
		return detail(http.StatusNotFound, "No Order matches the given query.")
	}
	return reply{status: http.StatusOK, body: o.view()}
}

// OrderView is an order as GET shows it.
type OrderView struct {
	UUID         string         `json:"uuid"`
	Type         OrderType      `json:"type"`
	State        OrderState     `json:"state"`
	Attributes   map[string]any `json:"attributes"`
	Limits       map[string]any `json:"limits"`
	ResourceUUID string         `json:"marketplace_resource_uuid"`
	ResourceName string         `json:"resource_name"`
	OfferingType string         `json:"offering_type"`
	BackendID    string         `json:"backend_id"`
	// ProviderMessage is the provider's message to the customer.
	ProviderMessage string    `json:"provider_message"`
	ErrorMessage    string    `json:"error_message"`
	ErrorTraceback  string    `json:"error_traceback"`
	Created         time.Time `json:"created"`
	Modified        time.Time `json:"modified"`
}

func (o *order) view() OrderView {
	return OrderView{
		UUID: string(o.id), Type: o.kind, State: o.state, Attributes: merged(o.attrs,
			nil), Limits: merged(o.limits, nil),
		ResourceUUID: string(o.resource.id), ResourceName: o.resource.slug, OfferingType: o.resource.offering.kind,
		BackendID: o.backendID, ProviderMessage: o.providerMessage, ErrorMessage: o.message, ErrorTraceback: o.trace, Created: o.created, Modified: o.modified,
	}
}
