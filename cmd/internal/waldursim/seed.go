package waldursim

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// Scenario is the model to start from, as in a seed file.
type Scenario struct {
	// FileSystem is the storageFileSystem of all systems; default lustre.
	FileSystem string         `json:"file_system,omitempty"`
	Offerings  []OfferingSpec `json:"offerings,omitempty"` // default: [DefaultOfferings]
	Customers  []CustomerSpec `json:"customers,omitempty"` // others are made as resources name them
	Resources  []ResourceSpec `json:"resources,omitempty"`
}

// Party is the organisation that owns an offering: the tenant of its tree.
type Party struct {
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// OfferingSpec describes an offering. Only the slug is required.
type OfferingSpec struct {
	UUID string `json:"uuid,omitempty"`
	// Slug is storageSystem.key and the first part of mount points.
	Slug string `json:"slug"`
	// System is the value of the storage_system filter; default the slug.
	System    string `json:"system,omitempty"`
	Type      string `json:"type,omitempty"`  // default [SiteAgent]
	Tenant    Party  `json:"tenant,omitzero"` // default cscs
	NoOptions bool   `json:"no_options,omitempty"`
	// ResourceOptions are, by default, quotas as integers and permissions as a choice.
	ResourceOptions map[string]OptionField `json:"resource_options,omitempty"`
	BackendIDRule   *BackendIDRule         `json:"backend_id_rule,omitempty"`
	// OptionOrders means that update_options creates an order.
	OptionOrders bool `json:"option_orders,omitempty"`
}

// CustomerSpec describes a customer.
type CustomerSpec struct {
	UUID   string `json:"uuid,omitempty"`
	Slug   string `json:"slug"`
	Name   string `json:"name,omitempty"`
	Hidden bool   `json:"hidden,omitempty"` // no node in the listing
}

// ResourceSpec describes a resource. Offering, customer, project and data type are required. What
// is omitted is derived from them, always in the same way. The maps belong to the server from then
// on.
type ResourceSpec struct {
	UUID        string `json:"uuid,omitempty"`
	Slug        string `json:"slug,omitempty"` // default offering-project-datatype
	Offering    string `json:"offering"`
	Customer    string `json:"customer"`
	Project     string `json:"project"`
	DataType    string `json:"data_type"`
	Permissions string `json:"permissions,omitempty"` // default 2770
	// State is, by default, the result of the order, or else OK.
	State     ResourceState  `json:"state,omitempty"`
	Limits    map[string]any `json:"limits,omitempty"` // {"storage": 10} is 10 TB
	Options   map[string]any `json:"options,omitempty"`
	BackendID string         `json:"backend_id,omitempty"`
	Metadata  map[string]any `json:"backend_metadata,omitempty"`
	GID       int64          `json:"gid,omitempty"` // default: one for each project
	NoGID     bool           `json:"no_gid,omitempty"`
	UnixUID   int64          `json:"unix_uid,omitempty"`
	Order     *OrderSpec     `json:"order,omitempty"`
}

// OrderSpec describes an order.
type OrderSpec struct {
	UUID       string         `json:"uuid,omitempty"`
	Type       OrderType      `json:"type,omitempty"`  // default Create
	State      OrderState     `json:"state,omitempty"` // default pending-provider
	Limits     map[string]any `json:"limits,omitempty"`
	NewOptions map[string]any `json:"new_options,omitempty"`
}

func (s OrderState) check() error {
	switch s {
	case PendingConsumer, PendingProject, PendingStartDate, PendingProvider, Executing, Done, OrderErred, Canceled, Rejected:
		return nil
	}
	return fmt.Errorf("order state %q: not one of Waldur's", s)
}

func (s ResourceState) check() error {
	switch s {
	case Creating, OK, Erred, Updating, Terminating, Terminated:
		return nil
	}
	return fmt.Errorf("resource state %q: not one of Waldur's", s)
}

// DefaultOfferings returns the three systems that the proxy knows by name.
func DefaultOfferings() []OfferingSpec {
	return []OfferingSpec{{Slug: "capstor"}, {Slug: "vast"}, {Slug: "iopsstor"}}
}

func defaultOfferings() []*offering {
	var out []*offering
	for _, spec := range DefaultOfferings() {
		o, err := spec.build()
		if err == nil { // cannot fail: no uuid, no rule
			out = append(out, o)
		}
	}
	return out
}

// build fills in what a spec omits.
func (spec OfferingSpec) build() (*offering, error) {
	id, err := idOr(spec.UUID, "offering:"+spec.Slug)
	if err != nil || spec.Slug == "" {
		return nil, fmt.Errorf("add offering %q: needs a slug and a valid uuid", spec.Slug)
	}
	o := &offering{
		id: id, slug: spec.Slug, system: spec.System, kind: spec.Type, tenant: spec.Tenant,
		options: spec.ResourceOptions, rule: spec.BackendIDRule, optionOrders: spec.OptionOrders,
	}
	if o.system == "" {
		o.system = o.slug
	}
	if o.kind == "" {
		o.kind = SiteAgent
	}
	if o.tenant.Slug == "" {
		o.tenant = Party{"cscs", "CSCS"}
	}
	if o.options == nil && !spec.NoOptions {
		o.options = map[string]OptionField{
			"soft_quota_space": {Type: "integer"}, "hard_quota_space": {Type: "integer"},
			"soft_quota_inodes": {Type: "integer"}, "hard_quota_inodes": {Type: "integer"},
			"permissions": {Type: "select_string", Choices: []string{"775", "2770", "2775", "2777"}},
		}
	}
	if o.rule != nil {
		if _, err := regexp.Compile(o.rule.Regex); err != nil {
			return nil, fmt.Errorf("add offering %q: backend_id rule: %w", spec.Slug, err)
		}
	}
	return o, nil
}

func idOr(given, name string) (uuid, error) {
	if given == "" {
		return nameUUID(name), nil
	}
	id, ok := parseUUID(given)
	if !ok {
		return "", fmt.Errorf("uuid %q: want 32 hex digits", given)
	}
	return id, nil
}

// Load adds a scenario. Its offerings replace the default ones.
func (s *Server) Load(sc Scenario) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.model
	if sc.FileSystem != "" {
		m.fileSystem = sc.FileSystem
	}
	var offerings []*offering
	for _, spec := range sc.Offerings {
		o, err := spec.build()
		if err != nil {
			return err
		}
		offerings = append(offerings, o)
	}
	if offerings != nil {
		m.offerings = offerings
	}
	for _, spec := range sc.Customers {
		c := m.customer(spec.Slug)
		c.hidden = spec.Hidden
		if spec.Name != "" {
			c.name = spec.Name
		}
		id, err := idOr(spec.UUID, "customer:"+spec.Slug)
		if err != nil {
			return fmt.Errorf("add customer %q: %w", spec.Slug, err)
		}
		c.id = id
	}
	for _, spec := range sc.Resources {
		if _, err := m.add(spec); err != nil {
			return err
		}
	}
	return nil
}

