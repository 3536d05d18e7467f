package waldursim

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"strings"
	"time"
)

// OrderState is the state of an order as Waldur writes it.
type OrderState string

// The states an order can be in.
const (
	PendingConsumer  OrderState = "pending-consumer"
	PendingProject   OrderState = "pending-project"
	PendingStartDate OrderState = "pending-start-date"
	PendingProvider  OrderState = "pending-provider"
	Executing        OrderState = "executing"
	Done             OrderState = "done"
	OrderErred       OrderState = "erred"
	Canceled         OrderState = "canceled"
	Rejected         OrderState = "rejected"
)

// OrderType says what an order asks for.
type OrderType string

// The kinds of order.
const (
	Create    OrderType = "Create"
	Update    OrderType = "Update"
	Terminate OrderType = "Terminate"
	Restore   OrderType = "Restore"
)

// ResourceState is the state of a resource as Waldur writes it.
type ResourceState string

// The states a resource can be in.
const (
	Creating    ResourceState = "Creating"
	OK          ResourceState = "OK"
	Erred       ResourceState = "Erred"
	Updating    ResourceState = "Updating"
	Terminating ResourceState = "Terminating"
	Terminated  ResourceState = "Terminated"
)

// The types of offerings that Waldur treats differently. A site agent completes the orders itself.
// Orders of a basic offering are complete as soon as they are approved.
const (
	SiteAgent = "Marketplace.Slurm"
	Basic     = "Marketplace.Basic"
	Support   = "Support.OfferingTemplate"
)

// uuid is an identifier without dashes: 32 lower-case hex digits.
type uuid string

// nameUUID returns the version 5 uuid of a name in the OID name space, which the real proxy uses
// for its own ids.
func nameUUID(name string) uuid {
	space := [16]byte{0x6b, 0xa7, 0xb8, 0x12, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f,
		0xd4, 0x30, 0xc8}
	sum := sha1.Sum(append(space[:], name...))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return uuid(hex.EncodeToString(sum[:16]))
}

// parseUUID parses a uuid with or without dashes.
func parseUUID(s string) (uuid, bool) {
	s = strings.ToLower(strings.ReplaceAll(s, "-", ""))
	raw, err := hex.DecodeString(s)
	return uuid(s), err == nil && len(raw) == 16
}

// dashed returns the form that the proxy shows.
func (u uuid) dashed() string {
	return string(u[:8] + "-" + u[8:12] + "-" + u[12:16] + "-" + u[16:20] + "-" + u[20:])
}

// offering is a storage system as Waldur sells it.
type offering struct {
	id           uuid
	slug, system string // system is the value of the storage_system filter
	kind         string // SiteAgent, Basic or Support
	tenant       Party
	options      map[string]OptionField // nil: update_options is refused
	rule         *BackendIDRule
	optionOrders bool // update_options makes an order
	silent       bool // providers cannot send messages
}

// customer is an organisation. A hidden customer is missing from the offering's customers, and its
// node from the listing.
type customer struct {
	id         uuid
	slug, name string
	hidden     bool
}

// resource is a directory that somebody ordered. Its maps, and those of orders, may be shared and
// are never changed in place.
type resource struct {
	id        uuid
	slug      string
	offering  *offering
	customer  *customer
	project   string
	dataType  string // as ordered: unknown ones are listed as store
	state     ResourceState
	limits    map[string]any
	options   map[string]any
	attrs     map[string]any
	metadata  map[string]any
	backendID string
	usages    map[string]string // what was reported last, by component
	gid       *int64            // nil: the resource is left out of the listing
	unixUID   int64
	orders    []*order
	bad       error // why the proxy cannot digest it, or nil
}

// order is a request to change a resource, and its progress.
type order struct {
	id                uuid
	resource          *resource
	kind              OrderType
	state             OrderState
	attrs             map[string]any
	limits            map[string]any
	backendID         string
	message, trace    string
	providerMessage   string
	created, modified time.Time
}

// inProgress returns the first order that Waldur still has to finish, or nil.
func (r *resource) inProgress() *order {
	for _, o := range r.orders {
		switch o.state {
		case PendingConsumer, PendingProvider, Executing:
			return o
		}
	}
	return nil
}

