package planner

import (
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// absent decides what to do about a directory that should exist and does not.
func (c *comparison) absent(n *node, dir *Directory, d *decision) Reason {
	w := c.g.input
	archived, inArchive := w.Recorded.Archived[n.item.Key]
	switch {
	case inArchive:
		return c.restore(n, archived, dir, d)
	case n.intent == intentRestore:
		return archiveGone(n)
	case d.recorded && d.record.Storage == n.storage:
		d.action.Danger = append(d.action.Danger, DangerMissing)
		d.detail.Reasons = append(d.detail.Reasons,
			Reason{reason.Missing, "it was here " + day(d.record.At) +
				" and is gone: find out why before you recreate it, because the new directory is " +
				"empty"})
	}
	c.create(n, dir, d)
	return Reason{}
}

// create plans a directory that is to be made or finished.
func (c *comparison) create(n *node, dir *Directory, d *decision) {
	d.action.Kind = Create
	c.reasonOfIntent(n, d, reason.ActiveAbsent,
		"Waldur lists it as active, but its directory does not exist")
	c.needParents(n, dir, d)
	c.changeDirectory(n, nil, d)
	c.changeQuota(n, d, true)
	c.sayLimitsExist(n, d)
	c.doubtAbove(n, d)
	c.warnArchivedHere(n)
	c.wideMode(n, d)
	c.unlimited(n, d)
	c.callbacks(n, d)
}

// archiveGone refuses to restore what is not archived, because an empty directory is not what the
// order asks for.
func archiveGone(n *node) Reason {
	return Reason{reason.NotArchived,
		fmt.Sprintf("order %s restores it, but nothing is archived under its key. If the archive "+
			"register was lost, run `cscs-sync archive rescan`; if its data is gone, reject "+
			"the order with `cscs-sync plan --reject '%s=REASON'`",
			ShortID(n.order), n.address())}
}

// warnArchivedHere warns that the data of another resource was archived from the path of a new
// directory, so that the new one is empty.
func (c *comparison) warnArchivedHere(n *node) {
	if len(c.g.input.Recorded.Archived) == 0 {
		return
	}
	if c.archivedAt == nil {
		c.archivedAt = map[Place]Archived{}
		for _, a := range c.g.sortedArchive() {
			c.archivedAt[Place{a.System, a.Storage}] = a
		}
	}
	if a, ok := c.archivedAt[Place{n.system.Name, n.storage}]; ok && a.Key != n.item.Key {
		c.g.warn(reason.ArchivedHere, n.address(),
			"the directory of another resource (item %s) was archived from this path %s and "+
				"is now in %s: the new directory is empty", ShortID(a.Key.Item), day(a.At), a.Archive)
	}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// needParents lists the missing ancestors. Tenants and customers get entries of their own; the
// others are made root:root 0755.
func (c *comparison) needParents(n *node, dir *Directory, d *decision) {
	path := n.storage
	for range dir.MissingAbove {
		up, ok := ParentOf(path)
		if !ok {
			break
		}
		path = up
		if parent := c.g.branchAt(path); parent != nil {
			d.parents = append(d.parents, parent)
		} else {
			d.action.Parents = append(d.action.Parents, path)
		}
	}
	slices.Reverse(d.action.Parents)
}

// present compares an existing directory with what is wanted.
func (c *comparison) present(n *node, dir *Directory, d *decision) Reason {
	if r, ok := c.unfinished(n, d, dir); ok {
		return c.finishCreate(n, r, dir, d)
	}
	if a, ok := c.g.input.Recorded.Archived[n.item.Key]; ok && n.intent == intentRestore &&
		a.Inode != dir.Inode {
		return Reason{reason.Obstructed,
			fmt.Sprintf("order %s restores it from %s, but another directory stands at its old path: "+
				"move that directory away",
				ShortID(n.order), a.Archive)}
	}
	d.replaced = d.recorded && n.isReplaced(&d.record, dir)
	if d.recorded {
		c.drift(n, d, dir)
	}
	c.changeDirectory(n, dir, d)
	c.changeQuota(n, d, false)
	if d.quota.Code != "" {
		d.leaveTree()
	}
	c.callbacks(n, d)
	switch {
	case d.replaced: // even if it is as wanted: a person has to look at it before it is recorded
		d.action.Kind = Adopt
	case len(d.action.Changes) > 0 && d.recorded:
		d.action.Kind = Update
	case len(d.action.Changes) > 0:
		d.action.Kind = Adopt
	case len(d.action.Callbacks) > 0:
		if why := c.undelivered(n); why.Code != "" {
			return why
		}
		d.action.Kind = Report
	default:
		c.warnOfWhatStands(n, dir)
		return Reason{}
	}
	d.action.Inode = dir.Inode
	c.explain(n, d, dir)
	return Reason{}
}

// undelivered makes a resource wait for callbacks that an earlier apply could not deliver, because
// sending them twice helps nobody.
func (c *comparison) undelivered(n *node) Reason {
	for _, u := range c.g.input.Recorded.Undelivered {
		if u.Key == n.item.Key && u.Order == n.order {
			return Reason{reason.Undelivered,
				fmt.Sprintf("its callback %s %s; see `cscs-sync callbacks list`", u.Callback,
					u.Words(day))}
		}
	}
	return Reason{}
}

// explain gives the reasons and dangers of an update, an adoption or a report.
func (c *comparison) explain(n *node, d *decision, dir *Directory) {
	drifted, overridden := false, ""
	for i, note := range d.detail.Notes {
		drifted = drifted || note.Drift
		if note.Provenance.From == FromOverride && overridden == "" {
			overridden = note.Provenance.Override
		}
		c.dangerOf(&d.action.Changes[i], dir, d)
	}
	c.wideMode(n, d)
	c.unlimited(n, d)
	switch {
	case d.replaced:
		c.markReplaced(n, dir, d)
	case d.action.Kind == Adopt:
		d.detail.Reasons = append(d.detail.Reasons,
			Reason{reason.Adopt, "it exists, is not recorded yet, and differs from what is wanted"})
	}
	if n.order != "" {
		c.reasonOfIntent(n, d, "", "")
	}
	if drifted {
		d.detail.Reasons = append(d.detail.Reasons,
			Reason{reason.Drift, "it was changed outside of cscs-sync"})
	}
	if overridden != "" {
		d.detail.Reasons = append(d.detail.Reasons,
			Reason{reason.Override, fmt.Sprintf("override %q asks for it", overridden)})
	}
	if len(d.detail.Reasons) == 0 && d.recorded {
		d.detail.Reasons = []Reason{{reason.WishChanged, "the proxy now asks for other values"}}
	}
	c.sayLeftBehind(n, dir, d)
	if d.action.Kind == Adopt {
		c.sayLimitsExist(n, d)
	}
	c.sayACL(d, dir)
}

func (c *comparison) reasonOfIntent(n *node, d *decision, code reason.Code, text string) {
	switch n.intent {
	case intentCreate:
		code, text = reason.OrderCreate, fmt.Sprintf("order %s asks for it", ShortID(n.order))
	case intentUpdate:
		code, text = reason.OrderUpdate, fmt.Sprintf("order %s changes it", ShortID(n.order))
	case intentRestore:
		code, text = reason.OrderRestore, fmt.Sprintf("order %s restores it", ShortID(n.order))
	}
	d.detail.Reasons = append(d.detail.Reasons, Reason{code, text})
}

// remove plans to archive what an order terminates. Only an order of this status leads here.
func (c *comparison) remove(n *node, dir *Directory, d *decision) Reason {
	because := Reason{reason.OrderTerminate, fmt.Sprintf("order %s terminates it",
		ShortID(n.order))}
	if n.item.Status == StatusError {
		because = Reason{reason.ErrorTerminate,
			fmt.Sprintf("order %s terminates it, and its status is error", ShortID(n.order))}
	}
	c.callbacks(n, d)
	if dir.State == DirAbsent {
		if why := c.undelivered(n); why.Code != "" {
			return why
		}
		d.action.Kind = Report
		d.detail.Reasons = []Reason{because}
		if _, ok := c.g.input.Recorded.Archived[n.item.Key]; !ok {
			d.action.Danger = []Danger{DangerMissing}
			d.detail.Reasons = append(d.detail.Reasons,
				Reason{reason.Missing,
					"its directory is gone, and cscs-sync did not archive it"})
		}
		return Reason{}
	}
	if why := c.seen.Mounts[n.system.Name].Archive; why != "" {
		return Reason{reason.Archive, why}
	}
	d.action.Kind, d.action.Inode = Archive, dir.Inode
	d.action.Folder, d.action.Retention = n.system.Archive, n.system.ArchiveRetention
	d.action.Danger = []Danger{DangerArchive}
	d.detail.Reasons = []Reason{because}
	if d.replaced = d.recorded && n.isReplaced(&d.record, dir); d.replaced {
		c.markReplaced(n, dir, d)
	}
	for a := range attributes {
		row := &attributes[a]
		if row.wanted != nil {
			before, _ := row.observed(dir)
			d.action.Changes = append(d.action.Changes, Change{Attribute(a), before, Value{}})
		}
	}
	if dir.HasProject {
		d.action.Changes = append(d.action.Changes, Change{Project, Number(uint64(dir.Project)),
			Value{}})
	}
	d.detail.Notes = make([]ChangeNote, len(d.action.Changes))
	for i := range d.detail.Notes {
		d.detail.Notes[i].Provenance = Provenance{From: FromProxy}
	}
	if id, ok := n.subjectOf(c.seen.Mounts[n.system.Name]); ok {
		d.action.Quota = id.inPlan()
		alone := c.leave(n, id) == 0
		d.action.Freeze = alone && n.system.Quota.OnRemove == OnRemoveFreeze
		d.detail.Tool = n.system.Quota.Tool
		if n.claims >= 0 && c.claims.list[n.claims].state != nil {
			s := &c.claims.list[n.claims]
			d.detail.Usage, d.action.Handle = s.usage(), s.state.Handle()
			d.action.Unlimit = alone && n.system.Quota.OnRemove == OnRemoveRemove &&
				id.By == ByDirectory && s.state.LimitsWhy() == "" &&
				!s.state.Absent
		}
	}
	return Reason{}
}

// leave notes that a node gives up its claim on a quota identity, and counts the claims of others.
// If others use the quota, it is not frozen, because that would stop them.
func (c *comparison) leave(n *node, id Subject) int32 {
	others := c.others(n, id)
	if n.claims >= 0 {
		c.leaving[id] += c.claims.list[n.claims].claims - others
	}
	if others > 0 && n.system.Quota.OnRemove == OnRemoveFreeze {
		c.g.warn(reason.NotFrozen, n.address(),
			`the limits of %s stay when it is archived, although on_remove is "freeze": `+
				"others use this quota", id)
	}
	return others
}

// others counts the claims on a removed node's quota identity, except its own. Its own claim counts
// at its recorded value, or at the register's value once the directory is archived.
func (c *comparison) others(n *node, id Subject) int32 {
	if n.claims < 0 {
		return 0
	}
	claims := c.claims.list[n.claims].claims
	rec, _ := c.g.recordOf(n)
	kept := c.g.input.Recorded.Archived[n.item.Key]
	recorded := rec.claims(id)
	archived := kept.claims(id) && kept.System == n.system.Name && id.By != ByDirectory &&
		n.system.Quota.Shared != SharedRefuse
	if claims > 0 && (recorded || archived) {
		claims--
	}
	return claims
}

// restore brings an archived directory back to its old path, because an order asks for it or
// because Waldur lists it as active.
func (c *comparison) restore(n *node, a Archived, dir *Directory, d *decision) Reason {
	d.action.Kind, d.action.From, d.action.Inode = Restore, a.Archive, a.Inode
	switch {
	case d.asked:
		d.detail.Reasons = []Reason{{reason.Asked, "requested on the command line"}}
	case n.intent == intentRestore, n.intent == intentCreate:
		c.reasonOfIntent(n, d, "", "")
		d.detail.Reasons = append(d.detail.Reasons,
			Reason{reason.Archived, "it was archived " + day(a.At)})
	default:
		d.action.Danger = []Danger{DangerMissing}
		d.detail.Reasons = []Reason{{reason.Archived,
			fmt.Sprintf("it was archived %s, but Waldur lists it as active", day(a.At))}}
	}
	c.needParents(n, dir, d)
	archived := a.record()
	for at := NumLimits; at < numAttributes; at++ {
		if after, ok := archived.Attribute(at); ok && at != ACLAttr {
			d.action.Changes = append(d.action.Changes, Change{at, Value{}, after})
		}
	}
	d.detail.Notes = make([]ChangeNote, len(d.action.Changes))
	for i := range d.detail.Notes {
		d.detail.Notes[i].Provenance = Provenance{From: FromArchive}
	}
	c.changeQuota(n, d, false)
	c.wideMode(n, d)
	c.unlimited(n, d)
	c.takenOver(n, a, d)
	if n.intent == intentRestore || n.intent == intentCreate {
		c.callbacks(n, d)
	}
	return Reason{}
}

// verdictOf reports whether the command line rejects or fails the order of this resource.
func (c *comparison) verdictOf(n *node) (ActionKind, OrderVerdict, bool) {
	for _, v := range c.g.input.Selection.Rejects {
		if v.Address == n.address() {
			return RejectOrder, v, true
		}
	}
	for _, v := range c.g.input.Selection.Fails {
		if v.Address == n.address() {
			return FailOrder, v, true
		}
	}
	return "", OrderVerdict{}, false
}

// tellOrder plans to end an order without touching the storage.
func (c *comparison) tellOrder(n *node, d *decision, kind ActionKind, v OrderVerdict) Reason {
	call := Reject
	if kind == FailOrder {
		call = SetStateErred
	}
	if c.g.callers(n.address(), call) > 1 {
		return Reason{reason.Ambiguous,
			"several resources with an order have this address, so the address does not say " +
				"which one is meant"}
	}
	if !n.offers(call) {
		return Reason{reason.NoCallback,
			fmt.Sprintf("Waldur offers no %s for it now (an order can be rejected until it is approved, "+
				"and failed after that)", call)}
	}
	d.action.Kind, d.action.Verdict, d.action.Callbacks = kind, v.Reason, []Callback{call}
	d.detail.Reasons = []Reason{{reason.Asked, "requested on the command line: " + v.Reason}}
	return Reason{}
}

// callbacks lists the callbacks that are due when the storage is as the order wants it. If the
// quota cannot be set, or nobody sets quotas, the order stays open.
func (c *comparison) callbacks(n *node, d *decision) {
	if n.order == "" || n.intent == intentExists {
		return
	}
	if d.quota.Code != "" {
		return
	}
	if !n.system.Quota.Sets() && n.system.Quota.Orders != "complete" && n.quota.Known() &&
		n.intent != intentRemove {
		d.quota = Reason{reason.OrdersHeld,
			fmt.Sprintf("its order %s asks for quotas, which nobody sets on system %s; set them by hand "+
				`and write orders = "complete" in its quota block, or leave it to the other system`,
				ShortID(n.order), n.system.Name)}
		return
	}
	w := c.g.input.Settings.Waldur
	for _, call := range []struct {
		name Callback
		send bool
	}{
		{Approve, true},
		{UpdateOptions, w.ReportQuotas && n.intent != intentRemove && n.quota.Known()},
		{SetBackendID, w.SetBackendID && n.intent == intentCreate},
		{SetStateDone, true},
	} {
		if call.send && n.offers(call.name) {
			d.action.Callbacks = append(d.action.Callbacks, call.name)
		}
	}
}

// callers counts the resources at an address whose order offers a callback.
func (g *Graph) callers(address string, call Callback) int {
	count := 0
	for i := range g.nodes {
		if n := &g.nodes[i]; n.address() == address && n.offers(call) {
			count++
		}
	}
	return count
}