// add creates a resource.
func (m *model) add(spec ResourceSpec) (*resource, error) {
	r, err := m.newResource(spec)
	if err == nil {
		err = m.start(r, spec)
	}
	if err != nil {
		return nil, fmt.Errorf("add resource %s/%s/%s/%s: %w", spec.Offering, spec.DataType,
			spec.Customer, spec.Project, err)
	}
	m.resources = append(m.resources, r)
	m.byID[r.id], m.slugs[r.slug] = r, r
	for _, o := range r.orders {
		m.orders[o.id] = o
	}
	m.touch(r)
	return r, nil
}

func (m *model) newResource(spec ResourceSpec) (*resource, error) {
	o := m.offering(spec.Offering)
	if o == nil {
		return nil, errors.New("no such offering")
	}
	if spec.Customer == "" || spec.Project == "" {
		return nil, errors.New("needs a customer and a project")
	}
	if spec.Permissions == "" {
		spec.Permissions = "2770"
	}
	slug, err := m.freeSlug(spec)
	if err != nil {
		return nil, err
	}
	id, err := idOr(spec.UUID, "resource:"+slug)
	if err != nil {
		return nil, err
	}
	if m.byID[id] != nil {
		return nil, fmt.Errorf("uuid %s: another resource has it", id)
	}
	r := &resource{
		id: id, slug: slug, offering: o, customer: m.customer(spec.Customer), project: spec.Project, dataType: spec.DataType,
		state: OK, limits: spec.Limits, options: spec.Options, metadata: spec.Metadata,
		attrs:     m.attributes(spec.DataType, spec.Permissions),
		backendID: spec.BackendID, unixUID: spec.UnixUID, gid: m.gidOf(spec),
	}
	if r.unixUID == 0 {
		r.unixUID = inventedUID(slug)
	}
	return r, nil
}

