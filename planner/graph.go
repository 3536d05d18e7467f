package planner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Input is everything that the desired-state graph is made from.
type Input struct {
	Settings *Settings
	// Items is the listing, in any order.
	Items []Item
	// Complete reports whether Items is the whole listing, so that recorded resources that it lacks
	// can be reported. A missing resource is never removed for that.
	Complete bool
	// Orders are the answers to [Questions], by order id.
	Orders    map[string]OrderAnswer
	Overrides []Override
	Recorded  Recorded
	Holds     []Hold
	Selection Selection
	Now       time.Time
	// Projects are the project ids that an approved plan gives away. [Recheck] needs them; an id is
	// kept as long as it is free.
	Projects map[Key]ProjectID
	// Watch, unless it is nil, has the only resources to observe and decide on, for [Recheck]. The
	// others still count in conflicts and claims. What was seen of the watched resources is kept.
	Watch map[Key]bool
	// MustAsk blocks an order that Waldur did not answer about: an apply never acts on an order that
	// it could not ask about.
	MustAsk bool
	// KeepRecords makes [Compare] keep a record of every resource that it found as wanted. With Watch,
	// selected resources without a record are observed too.
	KeepRecords bool
}

// OrderAnswer is Waldur's answer about an order, or the reason why there is none.
type OrderAnswer struct {
	Order Order
	Why   string
}

// Graph is the desired state. It has one node for each item, sorted by address and key, with what
// is wanted or why nothing is.
type Graph struct {
	input    *Input
	nodes    []node
	byPath   map[string]int // tenants and customers, by storage path
	reserved *reserved
	warnings []Warning
	from     []Provenance // provenance table; nodes hold indexes
	watched  map[Key]Watched
	asWanted []Record
	restores []asked
	// claims are the claimed quotas. They are collected when [Graph.QuotaTargets] or [Compare] first
	// needs them.
	claims *claimTable
	// renamed maps the old keys of records that followed their resources to the new keys.
	renamed map[Key]Key
	// recordedAs has, for each node that is recorded, what tells its directory from others.
	recordedAs []standing
	// byKey finds nodes by key. It is nil until something needs to find a node by its key.
	byKey map[Key]int32
	// unseen counts open orders that the listing does not show; see unseenOrders.
	unseen int
	// orders counts how many entries of the listing name each open order.
	orders map[string]int
	// guards limit the promised space, by filesystem, and mounts is what was seen of the systems.
	// [Compare] sets both.
	guards map[string]*guard
	mounts map[string]Mount
	// unlisted are the records of resources that are not listed.
	unlisted []Record
	// unasked counts the orders that are judged by their status because Waldur did not answer.
	// unaskedWhy is one of the reasons.
	unasked    int
	unaskedWhy string
}

// node is one directory of the graph. There are as many nodes as resources, so a node repeats
// nothing that its item has.
type node struct {
	item *Item
	// above is the branch above the node; nil if there is none.
	above   *node
	system  *System
	storage string
	wanted
	// project is its id from [QuotaSettings.ProjectIDs]; 0 if it has none.
	project ProjectID
	place   int32 // index of its observation, -1 if it is not observed
	record  int32 // index of its record, -1 if it is not recorded
	// claims is the index of the quota identity that it claims, or whose usage matters; -1 if there is
	// none.
	claims int32
	order  string
	// verdict blocks the resource or makes it wait; nil if neither.
	verdict *Reason
	// intent is what the item's status and order ask for.
	intent intent
	// callable reports whether the callbacks that the item has URLs for may be sent.
	callable bool
	waits    bool
	// managed is false if an override says that cscs-sync must leave the resource alone.
	managed  bool
	selected bool
	// witness means that the directory is looked at because of a new directory beside it.
	witness bool
	// isHere means that the resource is recorded at its place.
	isHere bool
}

// intent is what a resource's status and order ask for.
type intent uint8

const (
	intentNothing intent = iota // removed, in error without an order, or not to be interpreted
	intentExists                // active
	intentCreate                // a create order acts
	intentUpdate                // an update order acts
	intentRemove                // a terminate order acts
	intentRestore               // a restore order acts
)

// offers reports whether a callback can be sent for the node's order.
func (n *node) offers(call Callback) bool {
	_, ok := n.item.URLs[call]
	return ok && n.callable
}

func (n *node) address() string { return n.item.MountPath }

func (n *node) isBranch() bool { return n.item.Target.IsBranch() }

func (n *node) block(code reason.Code, format string, args ...any) {
	if n.verdict == nil {
		n.verdict = &Reason{Code: code, Text: fmt.Sprintf(format, args...)}
	}
}

func (n *node) wait(code reason.Code, format string, args ...any) {
	if n.verdict == nil {
		n.block(code, format, args...)
		n.waits = true
	}
}

// asksNothing reports whether the item is removed, or in error without an order.
func (n *node) asksNothing() bool {
	return !n.isBranch() && n.item.Problem == "" && n.intent == intentNothing && !n.waits
}

