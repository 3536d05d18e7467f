package waldursim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
)

// ResourceView is a resource as the control interface shows it.
type ResourceView struct {
	UUID      string         `json:"uuid"` // dashed, as in the listing
	Slug      string         `json:"slug"`
	Offering  string         `json:"offering"`
	Customer  string         `json:"customer"`
	Project   string         `json:"project"`
	DataType  string         `json:"data_type"`
	State     ResourceState  `json:"state"`
	Status    string         `json:"status"` // the proxy's word
	Path      string         `json:"path"`   // the mount point shown
	Limits    map[string]any `json:"limits"`
	Options   map[string]any `json:"options"`
	BackendID string         `json:"backend_id"`
	// Usages are what the provider reported last, by component.
	Usages map[string]string `json:"usages"`
	GID    *int64            `json:"gid"`
	Orders []OrderView       `json:"orders"` // oldest first
}

func (r *resource) view() ResourceView {
	v := ResourceView{
		UUID: r.id.dashed(), Slug: r.slug, Offering: r.offering.slug, Customer: r.customer.slug, Project: r.project,
		DataType: r.dataType, State: r.state, Status: r.status(), Path: r.path(), Limits: merged(r.limits,
			nil),
		Options: merged(r.options, nil), BackendID: r.backendID, GID: r.gid, Orders: []OrderView{},
		Usages: maps.Clone(r.usages),
	}
	for _, o := range r.orders {
		v.Orders = append(v.Orders, o.view())
	}
	return v
}

// State returns all resources with their orders, in the order of creation.
func (s *Server) State() []ResourceView {
	s.mu.Lock()
	defer s.mu.Unlock()
	views := []ResourceView{}
	for _, r := range s.model.resources {
		views = append(views, r.view())
	}
	return views
}

// Resource returns one resource, found by its uuid or slug.
func (s *Server) Resource(id string) (ResourceView, error) {
	return locked(s, func() (ResourceView, error) { return viewOf(s.model.find(id)) })
}

// Order returns one order.
func (s *Server) Order(id string) (OrderView, error) {
	return locked(s, func() (OrderView, error) { return orderViewOf(s.model.findOrder(id)) })
}

// AddResource creates a resource, with an order if the spec has one.
func (s *Server) AddResource(spec ResourceSpec) (ResourceView, error) {
	return locked(s, func() (ResourceView, error) { return viewOf(s.model.add(spec)) })
}

// UpdateSpec describes a change of a resource: limits or options.
type UpdateSpec struct {
	UUID    string         `json:"uuid,omitempty"` // of the order
	Limits  map[string]any `json:"limits,omitempty"`
	Options map[string]any `json:"options,omitempty"`
	State   OrderState     `json:"state,omitempty"` // default pending-provider
}

// UpdateResource orders a change of a resource.
func (s *Server) UpdateResource(id string, u UpdateSpec) (OrderView, error) {
	return s.order(id, OrderSpec{UUID: u.UUID, Type: Update, State: u.State, Limits: u.Limits,
		NewOptions: u.Options})
}

// TerminateResource orders the termination of a resource. An empty state means pending-provider.
func (s *Server) TerminateResource(id string, state OrderState) (OrderView, error) {
	return s.order(id, OrderSpec{Type: Terminate, State: state})
}

// RestoreResource orders the restoration of a terminated resource. An empty state means
// pending-provider.
func (s *Server) RestoreResource(id string, state OrderState) (OrderView, error) {
	return s.order(id, OrderSpec{Type: Restore, State: state})
}

func (s *Server) order(id string, spec OrderSpec) (OrderView, error) {
	return locked(s, func() (OrderView, error) {
		r, err := s.model.find(id)
		if err != nil {
			return OrderView{}, err
		}
		return orderViewOf(s.model.addOrder(r, spec))
	})
}

// SetOrderState moves an order to a state, with all effects on its resource. This is what happens
// in Waldur if somebody else acts.
func (s *Server) SetOrderState(id string, state OrderState) (OrderView, error) {
	return locked(s, func() (OrderView, error) {
		o, err := s.model.findOrder(id)
		if err == nil {
			err = state.check()
		}
		if err != nil {
			return OrderView{}, err
		}
		s.model.enter(o, state)
		return o.view(), nil
	})
}

// ResourceChange sets fields of a resource directly, as an administrator can.
type ResourceChange struct {
	State     *ResourceState `json:"state,omitempty"`
	BackendID *string        `json:"backend_id,omitempty"`
	GID       *int64         `json:"gid,omitempty"` // 0: none any more
	Limits    map[string]any `json:"limits,omitempty"`
	Options   map[string]any `json:"options,omitempty"`
}

// ChangeResource sets fields of a resource without an order.
func (s *Server) ChangeResource(id string, c ResourceChange) (ResourceView, error) {
	return locked(s, func() (ResourceView, error) {
		r, err := s.model.find(id)
		if err == nil && c.State != nil {
			err = c.State.check()
		}
		if err != nil {
			return ResourceView{}, err
		}
		c.apply(r)
		s.model.touch(r)
		return r.view(), nil
	})
}

func (c ResourceChange) apply(r *resource) {
	if c.State != nil {
		r.state = *c.State
	}
	if c.BackendID != nil {
		r.backendID = *c.BackendID
	}
	if c.GID != nil {
		if r.gid = nil; *c.GID != 0 {
			r.gid = c.GID
		}
	}
	if c.Limits != nil {
		r.limits = c.Limits
	}
	if c.Options != nil {
		r.options = c.Options
	}
}

