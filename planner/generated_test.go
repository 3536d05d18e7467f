package planner_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == 1 }

// drawItem draws a good or bad resource from a few names, groups and paths, so that resources
// collide. It includes everything that the proxy was seen to do: every status, orders in every
// state, null, zero and negative quotas, and paths that no resource may have.
func drawItem(t *rapid.T, i int) planner.Item {
	name := fmt.Sprintf("p%d", rapid.IntRange(0, 5).Draw(t, "name"))
	it := project(name, pick(t, "gid", int64(30500), 30501, 30502, 30503, 30504, 0, 999, -1, 65534,
		1<<31))
	it.Key.Item = id(fmt.Sprintf("i%d", i))
	it.HasGID = !oneIn(t, 12, "no gid")
	if oneIn(t, 8, "nested") {
		it.MountPath += "/inner"
	}
	if oneIn(t, 8, "odd path") {
		it.MountPath = pick(t, "path", "/capstor", "/capstor/store", "/capstor/store/cscs",
			"/capstor/.trash/x", "/scratch", "/scratch/p1", "/", "//", "rel", "/capstor/../x",
			"/vast/x", "")
	}
	if oneIn(t, 4, "vast") {
		it.Key.System, it.MountPath = "vast", "/vast/store/cscs/eth/"+name
	}
	if oneIn(t, 15, "no system") {
		it.Key.System = "nowhere"
	}
	if oneIn(t, 15, "user") {
		it.Target = planner.TargetUser
	}
	it.Permission = pick(t, "mode", "2770", "2770", "770", "2775", "0700", "7777", "rwx")
	it.Quotas, it.NewQuotas = drawQuotas(t, "quotas"), drawQuotas(t, "new quotas")
	if oneIn(t, 20, "unreadable") {
		it.Problem = "quotas: no list"
	}
	it.Status = pick(t, "status", planner.StatusPending, planner.StatusActive, planner.StatusActive,
		planner.StatusUpdating, planner.StatusRemoving, planner.StatusRemoved, planner.StatusError)
	drawURLs(t, &it, fmt.Sprintf("o%d", i))
	return it
}

func drawQuotas(t *rapid.T, label string) *planner.ProxyQuotas {
	if oneIn(t, 4, label+" null") {
		return nil
	}
	q := quotas(pick(t, label+" soft", "10.0", "10.0", "20.5", "0.0", "-1", "1e-12"),
		pick(t, label+" hard", "20.5", "20.5", "10.0", "0.0", "2000000"))
	if oneIn(t, 6, label+" inodes") {
		q[planner.InodesSoft], q[planner.InodesHard] = dec(pick(t, label+" inodes soft", "0.0", "5",
			"1e15")), dec(pick(t, label+" inodes hard", "0.0", "9.9"))
	}
	return q
}

func drawURLs(t *rapid.T, it *planner.Item, order string) {
	switch pick(t, "order", "none", "provider", "provider", "executing", "customer", "evil") {
	case "provider":
		it.URLs = orderURLs(it, order, planner.Approve, planner.Reject, planner.SetStateDone,
			planner.SetBackendID)
	case "executing":
		it.URLs = orderURLs(it, order, planner.SetStateDone, planner.SetStateErred,
			planner.SetBackendID)
	case "customer":
		it.URLs = orderURLs(it, order, planner.SetBackendID)
	case "evil":
		it.URLs = map[planner.Callback]string{
			planner.Approve: "https://evil.example.com/api/marketplace-orders/" + id(order) +
				"/approve_by_provider/"}
	}
}