// Desire makes the desired-state graph. It interprets every item. A bad item does not stop it: that
// item is blocked.
func Desire(w *Input) *Graph {
	g := &Graph{input: w, byPath: map[string]int{}, reserved: newReserved(w.Settings),
		from: []Provenance{{From: FromProxy}, {From: FromDefault}}, watched: map[Key]Watched{}}
	g.nodes = make([]node, len(w.Items))
	for i := range w.Items {
		g.nodes[i] = node{item: &w.Items[i], managed: true, place: -1, claims: -1,
			selected: w.Selection.matches(w.Items[i].MountPath)}
	}
	slices.SortFunc(g.nodes, func(a, b node) int { return CompareItems(a.item, b.item) })
	if g.unseen = unseenOrders(w.Items); g.unseen > 0 {
		g.warn(reason.OrdersUnseen, "", "%s", unseenText(g.unseen))
	}
	g.match()
	g.countOrders()
	g.tree()
	active := g.activeOverrides()
	for i := range g.nodes {
		n := &g.nodes[i]
		g.interpret(n)
		g.want(n, active)
	}
	g.reportUnasked()
	g.follow()
	g.reserveBranches()
	g.checkPlaces()
	g.conflicts()
	g.pick()
	g.reportUnlisted()
	g.reportUnmatched(active)
	return g
}

// CompareItems orders items as a [Graph] does: by address and key.
func CompareItems(a, b *Item) int {
	if c := strings.Compare(a.MountPath, b.MountPath); c != 0 {
		return c
	}
	return a.Key.Compare(b.Key)
}

// match finds the record of each node, and the records without a node.
func (g *Graph) match() {
	records := &g.input.Recorded.Records
	g.unlisted = nil
	listed := make([]bool, records.Len())
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.record = int32(records.find(n.item.Key)); n.record >= 0 {
			listed[n.record] = true
		}
	}
	for i, is := range listed {
		if !is {
			g.unlisted = append(g.unlisted, records.at(i))
		}
	}
}

// recordOf returns the record of a node; false if it is not recorded.
func (g *Graph) recordOf(n *node) (Record, bool) {
	if n.record < 0 {
		return Record{}, false
	}
	return g.input.Recorded.Records.at(int(n.record)), true
}

// maxLevels is the most levels of the tree that lead to a node, itself included.
const maxLevels = 4

// tree gives every node the branch above it, found by its parent id.
func (g *Graph) tree() {
	branches := map[Key]*node{}
	for i := range g.nodes {
		if n := &g.nodes[i]; n.isBranch() {
			branches[n.item.Key] = n
		}
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		n.above = branches[n.item.Above()]
	}
}

// branch returns the name of the highest branch of a kind among the node and those above it; empty
// if there is none.
func (n *node) branch(kind Target) (name string) {
	for depth := 0; n != nil && depth < maxLevels; depth++ {
		if n.item.Target == kind {
			name = n.item.Name
		}
		n = n.above
	}
	return name
}

// facts returns what overrides and policies match on.
func (n *node) facts() Facts {
	it := n.item
	f := Facts{Path: it.MountPath, DataType: it.Key.DataType, System: n.systemName(),
		Target: it.Target, Status: it.Status,
		GID: it.GID, HasGID: it.HasGID, Tenant: n.branch(TargetTenant),
		Customer: n.branch(TargetCustomer)}
	if !it.Target.IsBranch() {
		f.Project = it.Name
	}
	return f
}

// systemName returns the label of the node's system, or the proxy's key if no block matches it.
func (n *node) systemName() string {
	if n.system != nil {
		return n.system.Name
	}
	return n.item.Key.System
}

// listed finds the node with a key; nil if it is not listed.
func (g *Graph) listed(k Key) *node {
	if g.byKey == nil {
		g.byKey = make(map[Key]int32, len(g.nodes))
		for i := range g.nodes {
			g.byKey[g.nodes[i].item.Key] = int32(i)
		}
	}
	if i, ok := g.byKey[k]; ok {
		return &g.nodes[i]
	}
	return nil
}

// interpret finds the node's system and storage path, and what its status and order ask for.
func (g *Graph) interpret(n *node) {
	it := n.item
	if it.Problem != "" {
		n.block(reason.Unreadable, "the proxy's item %s cannot be used: %s", it.Key.Item,
			it.Problem)
		return
	}
	if why := it.Key.Unfit(); why != "" {
		n.block(reason.Unstorable,
			"the proxy's item %s cannot be recorded: %s; correct it in Waldur", it.Key.Item, why)
	}
	n.system = g.input.Settings.systemOf(it.Key.System)
	if !n.isBranch() {
		if !slices.Contains(DataTypes(), it.Key.DataType) {
			n.block(reason.DataType,
				"its data type is %q, and this version knows only %s: cscs-sync does nothing for "+
					"it. Fix the resource in Waldur, or update cscs-sync", it.Key.DataType,
				strings.Join(DataTypes(), ", "))
		}
		g.interpretOrder(n)
	}
	if n.system == nil {
		n.block(reason.NoSystem,
			"no system block matches %q; add it to the slugs of a system, or add a block for it",
			it.Key.System)
		return
	}
	if why := checkMountPath(it.MountPath); why != "" {
		n.block(reason.Path, "%s; fix its backend_id in Waldur", why)
		return
	}
	path, ok := n.system.storagePath(it.MountPath)
	if !ok {
		n.block(reason.Path,
			"its mount path is outside the paths of system %s; fix its backend_id in Waldur, "+
				"or add the prefix to paths",
			n.system.Name)
		return
	}
	n.storage = path
}

