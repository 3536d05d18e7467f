package waldursim

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strings"
)

// Inodes that the proxy grants per terabyte of the soft limit.
const (
	softInodesPerTera = 1_330_000
	hardInodesPerTera = 2_000_000
)

// filter says to what a listing is restricted. The zero filter admits everything.
type filter struct {
	status, dataType, system string
}

// admits reports whether the proxy requests this resource from Waldur at all.
func (f filter) admits(r *resource) bool {
	if f.system != "" && r.offering.system != f.system || f.dataType != "" &&
		kindOf(r.dataType) != f.dataType {
		return false
	}
	return f.status == "" || f.status == plainStatus(r.state)
}

// listing is what the proxy shows for a filter: first the tenants and customers in order of first
// appearance, then the resources.
type listing struct {
	nodes  []item
	leaves []*resource
	err    error // one resource that the proxy cannot digest spoils it all
}

// nodeKey identifies a tenant or, with a customer, a customer node.
type nodeKey struct {
	offering *offering
	customer *customer
	dataType string
}

func (m *model) list(f filter) *listing {
	l := &listing{}
	seen := map[nodeKey]bool{}
	for _, r := range m.resources {
		if !f.admits(r) {
			continue
		}
		if r.bad != nil {
			return &listing{err: r.bad}
		}
		if f.status == "" || f.status == "pending" {
			l.addNodes(m, r, seen)
		}
		if r.gid != nil && (f.status == "" || f.status == r.status()) {
			l.leaves = append(l.leaves, r)
		}
	}
	return l
}

// addNodes adds the nodes above a resource that do not exist yet.
func (l *listing) addNodes(m *model, r *resource, seen map[nodeKey]bool) {
	tenant := nodeKey{r.offering, nil, kindOf(r.dataType)}
	customer := nodeKey{r.offering, r.customer, kindOf(r.dataType)}
	if !seen[tenant] {
		seen[tenant] = true
		l.nodes = append(l.nodes, m.tenantNode(r))
	}
	if !seen[customer] && !r.customer.hidden {
		seen[customer] = true
		l.nodes = append(l.nodes, m.customerNode(r))
	}
}

// total returns the number of entries.
func (l *listing) total() int { return len(l.nodes) + len(l.leaves) }

// render writes the entries from one index up to another, separated by commas.
func (l *listing) render(m *model, out *bytes.Buffer, from, to int, base string) error {
	for i := from; i < to; i++ {
		var n item
		if i < len(l.nodes) {
			n = l.nodes[i]
		} else {
			n = m.entry(l.leaves[i-len(l.nodes)], base)
		}
		text, err := encode(n)
		if err != nil {
			return err
		}
		if i > from {
			out.WriteByte(',')
		}
		out.Write(text)
	}
	return nil
}

// node returns what tenants and customers have in common. They are always pending.
func (m *model) node(r *resource, kind string, id uuid, slug, name string) item {
	n := m.frame(r)
	n.ItemID, n.Status, n.Permission = id.dashed(), "pending", permission{"775", "octal"}
	n.Target = target{kind, nodeTarget{id.dashed(), slug, name}}
	return n
}

func (m *model) tenantNode(r *resource) item {
	o := r.offering
	n := m.node(r, "tenant", o.id, o.tenant.Slug, o.tenant.Name)
	n.Mount.Default = dirname(r.above())
	return n
}

func (m *model) customerNode(r *resource) item {
	n := m.node(r, "customer", r.customer.id, r.customer.slug, r.customer.name)
	parent := r.offering.id.dashed()
	n.Parent, n.Mount.Default = &parent, r.above()
	return n
}

// above returns the mount point of the customer's node if this is the first resource below it. It
// follows the backend id.
func (r *resource) above() string { return dirname(r.path()) }

// dirname returns everything before the last slash, like Python's posixpath.
func dirname(p string) string {
	head := p[:strings.LastIndex(p, "/")+1]
	if cut := strings.TrimRight(head, "/"); cut != "" {
		return cut
	}
	return head
}

type frameKey struct{ system, dataType string }

// frame returns the parts that a resource and the nodes above it share.
func (m *model) frame(r *resource) item {
	key := frameKey{r.offering.slug, kindOf(r.dataType)}
	n, ok := m.frames[key]
	if !ok {
		ref := func(kind, key, path string) named {
			return named{nameUUID(kind + ":" + key).dashed(), key, strings.ToUpper(key), true, path}
		}
		n.System = ref("storage_system", key.system, "")
		n.FileSystem = ref("storage_file_system", m.fileSystem, "")
		n.DataType = ref("storage_data_type", key.dataType, key.dataType)
		m.frames[key] = n
	}
	return n
}

// kindOf returns the data type that the proxy shows. An unknown one becomes store.
func kindOf(dataType string) string {
	switch dataType {
	case "store", "archive", "users", "scratch":
		return dataType
	}
	return "store"
}

// plainStatus returns the proxy's word for a resource's state.
func plainStatus(s ResourceState) string {
	switch s {
	case Creating:
		return "pending"
	case OK:
		return "active"
	case Updating:
		return "updating"
	case Terminating:
		return "removing"
	case Terminated:
		return "removed"
	}
	return "error"
}