// drawAnswer draws Waldur's answer about an item's order, mostly one that fits the item's status.
func drawAnswer(t *rapid.T, it *planner.Item) planner.OrderAnswer {
	if oneIn(t, 5, "no answer") {
		return planner.OrderAnswer{Why: "404"}
	}
	o := planner.Order{Resource: it.Key.Item, State: pick(t, "state", planner.OrderPendingProvider,
		planner.OrderExecuting, planner.OrderExecuting, planner.OrderPendingConsumer,
		planner.OrderCanceled, planner.OrderDone)}
	o.Type = map[planner.Status]planner.OrderType{planner.StatusPending: planner.OrderCreate,
		planner.StatusRemoving: planner.OrderTerminate}[it.Status]
	if o.Type == "" || oneIn(t, 10, "another type") {
		o.Type = pick(t, "type", planner.OrderUpdate, planner.OrderTerminate, planner.OrderCreate,
			planner.OrderRestore, "Suspend")
	}
	if o.HasLimits = rapid.Bool().Draw(t, "limits"); !o.HasLimits &&
		rapid.Bool().Draw(t, "options") {
		o.Options = &planner.Options{Quotas: planner.ProxyQuotas{planner.SpaceHard: dec(pick(t,
			"option", "15", "0", "40"))}, Permission: pick(t, "permission", "", "2750")}
	}
	return planner.OrderAnswer{Order: o}
}

func drawInput(t *rapid.T) (*planner.Input, *model) {
	w := &planner.Input{Settings: testSettings(), Items: tree(), Complete: true,
		Orders: map[string]planner.OrderAnswer{}}
	w.Settings.Systems[0].Quota.Shared = pick(t, "shared", planner.SharedRefuse, planner.SharedSum,
		planner.SharedMax)
	w.Settings.Systems[1].Quota.Orders = pick(t, "orders", "hold", "complete")
	w.Settings.Parents = pick(t, "parents", planner.ParentsCreate, planner.ParentsEnforce)
	if quota := &w.Settings.Systems[0].Quota; oneIn(t, 3, "by project") {
		quota.By = planner.ByProject
		if rapid.Bool().Draw(t, "range") {
			quota.ProjectIDs = planner.ProjectRange{First: 100, Last: 103}
		}
	}
	for i := range rapid.IntRange(0, 8).Draw(t, "items") {
		w.Items = append(w.Items, drawItem(t, i))
		if it := &w.Items[len(
			w.Items)-1]; it.URLs[planner.Approve]+it.URLs[planner.SetStateDone] != "" &&
			!oneIn(t, 4, "not asked") {
			answer := drawAnswer(t, it)
			answer.Order.ID = id(fmt.Sprintf("o%d", i))
			w.Orders[answer.Order.ID] = answer
		}
	}
	m := drawModel(t)
	w.Recorded = drawRecorded(t, w.Items, m)
	if oneIn(t, 3, "override") {
		w.Overrides = append(w.Overrides,
			says{path: fmt.Sprintf("/capstor/store/cscs/eth/p%d",
				rapid.IntRange(0, 5).Draw(t, "overridden")), then: drawWishes(t)})
	}
	if oneIn(t, 6, "hold") {
		w.Holds = []planner.Hold{{Glob: pick(t, "held", "/capstor/**/p1", "/vast/**",
			"/capstor/store/cscs/eth", "/**/p2/**"), Reason: "incident", By: "root"}}
	}
	if oneIn(t, 6, "selection") {
		w.Selection = planner.Selection{Targets: []string{pick(t, "target", "/capstor/**", "/**/p1",
			"/nobody")}}
	}
	return w, m
}

func drawWishes(t *rapid.T) planner.Wishes {
	return pick(t, "wishes", limits(tib, 2*tib), limits(3*tib, 2*tib),
		planner.Wishes{Manage: ptr(false)}, planner.Wishes{Group: ptr(planner.GID(30501))},
		planner.Wishes{Group: ptr(planner.GID(7))}, planner.Wishes{Mode: ptr("0750")},
		planner.Wishes{Mode: ptr("0777")}, planner.Wishes{Owner: ptr(planner.UID(4242))})
}