// reserveBranches keeps resources from having the directory of a tenant or customer.
func (g *Graph) reserveBranches() {
	for i := range g.nodes {
		n := &g.nodes[i]
		if !n.isBranch() || n.storage == "" || n.verdict != nil {
			continue
		}
		if _, ok := g.byPath[n.storage]; !ok {
			g.byPath[n.storage] = i
		}
	}
	for i := range g.nodes {
		if n := &g.nodes[i]; n.isBranch() && n.storage != "" && g.reserved.what[n.storage] == "" {
			g.reserved.add(n.storage, fmt.Sprintf("the directory of %s %s", n.item.Target,
				n.item.Name))
		}
	}
}

// checkPlaces blocks resources at places that no resource may have, and resources that have moved
// since they were recorded. Tenants and customers follow the resources that name them, so only
// resources must keep their place. A recorded resource does not lose its path to a tenant or
// customer that appears there later.
func (g *Graph) checkPlaces() {
	g.recordedAs = make([]standing, len(g.nodes))
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.isBranch() || n.storage == "" {
			continue
		}
		rec, known := g.recordOf(n)
		n.isHere, g.recordedAs[i] = known && rec.Storage == n.storage, standing{rec.Inode, rec.Born}
		if !known {
			rec, known = g.input.Recorded.Records.elsewhere(n.item.Key)
		}
		if known && (rec.Storage != n.storage || rec.System != n.system.Name) &&
			n.intent != intentNothing {
			n.block(reason.Moved,
				"it is recorded at %s on %s, but the proxy now has it at %s on %s. Fix its "+
					"backend_id in Waldur; or move the data there and run `cscs-sync state rm %s`, "+
					"and the next plan adopts it",
				rec.Storage, rec.System, n.storage, n.system.Name,
				rec.Address)
		}
		why := g.reserved.checkArchives(n.storage)
		if !known || rec.Storage != n.storage {
			why = g.reserved.check(n.storage)
		}
		if why == "" {
			delete(g.byPath, n.storage) // no tenant or customer may make it or enforce it
			continue
		}
		if n.intent != intentNothing {
			n.block(reason.Path, "%s; fix its backend_id in Waldur", why)
		}
		n.storage, n.isHere = "", false // it has no place, and takes none from others
	}
}

// branchAt returns the tenant or customer whose directory is at a storage path; nil if there is
// none.
func (g *Graph) branchAt(path string) *node {
	if i, ok := g.byPath[path]; ok {
		return &g.nodes[i]
	}
	return nil
}

// warn adds a warning, unless the resource is not selected.
func (g *Graph) warn(code reason.Code, address, format string, args ...any) {
	if address != "" && !g.input.Selection.matches(address) {
		return
	}
	g.warnings = append(g.warnings, Warning{Code: code, Address: address,
		Text: fmt.Sprintf(format, args...)})
}

// reportUnlisted names the resources that are recorded and no longer listed. The proxy leaves out
// what it cannot resolve, so a missing resource is never taken as a wish to remove it.
func (g *Graph) reportUnlisted() {
	if !g.input.Complete || len(g.unlisted) == 0 {
		return
	}
	type resource struct{ item, dataType string }
	listed := map[resource]bool{}
	for i := range g.nodes {
		listed[resource{g.nodes[i].item.Key.Item, g.nodes[i].item.Key.DataType}] = true
	}
	var gone []Record
	for _, r := range g.unlisted {
		// A resource that is listed under another system's key is blocked there, with the reason.
		if !r.Target.IsBranch() && g.input.Selection.matches(r.Address) &&
			!listed[resource{r.Key.Item, r.Key.DataType}] {
			gone = append(gone, r)
		}
	}
	slices.SortFunc(gone, func(a, b Record) int { return strings.Compare(a.Address, b.Address) })
	for _, r := range gone {
		g.warn(reason.Unlisted, r.Address,
			"it is recorded, but the proxy no longer lists it; cscs-sync does nothing about "+
				"it (ask the proxy's operator, or run `cscs-sync state rm` for it)")
	}
}

// reportUnasked warns once of all orders that gave no answer.
func (g *Graph) reportUnasked() {
	if g.unasked > 0 {
		g.warn(reason.OrdersNotAsked, "",
			"Waldur did not answer about %d orders (%s): the plan uses the status of their "+
				"resources instead, and `apply` asks again before it does anything for them", g.unasked,
			g.unaskedWhy)
	}
}

// Facts returns a function that gives the facts of a resource; the zero value if it is not listed.
func (g *Graph) Facts() func(Key) Facts {
	return func(k Key) Facts {
		if n := g.listed(k); n != nil {
			return n.facts()
		}
		return Facts{}
	}
}