// model is everything that Waldur knows, in the order of creation.
type model struct {
	now        func() time.Time
	gid        int64 // when not 0, the GID of every resource that has one
	fileSystem string
	offerings  []*offering
	customers  map[string]*customer
	gids       map[string]int64 // GID of a project, given out in order of appearance
	frames     map[frameKey]item
	ordered    map[[2]string]map[string]any // attributes of resources by data type and permissions
	slugs      map[string]*resource
	resources  []*resource
	byID       map[uuid]*resource
	orders     map[uuid]*order
	changed    func() // called after each change
}

func newModel(now func() time.Time, gid int64, changed func()) *model {
	return &model{
		now: now, gid: gid, changed: changed, fileSystem: "lustre",
		customers: map[string]*customer{}, gids: map[string]int64{}, frames: map[frameKey]item{},
		ordered: map[[2]string]map[string]any{}, slugs: map[string]*resource{},
		byID: map[uuid]*resource{}, orders: map[uuid]*order{},
	}
}

// touch must be called after each change of a resource.
func (m *model) touch(r *resource) {
	r.bad = r.check()
	m.changed()
}

// find returns a resource by its uuid or its slug.
func (m *model) find(id string) (*resource, error) {
	if r := m.slugs[id]; r != nil {
		return r, nil
	}
	if u, ok := parseUUID(id); ok && m.byID[u] != nil {
		return m.byID[u], nil
	}
	return nil, fmt.Errorf("find resource %q: %w", id, errNotFound)
}

func (m *model) findOrder(id string) (*order, error) {
	if u, ok := parseUUID(id); ok && m.orders[u] != nil {
		return m.orders[u], nil
	}
	return nil, fmt.Errorf("find order %q: %w", id, errNotFound)
}

func (m *model) offering(slug string) *offering {
	for _, o := range m.offerings {
		if o.slug == slug {
			return o
		}
	}
	return nil
}

// customer returns a customer, and creates it if necessary, with a name made from its slug.
func (m *model) customer(slug string) *customer {
	c := m.customers[slug]
	if c == nil {
		c = &customer{id: nameUUID("customer:" + slug), slug: slug, name: strings.ToUpper(slug) + " organization"}
		m.customers[slug] = c
	}
	return c
}

// enter moves an order to a state, with all effects that this has on the resource in Waldur. It
// checks nothing; callers do.
func (m *model) enter(o *order, state OrderState) {
	o.state, o.modified = state, m.now()
	r := o.resource
	switch state {
	case Done:
		m.complete(o)
	case OrderErred:
		r.state = stateAfterFailure(o)
	case Rejected, Canceled:
		r.state = OK
		if o.kind == Create || o.kind == Restore {
			r.state = Terminated
		}
	default: // an erred resource stays erred until its order is done
		if r.state != Erred || o.kind == Create {
			r.state = map[OrderType]ResourceState{Create: Creating, Restore: Creating, Update: Updating,
				Terminate: Terminating}[o.kind]
		}
	}
	m.touch(r)
}

// complete gives the resource what the order requested.
func (m *model) complete(o *order) {
	r := o.resource
	r.state = OK
	switch o.kind {
	case Terminate:
		r.state = Terminated
	case Update:
		if len(o.limits) > 0 {
			r.limits = o.limits
		}
		if fresh, ok := o.attrs["new_options"].(map[string]any); ok {
			r.options = merged(r.options, fresh)
		}
	}
}

// stateAfterFailure returns the state of a resource after its executing order failed.
func stateAfterFailure(o *order) ResourceState {
	switch {
	case o.kind == Terminate:
		return OK
	case o.kind == Restore, o.kind == Create && o.resource.backendID == "":
		return Terminated
	}
	return Erred
}

// process does what Waldur does by itself after an approval. With a site agent this is nothing,
// except that an order for options is complete immediately.
func (m *model) process(o *order) {
	_, options := o.attrs["new_options"]
	_, limits := o.attrs["old_limits"]
	if o.resource.offering.kind == Basic || o.kind == Update && options && !limits {
		m.enter(o, Done)
	}
}

// merged returns a new map with the entries of base, replaced and extended by those of over.
func merged(base, over map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, base)
	maps.Copy(out, over)
	return out
}
