package planner_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

func shared(policy planner.SharedPolicy) *planner.Settings {
	s := testSettings()
	s.Systems[0].Quota.Shared = policy
	return s
}

// hardOf is the hard space limit in TiB that a plan gives a group, 0 if it gives none.
func hardOf(p *planner.Plan, gid uint32) uint64 {
	for _, a := range p.Core.Actions {
		if v, ok := a.After(planner.SpaceHard); ok && a.Quota != nil && a.Quota.ID == gid {
			n, _ := v.Number()
			return n >> 40
		}
	}
	return 0
}

// claiming is a record at 5 TiB.
func claiming(name string, gid planner.GID) planner.Record {
	r := recordOf(name, gid)
	r.Claim[planner.SpaceSoft], r.Claim[planner.SpaceHard] = planner.LimitOf(5*tib),
		planner.LimitOf(5*tib)
	return r
}

// These are what each kind of resource adds to another's claim of 10 TiB, if it asks for 20 TiB and
// is recorded at 5 TiB, or not recorded.
func TestClaims(t *testing.T) {
	twenty := func(it *planner.Item) { it.Quotas = quotas("20.0", "20.0") }
	status := func(s planner.Status) func(
		*planner.Item) {
		return func(it *planner.Item) { it.Status = s }
	}
	terminate := map[string]planner.OrderAnswer{
		id("o-chem"): {Order: planner.Order{ID: id("o-chem"), Resource: id("chem"),
			Type: planner.OrderTerminate, State: planner.OrderPendingProvider}}}
	unmanaged := false
	for name, c := range map[string]struct {
		other           *planner.Item
		world           planner.Input
		recorded, never uint64 // what the two come to by sum, in TiB
		max             uint64 // by max, recorded
	}{
		"active": {other: ptr(project("chem", 30500, twenty)), recorded: 30,
			never: 30, max: 20},
		"blocked": {other: ptr(project("chem", 30500, twenty,
			func(it *planner.Item) { it.Permission = "rwx" })), recorded: 15, never: 10, max: 10},
		"unlisted": {recorded: 15, never: 10, max: 10},
		"unmanaged": {other: ptr(project("chem", 30500, twenty)),
			world: planner.Input{Overrides: []planner.Override{manage{&unmanaged}}}, recorded: 15,
			never: 10, max: 10},
		"removing": {other: ptr(project("chem", 30500, twenty,
			ordered(planner.StatusRemoving))), world: planner.Input{Orders: terminate},
			recorded: 15, never: 10, max: 10},
		"not targeted": {other: ptr(project("chem", 30500, twenty)),
			world:    planner.Input{Selection: planner.Selection{Targets: []string{bio}}},
			recorded: 15, never: 10, max: 10},
		"error without an order": {other: ptr(project("chem", 30500, twenty,
			status(planner.StatusError))), recorded: 30, never: 30, max: 20},
		"waiting create": {other: ptr(project("chem", 30500, twenty,
			status(planner.StatusPending))), recorded: 15, never: 10, max: 10},
		"waiting update": {other: ptr(project("chem", 30500, twenty,
			status(planner.StatusUpdating))), recorded: 15, never: 10, max: 10},
		"another group": {other: ptr(project("chem", 30501, twenty)), recorded: 10,
			never: 10, max: 10},
		"removed": {other: ptr(project("chem", 30500, twenty,
			status(planner.StatusRemoved))), recorded: 15, never: 10, max: 10},
		"on a system without any": {other: ptr(project("chem", 30500, twenty, at("/vast/x"),
			func(it *planner.Item) { it.Key.System = "vast" })), recorded: 15, never: 10, max: 10},
	} {
		for _, policy := range []planner.SharedPolicy{planner.SharedSum, planner.SharedMax} {
			for _, recorded := range []bool{true, false} {
				w := c.world
				w.Settings, w.Items = shared(policy), items(project("bio", 30500))
				if c.other != nil {
					w.Items = append(w.Items, *c.other)
				}
				want := c.never
				if recorded {
					gid := planner.GID(30500)
					if name == "another group" {
						gid = 30501
					}
					w.Recorded, want = records(claiming("chem", gid)), c.recorded
				}
				if policy == planner.SharedMax {
					want = c.max
				}
				p, _ := plan(&w, newModel())
				if got := hardOf(p, 30500); got != want {
					t.Errorf("%s, by %s, recorded %v: %d TiB, want %d", name, policy, recorded, got,
						want)
				}
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// manage leaves chem alone.
type manage struct{ to *bool }

func (m manage) Source() planner.Provenance { return planner.Provenance{From: planner.FromOverride} }
func (m manage) Expired(time.Time) bool     { return false }
func (m manage) GivesGroup() bool           { return false }

func (m manage) Matches(f planner.Facts) bool { return f.Project == "chem" }
func (m manage) Apply(planner.Upstream) (planner.Wishes, error) {
	return planner.Wishes{Manage: m.to}, nil
}

// The files of an archived directory still belong to its group. Its claim counts if several claims
// are allowed, and never conflicts.
func TestArchivedClaims(t *testing.T) {
	r := claiming("chem", 30500)
	archived := planner.Recorded{Archived: map[planner.Key]planner.Archived{r.Key: {Key: r.Key,
		System: "capstor", QuotaBy: r.QuotaBy, QuotaID: r.QuotaID, Claim: r.Claim}}}
	for policy, want := range map[planner.SharedPolicy]uint64{planner.SharedSum: 15,
		planner.SharedMax: 10, planner.SharedRefuse: 10} {
		p, _ := plan(&planner.Input{Settings: shared(policy), Items: items(project("bio", 30500)),
			Recorded: archived}, newModel())
		if got := hardOf(p, 30500); got != want {
			t.Errorf("%s: %d TiB, want %d", policy, got, want)
		}
	}
}

// TestArchivedAndOtherClaims: a resource that is archived, and is recorded or listed again, counts
// once on one quota, and on each of two, whoever else uses these.
func TestArchivedAndOtherClaims(t *testing.T) {
	archived := archivedFrom(claiming("chem", 30500))
	for _, gid := range []planner.GID{30500, 30501} {
		for _, isListed := range []bool{false, true} {
			for _, others := range [][]planner.Item{nil, {project("dora", 30501)}} {
				w := &planner.Input{Settings: shared(planner.SharedSum),
					Items: append(items(project("bio", 30500)), others...)}
				want := uint64(15)
				if w.Recorded = records(claiming("chem", gid)); isListed {
					w.Items, w.Recorded = append(w.Items, project("chem", int64(gid))), planner.Recorded{}
				}
				if isListed && gid == 30500 {
					want = 20 // as it is wanted
				}
				w.Recorded.Archived = map[planner.Key]planner.Archived{archived.Key: archived}
				p, _ := plan(w, newModel())
				if got := hardOf(p, 30500); got != want {
					t.Errorf("group %d, listed %t, %d others: %d TiB, want %d", gid, isListed, len(others),
						got, want)
				}
			}
		}
	}
}

// shared = "refuse" stops the quota of that identity and the orders that need it, and shows the
// line to write. Directories are still changed.
func TestRefusedClaims(t *testing.T) {
	w := &planner.Input{Items: items(project("bio", 30500, ordered(planner.StatusPending)),
		project("chem", 30500), project("phys", 30501, ordered(planner.StatusPending)))}
	p, _ := plan(w, newModel())
	a, _ := action(t, p, bio)
	if a.Kind != planner.Create || a.Quota != nil || len(a.Callbacks) != 0 {
		t.Errorf("%+v, want a directory, no quota, and an open order", a)
	}
	i := slices.IndexFunc(p.Context.Blocked,
		func(r planner.Refusal) bool { return r.Address == bio })
	if i < 0 || !p.Context.Blocked[i].QuotaOnly ||
		!strings.Contains(p.Context.Blocked[i].Reasons[0].Text,
			`in system "capstor", quota block, set shared = "sum"`) {
		t.Errorf("blocked: %+v", p.Context.Blocked)
	}
	if a, _ := action(t, p, "/capstor/store/cscs/eth/phys"); a.Quota == nil ||
		len(a.Callbacks) == 0 {
		t.Errorf("another group's is stopped too: %+v", a)
	}
	if hardOf(p, 30500) != 0 {
		t.Error("the quota is set all the same")
	}
}

// A claim of unknown value, even of one limit, leaves the quota as it is, and the orders that need
// it open.
func TestUnknownClaims(t *testing.T) {
	partly := claiming("gone", 30500)
	partly.Claim[planner.InodesHard] = planner.Limit{}
	for name, w := range map[string]planner.Input{
		"null": {Items: items(project("bio", 30500, ordered(planner.StatusPending)),
			project("chem", 30500, func(it *planner.Item) { it.Quotas = nil }))},
		"a hard 0": {Items: items(project("bio", 30500, ordered(planner.StatusPending)),
			project("chem", 30500, func(it *planner.Item) { it.Quotas = quotas("0.0", "0.0") }))},
		"recorded in part": {Items: items(project("bio", 30500, ordered(planner.StatusPending))),
			Recorded: records(partly)},
	} {
		w.Settings = shared(planner.SharedSum)
		p, _ := plan(&w, newModel())
		a, _ := action(t, p, bio)
		if code, _ := refusal(p, bio); code != "claim_unknown" || a.Kind != planner.Create ||
			a.Quota != nil || len(a.Callbacks) != 0 {
			t.Errorf("%s: %q, %+v", name, code, a)
		}
	}
	w := planner.Input{Settings: shared(planner.SharedSum),
		Items: items(project("bio", 30500, func(it *planner.Item) { it.Quotas = nil }))}
	p, _ := plan(&w, newModel())
	if code, _ := refusal(p, bio); code != "" || hardOf(p, 30500) != 0 {
		t.Errorf("alone: %q", code)
	}
}

// Sums that no number holds are refused, not wrapped around.
func TestSumsDoNotWrap(t *testing.T) {
	var many []planner.Item
	for i := range 17 {
		many = append(many, project("p"+string(rune('a'+i)), 30500,
			func(it *planner.Item) { it.Quotas = quotas("1048576", "1048576") }))
	}
	p, _ := plan(&planner.Input{Settings: shared(planner.SharedSum), Items: items(many...)},
		newModel())
	if code, _ := refusal(p, "/capstor/store/cscs/eth/pa"); code != "shared" ||
		hardOf(p, 30500) != 0 {
		t.Errorf("refused by %q, set to %d TiB", code, hardOf(p, 30500))
	}
}

// Systems on one filesystem share their identities. If they disagree about how claims combine, no
// quota is set.
func TestClaimsOfTwoSystems(t *testing.T) {
	world := func(second planner.SharedPolicy) (planner.Input, *model) {
		s := shared(planner.SharedSum)
		more := s.Systems[0]
		more.Name, more.Slugs, more.Directory, more.Paths, more.Archive = "bulk", nil, "bulk", nil,
			"bulk/.trash"
		more.Quota.Shared = second
		s.Systems = []planner.System{more, s.Systems[0], s.Systems[1]}
		m := newModel()
		m.mounts["bulk"] = planner.Mount{Filesystem: "lustre:capstor", Inode: 7}
		m.put("bulk", 0, 0o755)
		other := project("chem", 30500, at("/bulk/chem"),
			func(it *planner.Item) { it.Key.System = "bulk" })
		return planner.Input{Settings: s, Items: items(project("bio", 30500), other)}, m
	}
	w, m := world(planner.SharedSum)
	p, g := plan(&w, m)
	if got := hardOf(p, 30500); got != 20 {
		t.Errorf("%d TiB, want 20", got)
	}
	if targets := g.QuotaTargets(m.observe(g)); targets.Len() != 1 ||
		targets.At(0).System != "bulk" {
		t.Errorf("asked %d times, want once, at the first system by name", targets.Len())
	}
	w, m = world(planner.SharedMax)
	p, _ = plan(&w, m)
	if code, _ := refusal(p, bio); code != "shared" || hardOf(p, 30500) != 0 {
		t.Errorf("refused by %q", code)
	}
}

// A quota that nobody claims is neither read nor changed. A quota that the default covers is shown
// as such.
func TestDefaultAndUnclaimed(t *testing.T) {
	m := newModel()
	m.put("capstor/store/cscs/eth/bio", 30500, 0o2770)
	q := m.quota(30500)
	q.DefaultSpace, q.Source = true, &planner.QuotaSource{Via: "ioctl"}
	q.Limits[planner.SpaceHard] = planner.LimitOf(tib)
	m.quotas[30500] = q
	m.quotas[31000] = planner.QuotaState{
		Limits: planner.Limits{planner.SpaceHard: planner.LimitOf(tib)}}
	p, g := plan(&planner.Input{Items: items(project("bio", 30500))}, m)
	_, d := action(t, p, bio)
	if !d.Usage.DefaultSpace || d.Usage.DefaultInodes || d.Usage.Via != "ioctl" {
		t.Errorf("%+v", d.Usage)
	}
	for _, target := range g.QuotaTargets(m.observe(g)).All() {
		if target.Subject.ID != 30500 {
			t.Errorf("%+v is asked for, and nobody claims it", target)
		}
	}
	for _, a := range p.Core.Actions {
		if a.Quota != nil && a.Quota.ID != 30500 {
			t.Errorf("%+v changes a quota that nobody claims", a)
		}
	}
}

// The plan warns about limits so small that Lustre enforces them only roughly; 1 GiB and 1,024
// inodes are not small.
func TestSmallLimits(t *testing.T) {
	for _, c := range []struct {
		space, inodes string
		want          int
	}{{"0.0009765625", "1024", 0}, {"0.0009765624", "1024", 1}, {"1", "1023", 1},
		{"0.0001", "10", 2}} {
		it := project("bio", 30500, func(it *planner.Item) {
			it.Quotas = &planner.ProxyQuotas{planner.SpaceSoft: dec(c.space),
				planner.SpaceHard: dec(c.space), planner.InodesSoft: dec(c.inodes),
				planner.InodesHard: dec(c.inodes)}
		})
		p, _ := plan(&planner.Input{Items: items(it)}, newModel())
		n := 0
		for _, w := range p.Context.Warnings {
			if w.Code == "small_limit" {
				n++
			}
		}
		if n != c.want {
			t.Errorf("%s, %s: %d warnings, want %d: %v", c.space, c.inodes, n, c.want,
				p.Context.Warnings)
		}
	}
}
