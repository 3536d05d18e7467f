package planner_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// now is the time of every plan in these tests.
var now = time.Date(2026, 11, 22, 21, 40, 3, 0, time.UTC)

const tib = planner.Bytes(1 << 40)

// testSettings returns two systems: capstor with Lustre group quotas, and vast without quotas.
func testSettings() *planner.Settings {
	return &planner.Settings{
		Tera: tib, MinGID: 1000, MaxMode: 0o2775, Parents: planner.ParentsCreate, Fingerprint: "f00d",
		Waldur: planner.WaldurSettings{URL: "https://waldur.example.com/api/", SetBackendID: true},
		Systems: []planner.System{
			{Name: "capstor", Slugs: []string{"cscs-capstor"}, Directory: "capstor", Filesystem: "lustre",
				Archive: "capstor/.trash", ArchiveRetention: 90 * 24 * time.Hour,
				Paths: []planner.PathMapping{{Prefix: "/scratch", Folder: "capstor/legacy"}},
				Quota: planner.QuotaSettings{Kind: planner.QuotaLustre, By: planner.ByGroup,
					Shared: planner.SharedRefuse, OnRemove: "keep"}, Traits: lustreTraits},
			{Name: "vast", Directory: "vast", Filesystem: "nfs", Archive: "vast/.trash",
				Quota: planner.QuotaSettings{Kind: planner.QuotaNone, Orders: "hold"}},
		},
	}
}

// lustreTraits are the traits of Lustre.
var lustreTraits = planner.Traits{Unit: 1 << 10, Soft: true, Grace: true, MaxSpace: 1 << 60,
	MaxInodes: 1 << 48}

// id makes an item id from a short name.
func id(name string) string { return fmt.Sprintf("%032x", []byte(name))[:32] }

// orderURLs returns the callbacks of an order that is with the provider.
func orderURLs(it *planner.Item, order string,
	names ...planner.Callback) map[planner.Callback]string {
	last := map[planner.Callback]string{planner.Approve: "approve_by_provider",
		planner.Reject:       "reject_by_provider",
		planner.SetStateDone: "set_state_done", planner.SetStateErred: "set_state_erred"}
	urls := map[planner.Callback]string{}
	for _, n := range names {
		if n == planner.SetBackendID {
			urls[n] = "https://waldur.example.com/api/marketplace-provider-resources/" + it.Key.Item +
				"/set_backend_id/"
			continue
		}
		urls[n] = "https://waldur.example.com/api/marketplace-orders/" + id(order) + "/" + last[n] + "/"
	}
	return urls
}

func dec(s string) planner.Decimal {
	d, err := planner.ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

func quotas(soft, hard string) *planner.ProxyQuotas {
	return &planner.ProxyQuotas{planner.SpaceSoft: dec(soft), planner.SpaceHard: dec(hard),
		planner.InodesSoft: dec("1330000.0"), planner.InodesHard: dec("2000000.0")}
}

// project returns an active project's resource on capstor.
func project(name string, gid int64, change ...func(*planner.Item)) planner.Item {
	it := planner.Item{Key: planner.Key{Item: id(name), System: "capstor", DataType: "store"},
		Status:    planner.StatusActive,
		MountPath: "/capstor/store/cscs/eth/" + name, Permission: "2770", Target: planner.TargetProject,
		Name: name, GID: gid, HasGID: true,
		Quotas: quotas("10.0", "10.0"), Parent: id("eth")}
	for _, c := range change {
		c(&it)
	}
	return it
}

func ordered(s planner.Status) func(*planner.Item) {
	return func(it *planner.Item) {
		it.Status = s
		it.URLs = orderURLs(it, "o-"+it.Name, planner.Approve, planner.Reject, planner.SetStateDone,
			planner.SetBackendID)
	}
}

func at(path string) func(*planner.Item) { return func(it *planner.Item) { it.MountPath = path } }

// tree returns the tenant and customer above the resources of project.
func tree() []planner.Item {
	node := func(name, path, parent string, target planner.Target) planner.Item {
		return planner.Item{Key: planner.Key{Item: id(name), System: "capstor", DataType: "store"},
			Status: planner.StatusPending, MountPath: path,
			Permission: "775", Target: target, Name: name, Parent: parent}
	}
	return []planner.Item{node("cscs", "/capstor/store/cscs", "", planner.TargetTenant),
		node("eth", "/capstor/store/cscs/eth", id("cscs"), planner.TargetCustomer)}
}

// model is a storage in memory: what exists, and the quotas by identity.
type model struct {
	dirs   map[string]planner.Directory
	quotas map[uint32]planner.QuotaState
	// uncounted means that nothing counts what is in directories without a quota.
	uncounted bool
	// places has the quotas of directories, by storage path.
	places map[string]planner.QuotaState
	mounts map[string]planner.Mount
	next   uint64
}

func newModel() *model {
	m := &model{dirs: map[string]planner.Directory{}, quotas: map[uint32]planner.QuotaState{},
		places: map[string]planner.QuotaState{}, next: 100,
		mounts: map[string]planner.Mount{"capstor": {Filesystem: "lustre:capstor", Inode: 1},
			"vast": {Filesystem: "nfs:vast", Inode: 1}}}
	m.dirs["capstor"] = planner.Directory{State: planner.DirPresent, Inode: 1}
	m.dirs["vast"] = planner.Directory{State: planner.DirPresent, Inode: 1}
	return m
}

func (m *model) put(path string, gid planner.GID, mode planner.Mode) {
	m.next++
	m.dirs[path] = planner.Directory{State: planner.DirPresent, Group: gid, Mode: mode, Inode: m.next,
		HasProject: true}
}

func (m *model) observe(g *planner.Graph) planner.Observed {
	seen := planner.Observed{Mounts: m.mounts}
	for _, p := range g.Targets().All() {
		seen.Directories = append(seen.Directories, m.look(p.Path))
	}
	for _, t := range g.QuotaTargets(seen).All() {
		seen.Quotas = append(seen.Quotas, m.quotaOf(t.Subject.QuotaID()))
	}
	return seen
}

// quotaOf returns the quota of a subject; a directory may have none.
func (m *model) quotaOf(id planner.QuotaID) planner.QuotaState {
	if id.By != planner.ByDirectory {
		return m.quota(id.ID)
	}
	if q, ok := m.places[id.Path]; ok {
		return q
	}
	q := m.quota(0)
	q.Absent = true
	if m.uncounted {
		const why = "nothing counts it"
		q.Space, q.Inodes = planner.Usage[planner.Bytes]{}, planner.Usage[planner.Inodes]{}
		q.SetWhys(planner.Whys{Space: why, Inodes: why})
	}
	return q
}

// quota returns the quota of an identity. One that was never set has no limits and no usage.
func (m *model) quota(id uint32) planner.QuotaState {
	if q, ok := m.quotas[id]; ok {
		return q
	}
	return planner.QuotaState{Limits: planner.NoLimits(),
		Space:  planner.UsageOf(planner.Bytes(0)),
		Inodes: planner.UsageOf(planner.Inodes(0))}
}

func (m *model) look(path string) planner.Directory {
	if d, ok := m.dirs[path]; ok {
		return d
	}
	d := planner.Directory{State: planner.DirAbsent}
	for {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return d
		}
		path = path[:i]
		if _, ok := m.dirs[path]; ok {
			return d
		}
		d.MissingAbove++
	}
}