// drawModel draws a storage on which some resources already exist, with limits and usage, and some
// cannot be seen.
func drawModel(t *rapid.T) *model {
	m := newModel()
	for range rapid.IntRange(0, 6).Draw(t, "dirs") {
		sys := pick(t, "on", "capstor", "vast")
		for _, up := range []string{"/store", "/store/cscs", "/store/cscs/eth"} {
			if _, ok := m.dirs[sys+up]; !ok {
				m.put(sys+up, 0, pick(t, "parent mode", planner.Mode(0o775), 0o755))
			}
		}
		at := fmt.Sprintf("%s/store/cscs/eth/p%d", sys, rapid.IntRange(0, 5).Draw(t, "dir"))
		m.put(at, pick(t, "dir group", planner.GID(30500), 30501),
			pick(t, "dir mode", planner.Mode(0o2770), 0o700, 0o1777))
		d := m.dirs[at]
		d.Born = pick(t, "born", int64(0), 5, 7)
		if oneIn(t, 4, "acl") {
			d.ACL = stranger
		}
		d.Project, d.Inherit = pick(t, "project", planner.ProjectID(0), 101, 102, 500),
			rapid.Bool().Draw(t, "inherit")
		m.dirs[at] = d
		if oneIn(t, 6, "trouble") {
			d.State, d.Why = pick(t, "trouble is", planner.DirUnknown, planner.DirObstructed),
				"trouble"
			m.dirs[at] = d
		}
	}
	for gid := uint32(30500); gid < 30505; gid++ {
		if !rapid.Bool().Draw(t, "quota") {
			continue
		}
		q := m.quota(gid)
		q.Limits[planner.SpaceHard] = pick(t, "limit", planner.LimitOf(10*tib),
			planner.LimitOf(40*tib), planner.Unlimited())
		q.Space = planner.UsageOf(pick[planner.Bytes](t, "used", 0, tib, 30*tib))
		var why planner.Whys
		if oneIn(t, 5, "usage unknown") {
			q.Space, why.Space = planner.Usage[planner.Bytes]{}, "no valid bit"
		}
		if oneIn(t, 8, "limits unknown") {
			why.Limits = "lfs gave [0]"
		}
		q.SetWhys(why)
		m.quotas[gid] = q
	}
	if oneIn(t, 15, "mount") {
		m.mounts["vast"] = pick(t, "mount is", planner.Mount{Unknown: "it hangs"},
			planner.Mount{Problem: "it is not mounted"})
	}
	return m
}

// drawRecorded records some of what exists, as it is or as it was, something that is no longer
// listed, and something that was archived.
func drawRecorded(t *rapid.T, items []planner.Item, m *model) planner.Recorded {
	r := planner.Recorded{Archived: map[planner.Key]planner.Archived{}}
	var stand []planner.Record
	for _, it := range items {
		storage := strings.TrimPrefix(it.MountPath, "/")
		d, stands := m.dirs[storage]
		if it.Target.IsBranch() || !oneIn(t, 3, "recorded") {
			continue
		}
		if oneIn(t, 8, "elsewhere") {
			storage += "-old"
		}
		rec := planner.Record{Key: it.Key, Address: "/" + storage, System: it.Key.System,
			Storage: storage, Target: it.Target, Group: d.Group, Mode: 0o2770, At: now}
		if stands {
			rec.Inode, rec.Born = pick(t, "inode", d.Inode, d.Inode, 0, 1),
				pick(t, "born", d.Born, d.Born, 0, 9)
		}
		if it.Key.System == "capstor" {
			rec.QuotaBy, rec.QuotaID, rec.Claim = planner.ByGroup, 30500,
				planner.Limits{planner.SpaceHard: planner.LimitOf(10 * tib)}
		}
		if stands || oneIn(t, 2, "missing") {
			stand = append(stand, rec)
		} else {
			r.Archived[it.Key] = planner.Archived{Key: it.Key, Address: rec.Address,
				System: rec.System, Storage: storage, Archive: "capstor/.trash/" + it.Key.Item[:8],
				Inode: 77,
				Group: 30500, Mode: 0o2770, QuotaBy: rec.QuotaBy, QuotaID: rec.QuotaID,
				Claim: rec.Claim, At: now}
			m.dirs["capstor/.trash/"+it.Key.Item[:8]] = planner.Directory{State: planner.DirPresent,
				Group: 30500, Mode: 0o2770, Inode: 77}
		}
	}
	r.Records = records(stand...).Records
	return r
}
