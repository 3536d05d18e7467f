package planner

import (
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Limits that no quota may pass: 2^60 bytes is 1 EiB, and Lustre counts inodes in 48 bits.
const (
	maxSpace  Bytes  = 1 << 60
	maxInodes Inodes = 1 << 48
	kib       Bytes  = 1024
)

// maxID is the largest user, group or project id that is used; larger ones are negative numbers in disguise.
const maxID = 1<<31 - 1

// activeOverrides are the overrides in force; each expired one is a warning.
func (g *Graph) activeOverrides() []*override {
	var active []*override
	for _, o := range g.world.Overrides {
		src := o.Source()
		if o.Expired(g.world.Now) {
			g.warn(reason.OverrideExpired, "", "override %q at %s has expired and is ignored", src.Override, src.At)
			continue
		}
		g.from = append(g.from, src)
		active = append(active, &override{Override: o, from: uint16(len(g.from) - 1)})
	}
	return active
}

// override is one override in force, with its place in the provenance table.
type override struct {
	Override
	from uint16
	used bool
}

func (g *Graph) reportUnmatched(active []*override) {
	for _, o := range active {
		if !o.used {
			src := o.Source()
			g.warn(reason.OverrideUnmatched, "", "override %q at %s matches no resource", src.Override, src.At)
		}
	}
}

// want fills in what is wanted of the directory and its quota: the proxy's values, then the overrides in file order, and
// then every check on the final values.
func (g *Graph) want(n *node, active []*override) {
	if n.item.Problem != "" || n.system == nil {
		return
	}
	n.from = [7]uint16{fromOwner: 1}
	bad := g.wantFromProxy(n)
	if len(active) > 0 {
		g.override(n, active)
	}
	if n.wish == wishNothing && n.item.Status != StatusError && !n.isNode() {
		return
	}
	n.blockUnless(bad)
	n.checkIDs(g.world.Settings)
	if n.system.Quota.Kind == QuotaLustre && n.wish != wishRemove {
		n.checkQuota()
	}
}

// override applies the overrides that match, in file order.
func (g *Graph) override(n *node, active []*override) {
	up := Upstream{Facts: n.facts(), Mode: n.item.Permission, Quota: n.quota}
	for _, o := range active {
		if !o.Matches(up.Facts) {
			continue
		}
		o.used = true
		wishes, err := o.Apply(up)
		if err != nil {
			n.block(reason.Override, "%s", err)
			continue
		}
		g.applyWishes(n, wishes, o.from)
	}
}

// unusable are the proxy's values that cannot be used, by what they are of; a limit's is in the place of the limit.
type unusable [7]Reason

// blockUnless blocks the resource for a value that the proxy gives and nobody can use, unless an override says what to
// take in its place. A removal needs no limits.
func (n *node) blockUnless(bad unusable) {
	for i, why := range bad {
		limit := i >= fromSpaceSoft
		if why.Code == "" || n.from[i] > 1 || limit && (n.wish == wishRemove || n.system.Quota.Kind != QuotaLustre) {
			continue
		}
		n.block(why.Code, "%s", why.Text)
	}
}

// wantFromProxy takes the proxy's values. The owner is root: unixUid is invented by the proxy and never used.
func (g *Graph) wantFromProxy(n *node) (bad unusable) {
	it, s := n.item, g.world.Settings
	n.owner = s.Root.UID
	if n.isNode() {
		n.group, n.hasGroup = s.Root.GID, true
		n.from[fromGroup] = 1
	} else if it.HasGID && it.GID >= 0 && it.GID <= maxID {
		n.group, n.hasGroup = GID(it.GID), true
	}
	permission := it.Permission
	answer := g.world.Orders[n.order]
	options := answer.Order.Options
	if n.wish == wishUpdate && options != nil && options.Permission != "" {
		permission = options.Permission
	}
	mode, special, err := ParseMode(permission)
	if err != nil {
		bad[fromMode] = Reason{reason.Mode, "the proxy's permission cannot be used: " + err.Error()}
	}
	n.mode, n.special = mode, special
	if !n.isNode() && (n.system.Quota.Kind == QuotaLustre || n.system.Quota.Orders != "complete") {
		g.quotaFromProxy(n, options, &bad)
	}
	return bad
}

// quotaFromProxy reads the limits: the current ones, or for an update what its order asks for. An options order changes
// only the options it names, as Waldur merges them; the proxy's newQuotas forget the others. Where there are no current
// limits, there is nothing to forget.
func (g *Graph) quotaFromProxy(n *node, options *Options, bad *unusable) {
	it := n.item
	quotas := it.Quotas
	switch {
	case n.wish != wishUpdate:
	case options != nil && !g.world.Orders[n.order].Order.HasLimits && quotas != nil:
		merged := *quotas
		for to, given := range map[*Decimal]Decimal{&merged.SpaceHard: options.HardSpace, &merged.InodesSoft: options.SoftInodes,
			&merged.InodesHard: options.HardInodes} {
			if given.Given() {
				*to = given
			}
		}
		quotas = &merged
	default:
		quotas = it.NewQuotas
		if quotas == nil && n.verdict == nil {
			g.warn(reason.NewQuotasUnknown, n.address(), "the proxy does not say which quotas order %s asks for: they stay as they are",
				ShortID(n.order))
		}
	}
	if quotas != nil {
		g.convert(n, quotas, bad)
	}
}

// convert turns the proxy's decimals into limits. A 0 never means unlimited: a hard 0 is unknown, and a soft 0 beside a
// hard limit means that there is no soft limit.
func (g *Graph) convert(n *node, q *ProxyQuotas, bad *unusable) {
	tera := uint64(g.world.Settings.Tera)
	n.quota.SpaceSoft, n.quota.SpaceHard = pair(q.SpaceSoft, q.SpaceHard, "space", g.world.Settings.teraName(), bad[fromSpaceSoft:],
		func(d Decimal) (Bytes, bool) {
			b, ok := d.Times(tera)
			return Bytes(b) &^ (kib - 1), ok
		})
	n.quota.InodesSoft, n.quota.InodesHard = pair(q.InodesSoft, q.InodesHard, "inode", "", bad[fromInodesSoft:],
		func(d Decimal) (Inodes, bool) {
			i, ok := d.Times(1)
			return Inodes(i), ok
		})
	if q.SpaceHard.IsZero() || q.InodesHard.IsZero() {
		g.warn(reason.QuotaZero, n.address(), "the proxy gives a hard limit of 0, which is not taken as unlimited: that limit stays as it is")
	}
}

// teraName is the unit of the proxy's numbers for space, behind a number.
func (s *Settings) teraName() string {
	if s.Tera == 1e12 {
		return " TB"
	}
	return " TiB"
}

// pair converts the soft and the hard limit of one kind; what cannot be converted is unknown, and bad says why.
func pair[U Bytes | Inodes](soft, hard Decimal, what, unit string, bad []Reason, convert func(Decimal) (U, bool)) (s, h Limit[U]) {
	one := func(d Decimal, why *Reason) Limit[U] {
		if !d.Given() || d.IsZero() {
			return Limit[U]{}
		}
		n, ok := convert(d)
		switch {
		case d.Negative():
			*why = Reason{reason.Quota, fmt.Sprintf("the proxy asks for a %s limit of %s%s: a limit cannot be negative; correct it in "+
				"Waldur, or by an override", what, d, unit)}
		case !ok:
			*why = Reason{reason.Quota, fmt.Sprintf("the proxy asks for a %s limit of %s%s, which is beyond every storage; correct it in "+
				"Waldur, or by an override", what, d, unit)}
		default:
			return LimitOf(n)
		}
		return Limit[U]{}
	}
	s, h = one(soft, &bad[0]), one(hard, &bad[1])
	if soft.IsZero() && hard.Given() && !hard.IsZero() {
		s = Unlimited[U]()
	}
	return s, h
}

func (g *Graph) applyWishes(n *node, w Wishes, from uint16) {
	if w.Manage != nil {
		n.managed = *w.Manage
	}
	if w.Owner != nil {
		n.owner, n.from[fromOwner] = *w.Owner, from
	}
	if w.Group != nil {
		n.group, n.hasGroup, n.from[fromGroup] = *w.Group, true, from
	}
	if w.Mode != nil {
		mode, special, err := ParseMode(*w.Mode)
		if err != nil {
			n.block(reason.Override, "override %q at %s: %s", g.from[from].Override, g.from[from].At, err)
		}
		n.mode, n.special, n.from[fromMode] = mode, special, from
	}
	overrideLimit(&n.quota.SpaceSoft, w.Quota.SpaceSoft, &n.from[fromSpaceSoft], from)
	overrideLimit(&n.quota.SpaceHard, w.Quota.SpaceHard, &n.from[fromSpaceHard], from)
	overrideLimit(&n.quota.InodesSoft, w.Quota.InodesSoft, &n.from[fromInodesSoft], from)
	overrideLimit(&n.quota.InodesHard, w.Quota.InodesHard, &n.from[fromInodesHard], from)
}

func overrideLimit[U Bytes | Inodes](to *Limit[U], l Limit[U], at *uint16, from uint16) {
	if l.Known() {
		if b, ok := any(l).(Limit[Bytes]); ok {
			if v, set := b.Number(); set {
				l = any(LimitOf(v &^ (kib - 1))).(Limit[U])
			}
		}
		*to, *at = l, from
	}
}

// checkIDs blocks a group that must not own a directory.
func (n *node) checkIDs(s *Settings) {
	if n.isNode() {
		return
	}
	switch it := n.item; {
	case !n.hasGroup && it.HasGID:
		n.block(reason.GID, "the proxy gives group id %d, which is no valid group", it.GID)
	case !n.hasGroup:
		n.block(reason.GID, "the proxy gives no group id; set one for its project, or by an override's group")
	case n.group < s.MinGID:
		n.block(reason.GID, "%s gives group id %d, the least allowed is %d (storage.min_gid)", n.sourceOfGroup(), n.group, s.MinGID)
	case n.group > maxID || n.group == 65534 || n.group == 65535:
		n.block(reason.GID, "%s gives group id %d, which is never a project's", n.sourceOfGroup(), n.group)
	}
	if n.owner > maxID || n.owner == 65534 || n.owner == 65535 {
		n.block(reason.Owner, "an override gives owner %d, which is never used", n.owner)
	}
}

func (n *node) sourceOfGroup() string {
	if n.from[fromGroup] > 1 {
		return "an override"
	}
	return "the proxy"
}

// checkQuota blocks limits that Lustre would refuse, wrap, or read as unlimited.
func (n *node) checkQuota() {
	q := n.quota
	checkLimit(n, q.SpaceSoft, "soft space", maxSpace)
	checkLimit(n, q.SpaceHard, "hard space", maxSpace)
	checkLimit(n, q.InodesSoft, "soft inode", maxInodes)
	checkLimit(n, q.InodesHard, "hard inode", maxInodes)
	checkOrder(n, q.SpaceSoft, q.SpaceHard, "space", "hard_quota_space")
	checkOrder(n, q.InodesSoft, q.InodesHard, "inodes", "soft_quota_inodes or hard_quota_inodes")
}

func checkLimit[U Bytes | Inodes](n *node, l Limit[U], what string, most U) {
	v, ok := l.Number()
	switch {
	case !ok:
	case v == 0:
		n.block(reason.Quota, "its %s limit becomes 0, which a file system would read as unlimited: correct it in Waldur, or by an override", what)
	case v > most:
		n.block(reason.Quota, "its %s limit would be %v, the most allowed is %v: correct it in Waldur, or by an override", what, v, most)
	}
}

// checkOrder blocks a soft limit above the hard one. The usual cause is an option pinned in Waldur, which wins over the
// ordered limit; the override in the message mends it here until the option is gone.
func checkOrder[U Bytes | Inodes](n *node, soft, hard Limit[U], what, option string) {
	s, ok := soft.Number()
	h, ok2 := hard.Number()
	if !ok || !ok2 || s <= h {
		return
	}
	n.block(reason.SoftAboveHard, "its soft limit for %s (%v) is above the hard one (%v): the option %s is probably pinned in "+
		"Waldur and wins over the ordered limit. "+
		"Remove that option, or mend it here with this override:\n"+
		"override \"mend %s\" {\n  match { path = %q }\n  quota { %s_hard = upstream.quota.%s_soft }\n  reason = \"…\"\n}",
		what, s, h, option, n.address(), n.address(), what, what)
}