// apply changes the model as an apply of the plan changes the storage.
func (m *model) apply(p *planner.Plan) {
	for _, a := range p.Core.Actions {
		switch a.Kind {
		case planner.Archive:
			m.dirs[a.Folder+"/"+a.Address] = m.dirs[a.Storage]
			delete(m.dirs, a.Storage)
			continue
		case planner.Create:
			for _, up := range a.Parents {
				m.put(up, 0, 0o755)
			}
			m.put(a.Storage, 0, 0o700)
		}
		d := m.dirs[a.Storage]
		for _, c := range a.Changes {
			n, _ := c.After.Number()
			switch c.Attribute {
			case planner.Owner:
				d.Owner = planner.UID(n)
			case planner.Group:
				d.Group = planner.GID(n)
			case planner.ModeAttr:
				d.Mode, _ = c.After.Mode()
			case planner.Project:
				d.Project, d.Inherit = planner.ProjectID(n), true
			}
		}
		if a.Kind != planner.Report {
			m.dirs[a.Storage] = d
		}
		m.setQuota(&a)
	}
}

func (m *model) setQuota(a *planner.Action) {
	if a.Quota == nil {
		return
	}
	q := m.quotaOf(*a.Quota)
	for _, c := range a.Changes {
		if c.Attribute.IsQuota() {
			q.Limits[c.Attribute] = planner.LimitFrom(c.After)
		}
	}
	if a.Quota.By == planner.ByDirectory {
		q.Absent, q.Source = false, named(cmp.Or(q.Handle(), "made"))
		m.places[a.Quota.Path] = q
		return
	}
	m.quotas[a.Quota.ID] = q
}

// plan runs the whole planner on a world and a model.
func plan(w *planner.Input, m *model) (*planner.Plan, *planner.Graph) {
	if w.Settings == nil {
		w.Settings = testSettings()
	}
	w.Now = now
	g := planner.Desire(w)
	p := planner.Compare(g, m.observe(g), planner.Context{Made: now})
	reached(p)
	return p, g
}

// action returns the action on an address.
func action(t *testing.T, p *planner.Plan, address string) (planner.Action, planner.Detail) {
	t.Helper()
	for i, a := range p.Core.Actions {
		if a.Address == address {
			return a, p.Context.Details[i]
		}
	}
	t.Fatalf("no action for %s; blocked: %v, waiting: %v", address, p.Context.Blocked,
		p.Context.Waiting)
	return planner.Action{}, planner.Detail{}
}

// refusal returns why nothing is done for an address.
func refusal(p *planner.Plan, address string) (code string, waits bool) {
	for _, r := range p.Context.Blocked {
		if r.Address == address {
			return string(r.Reasons[0].Code), false
		}
	}
	for _, r := range p.Context.Waiting {
		if r.Address == address {
			return string(r.Reasons[0].Code), true
		}
	}
	return "", false
}