// OfferingChange describes a change of an offering.
type OfferingChange struct {
	Slug string `json:"slug,omitempty"`
	// Messages says whether providers can send messages about orders. At first they can.
	Messages *bool `json:"messages,omitempty"`
}

// ChangeOffering renames an offering, or switches messages about its orders on or off. After a new
// name, its resources are listed under another storage system and, without a backend_id, at another
// mount path.
func (s *Server) ChangeOffering(slug string, c OfferingChange) error {
	_, err := locked(s, func() (none, error) {
		o := s.model.offering(slug)
		if o == nil || c.Slug == "" && c.Messages == nil {
			return none{}, fmt.Errorf("change offering %q to %q: %w", slug, c.Slug, errNotFound)
		}
		if c.Messages != nil {
			o.silent = !*c.Messages
		}
		if c.Slug != "" {
			o.slug = c.Slug
		}
		s.model.changed()
		return none{}, nil
	})
	return err
}

// Requests returns the log of requests, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request{}, s.requests...)
}

// ClearRequests empties the log.
func (s *Server) ClearRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// locked calls f while it holds the lock of the model.
func locked[T any](s *Server, f func() (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f()
}

func viewOf(r *resource, err error) (ResourceView, error) {
	if err != nil {
		return ResourceView{}, err
	}
	return r.view(), nil
}

func orderViewOf(o *order, err error) (OrderView, error) {
	if err != nil {
		return OrderView{}, err
	}
	return o.view(), nil
}

// control answers requests below /sim/.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /sim/resources",
		take(func(_ *http.Request, in ResourceSpec) (any, error) { return s.AddResource(in) }))
	mux.Handle("GET /sim/resources/{id}",
		take(func(r *http.Request, _ none) (any, error) { return s.Resource(r.PathValue("id")) }))
	mux.Handle("PATCH /sim/resources/{id}",
		take(func(r *http.Request, in ResourceChange) (any, error) {
			return s.ChangeResource(r.PathValue("id"), in)
		}))
	mux.Handle("POST /sim/resources/{id}/update",
		take(func(r *http.Request, in UpdateSpec) (any, error) {
			return s.UpdateResource(r.PathValue("id"), in)
		}))
	mux.Handle("POST /sim/resources/{id}/terminate",
		take(func(r *http.Request, in stateBody) (any, error) {
			return s.TerminateResource(r.PathValue("id"), in.State)
		}))
	mux.Handle("POST /sim/resources/{id}/restore",
		take(func(r *http.Request, in stateBody) (any, error) {
			return s.RestoreResource(r.PathValue("id"), in.State)
		}))
	mux.Handle("PATCH /sim/offerings/{slug}",
		take(func(r *http.Request, in OfferingChange) (any, error) {
			return none{}, s.ChangeOffering(r.PathValue("slug"), in)
		}))
	mux.Handle("POST /sim/orders/{id}/state", take(func(r *http.Request, in stateBody) (any, error) {
		return s.SetOrderState(r.PathValue("id"), in.State)
	}))
	mux.Handle("GET /sim/state", take(func(*http.Request, none) (any, error) {
		return map[string]any{"resources": s.State()}, nil
	}))
	mux.Handle("GET /sim/requests", take(func(*http.Request, none) (any, error) {
		log := s.Requests()
		return map[string]any{"count": len(log), "requests": log}, nil
	}))
	mux.Handle("DELETE /sim/requests",
		take(func(*http.Request, none) (any, error) { s.ClearRequests(); return none{}, nil }))
	mux.Handle("POST /sim/faults", take(func(_ *http.Request, in Fault) (any,
		error) {
		return none{}, s.Inject(in)
	}))
	mux.Handle("DELETE /sim/faults",
		take(func(*http.Request, none) (any, error) { s.ClearFaults(); return none{}, nil }))
	mux.Handle("POST /sim/tokens", take(func(_ *http.Request, in tokenBody) (any, error) {
		return none{}, s.SetToken(in.Service, in.Token, in.Account)
	}))
	mux.Handle("POST /sim/stop", take(func(*http.Request, none) (any,
		error) {
		s.Stop()
		return none{}, nil
	}))
	return mux
}

type none struct{}

type stateBody struct {
	State OrderState `json:"state"`
}

type tokenBody struct {
	Service string  `json:"service"`
	Token   string  `json:"token"`
	Account Account `json:"account"`
}

// take decodes the body to the type that f needs, and answers with f's result.
func take[T any](f func(*http.Request, T) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in T
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err == nil && len(body) > 0 {
			err = decodeStrict(body, &in)
		}
		if err != nil {
			controlError(w, http.StatusBadRequest, err)
			return
		}
		out, err := f(r, in)
		switch {
		case errors.Is(err, errNotFound):
			controlError(w, http.StatusNotFound, err)
		case err != nil:
			controlError(w, http.StatusBadRequest, err)
		default:
			write(w, reply{status: http.StatusOK, body: out}, false)
		}
	})
}

func controlError(w http.ResponseWriter, status int, err error) {
	write(w, reply{status: status, body: map[string]any{"error": err.Error()}}, false)
}

// decodeStrict parses one JSON value in which all fields must be known.
func decodeStrict(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return decodeOne(dec, into)
}