// status returns what the proxy shows. As long as the customer has not agreed to a change, the
// resource stays active.
func (r *resource) status() string {
	o := r.inProgress()
	if o != nil && o.state == PendingConsumer && (r.state == Updating || r.state == Terminating) {
		return "active"
	}
	return plainStatus(r.state)
}

// check returns the error that a resource causes in the proxy, or nil.
func (r *resource) check() error {
	if _, err := r.mode(); err != nil {
		return err
	}
	if _, err := quotas(r.limits, r.options); err != nil {
		return err
	}
	_, _, err := r.change()
	return err
}

// entry returns the listing's entry for a resource that has passed check.
func (m *model) entry(r *resource, base string) item {
	n := m.frame(r)
	n.ItemID, n.Status, n.Mount.Default = r.id.dashed(), r.status(), r.path()
	n.Target = r.target()
	if !r.customer.hidden {
		parent := r.customer.id.dashed()
		n.Parent = &parent
	}
	mode, _ := r.mode()
	n.Permission = permission{mode, "octal"}
	n.Quotas, _ = quotas(r.limits, r.options)
	n.OldQuotas, n.NewQuotas, _ = r.change()
	r.addURLs(&n, base)
	return n
}

// path returns the backend id unchanged, or the path where the resource belongs.
func (r *resource) path() string {
	if r.backendID != "" {
		return r.backendID
	}
	return strings.Join([]string{"", r.offering.slug, kindOf(r.dataType), r.offering.tenant.Slug,
		r.customer.slug, r.project}, "/")
}

// isOctal reports whether the proxy accepts a text as a mode.
func isOctal(s string) bool {
	return (len(s) == 3 || len(s) == 4) && strings.Trim(s, "01234567") == ""
}

// mode returns the mode in the options, or else the one that was ordered.
func (r *resource) mode() (string, error) {
	value, ok := r.options["permissions"]
	if !ok {
		value, ok = r.attrs["permissions"]
	}
	if !ok {
		return "775", nil
	}
	mode := fmt.Sprint(value)
	if !isOctal(mode) {
		return "", badResource("Permission", "value", "String should match pattern "+
			"'^[0-7]{3,4}$'", "string_pattern_mismatch", value)
	}
	return mode, nil
}

// target describes a project, or a user with made-up numbers and names.
func (r *resource) target() target {
	status := r.status()
	active := status == "active"
	switch kindOf(r.dataType) {
	case "users", "scratch":
		if own, ok := r.metadata["user_item"]; ok {
			return target{"user", own}
		}
		return target{"user", userTarget{
			ItemID: nameUUID("user:" + r.slug).dashed(), Status: status, Email: "user-" + r.slug + "@example.com",
			UnixUID: r.unixUID, Primary: primaryProject{r.project, *r.gid, active}, Active: active,
		}}
	}
	if own, ok := r.metadata["project_item"].(map[string]any); ok {
		return target{"project", ownProject(own)}
	}
	return target{"project", projectTarget{
		ItemID: nameUUID("project:" + r.slug).dashed(), Name: &r.slug, Status: &status, UnixGID: r.gid, Active: &active,
	}}
}

// ownProject returns the item that a provider put into the metadata. What it omits is null, and not
// filled in from elsewhere. An item of another form is returned unchanged.
func ownProject(own map[string]any) any {
	var out projectTarget
	text, err := encode(own)
	if err == nil {
		err = decode(text, &out)
	}
	if err != nil {
		return own
	}
	return out
}

// inventedUID returns a number without meaning, like the proxy's.
func inventedUID(slug string) int64 {
	h := fnv.New32a()
	h.Write([]byte(slug))
	return 20000 + int64(h.Sum32()%10000)
}

// change returns the quotas before and after an update. For a change of options, only the new
// options count.
func (r *resource) change() (before, after []quota, err error) {
	o := r.inProgress()
	if o == nil || o.kind != Update {
		return nil, nil, nil
	}
	limits, options := r.limits, r.options
	fresh, isOptions := o.attrs["new_options"].(map[string]any)
	switch {
	case isOptions:
		options = fresh
	case len(o.limits) > 0:
		limits = o.limits
	default:
		return nil, nil, nil
	}
	if before, err = quotas(r.limits, r.options); err != nil {
		return nil, nil, err
	}
	after, err = quotas(limits, options)
	return before, after, err
}

// addURLs gives an order in progress the callbacks of its state.
func (r *resource) addURLs(n *item, base string) {
	o := r.inProgress()
	if o == nil || r.state == Terminated {
		return
	}
	ofOrder := func(action string) string { return base + "marketplace-orders/" + string(o.id) + "/" + action + "/" }
	ofResource := func(action string) string {
		return base + "marketplace-provider-resources/" + r.id.dashed() + "/" + action + "/"
	}
	n.BackendIDURL = ofResource("set_backend_id")
	if n.Status != "active" {
		n.ResourceOKURL = ofResource("set_state_ok")
	}
	switch o.state {
	case PendingProvider:
		n.RejectURL, n.ApproveURL = ofOrder("reject_by_provider"), ofOrder("approve_by_provider")
		n.OptionsURL = ofResource("update_options_direct")
	case Executing:
		n.ErredURL = ofOrder("set_state_erred")
	default:
		return
	}
	n.DoneURL = ofOrder("set_state_done")
}