// attributes returns what is stored of an order with the resource. Most are equal.
func (m *model) attributes(dataType, permissions string) map[string]any {
	key := [2]string{dataType, permissions}
	if m.ordered[key] == nil {
		m.ordered[key] = map[string]any{"storage_data_type": dataType, "permissions": permissions}
	}
	return m.ordered[key]
}

// freeSlug returns the requested slug, or a new one that is not used yet.
func (m *model) freeSlug(spec ResourceSpec) (string, error) {
	if spec.Slug != "" {
		if m.slugs[spec.Slug] != nil {
			return "", fmt.Errorf("slug %q: another resource has it", spec.Slug)
		}
		return spec.Slug, nil
	}
	base := spec.Offering + "-" + spec.Project + "-" + kindOf(spec.DataType)
	slug := base
	for n := 2; m.slugs[slug] != nil; n++ {
		slug = base + "-" + strconv.Itoa(n)
	}
	return slug, nil
}

// gidOf gives each project one GID, unless the spec or the server has another.
func (m *model) gidOf(spec ResourceSpec) *int64 {
	gid := spec.GID
	switch {
	case spec.NoGID:
		return nil
	case m.gid != 0:
		gid = m.gid
	case gid == 0 && m.gids[spec.Project] != 0:
		gid = m.gids[spec.Project]
	case gid == 0:
		gid = 30001 + int64(len(m.gids))
	}
	if m.gids[spec.Project] == 0 {
		m.gids[spec.Project] = gid
	}
	return &gid
}

// start moves a new resource to its first state, with its order.
func (m *model) start(r *resource, spec ResourceSpec) error {
	if spec.Order != nil {
		if _, err := m.addOrder(r, *spec.Order); err != nil {
			return err
		}
	}
	if spec.State == "" {
		return nil
	}
	r.state = spec.State
	return spec.State.check()
}

// addOrder creates an order. A resource can have only one order in progress.
func (m *model) addOrder(r *resource, spec OrderSpec) (*order, error) {
	if spec.Type == "" {
		spec.Type = Create
	}
	if spec.State == "" {
		spec.State = PendingProvider
	}
	if err := spec.State.check(); err != nil {
		return nil, err
	}
	if r.inProgress() != nil {
		return nil, fmt.Errorf("order for %s: another one is in progress", r.slug)
	}
	if r.state == Terminated && spec.Type != Restore {
		return nil, fmt.Errorf("order for %s: it is terminated", r.slug)
	}
	if r.state != Terminated && spec.Type == Restore {
		return nil, fmt.Errorf("restore order for %s: it is %s, not terminated", r.slug, r.state)
	}
	id, err := idOr(spec.UUID, fmt.Sprintf("order:%s:%d", r.id, len(r.orders)+1))
	if err != nil {
		return nil, err
	}
	if m.orders[id] != nil {
		return nil, fmt.Errorf("order uuid %s: another order has it", id)
	}
	now := m.now()
	o := &order{id: id, resource: r, kind: spec.Type, limits: spec.Limits, created: now, modified: now}
	if o.attrs, err = r.orderAttributes(spec); err != nil {
		return nil, err
	}
	if o.kind == Create && len(spec.Limits) == 0 {
		o.limits = r.limits
	}
	r.orders = append(r.orders, o)
	if m.byID[r.id] == r {
		m.orders[id] = o
	}
	m.enter(o, spec.State)
	return o, nil
}

// orderAttributes returns what Waldur stores with an order of each type.
func (r *resource) orderAttributes(spec OrderSpec) (map[string]any, error) {
	switch spec.Type {
	case Create:
		return r.attrs, nil
	case Terminate, Restore:
		return map[string]any{}, nil
	case Update:
		attrs := map[string]any{}
		if spec.Limits != nil {
			attrs["old_limits"] = merged(r.limits, nil) // an object, also when empty
		}
		if spec.NewOptions != nil {
			attrs["old_options"], attrs["new_options"] = merged(r.options, nil), merged(spec.NewOptions, nil)
		}
		return attrs, nil
	}
	return nil, fmt.Errorf("order type %q: want Create, Update, Terminate or Restore", spec.Type)
}
