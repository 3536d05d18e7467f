package planner

import (
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// maxID is the largest user, group or project id that is used. Larger ids are negative numbers in
// disguise.
const maxID = 1<<31 - 1

// activeOverrides returns the overrides in force. It warns about each expired one.
func (g *Graph) activeOverrides() []*override {
	var active []*override
	for _, o := range g.input.Overrides {
		src := o.Source()
		if o.Expired(g.input.Now) {
			g.warn(reason.OverrideExpired, "", "override %q at %s has expired and is ignored",
				src.Override, src.At)
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

// reportUnmatched warns about overrides that match nothing, which a partial listing cannot show.
func (g *Graph) reportUnmatched(active []*override) {
	if !g.input.Complete {
		return
	}
	for _, o := range active {
		if !o.used {
			src := o.Source()
			g.warn(reason.OverrideUnmatched, "", "override %q at %s matches no resource",
				src.Override, src.At)
		}
	}
}

// want sets what is wanted of the directory and its quota: first the proxy's values, then the
// overrides in file order, then every check on the final values.
func (g *Graph) want(n *node, active []*override) {
	if n.item.Problem != "" || n.system == nil {
		return
	}
	n.from = provenances{Owner: 1}
	bad := g.wantFromProxy(n)
	if len(active) > 0 {
		g.override(n, active)
	}
	if n.intent == intentNothing && n.item.Status != StatusError && !n.isBranch() {
		return
	}
	n.blockUnless(bad)
	n.checkIDs(g.input.Settings)
	if n.system.Quota.Sets() && n.intent != intentRemove {
		g.dropSoft(n)
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

// unusable has the reasons why values of the proxy cannot be used, by attribute.
type unusable [len(provenances{})]Reason

// blockUnless blocks the resource because of an unusable value of the proxy, unless an override
// replaces the value. A removal needs no limits.
func (n *node) blockUnless(bad unusable) {
	for _, a := range Attributes() {
		if int(a) >= len(bad) {
			continue
		}
		why := bad[a]
		if why.Code == "" || n.from[a] > 1 || a.IsQuota() &&
			(n.intent == intentRemove || !n.system.Quota.Sets()) {
			continue
		}
		n.block(why.Code, "%s", why.Text)
	}
}

// wantFromProxy takes the proxy's values. The owner is root, because the proxy invents unixUid; it
// is never used.
func (g *Graph) wantFromProxy(n *node) (bad unusable) {
	it, s := n.item, g.input.Settings
	n.owner = s.Root.UID
	if n.isBranch() {
		n.group, n.hasGroup = s.Root.GID, true
		n.from[Group] = 1
	} else if it.HasGID && it.GID >= 0 && it.GID <= maxID {
		n.group, n.hasGroup = GID(it.GID), true
	}
	permission := it.Permission
	answer := g.input.Orders[n.order]
	options := answer.Order.Options
	if n.intent == intentUpdate && options != nil && options.Permission != "" {
		permission = options.Permission
	}
	mode, special, err := ParseMode(permission)
	if err != nil {
		bad[ModeAttr] = Reason{reason.Mode, "the permission that the proxy gives cannot be used: " +
			err.Error()}
	}
	n.mode, n.special = mode, special
	if !n.isBranch() && (n.system.Quota.Sets() || n.system.Quota.Orders != "complete") {
		g.quotaFromProxy(n, options, &bad)
	}
	return bad
}

// quotaFromProxy reads the limits: the current ones or, for an update, those that its order asks
// for. An options order changes only the options that it names, as Waldur merges them; the proxy's
// newQuotas forget the others. If there are no current limits, there is nothing to forget.
func (g *Graph) quotaFromProxy(n *node, options *Options, bad *unusable) {
	it := n.item
	quotas := it.Quotas
	switch {
	case n.intent != intentUpdate:
	case options != nil && !g.input.Orders[n.order].Order.HasLimits && quotas != nil:
		merged := *quotas
		for a, given := range options.Quotas {
			if given.Given() {
				merged[a] = given
			}
		}
		quotas = &merged
	default:
		quotas = it.NewQuotas
		if quotas == nil && n.verdict == nil {
			g.warn(reason.NewQuotasUnknown, n.address(),
				"the proxy does not say which quotas order %s asks for: they stay as they are",
				ShortID(n.order))
		}
	}
	if quotas != nil {
		g.convert(n, quotas, bad)
	}
}

// convert turns the proxy's decimals into limits. A 0 never means unlimited: a hard 0 is unknown,
// and a soft 0 beside a hard limit means that there is no soft limit.
func (g *Graph) convert(n *node, q *ProxyQuotas, bad *unusable) {
	for i := range quantities {
		r := &quantities[i]
		n.quota[r.Soft], bad[r.Soft] = g.convertOne(n, r.Soft, r.noun, q[r.Soft])
		n.quota[r.Hard], bad[r.Hard] = g.convertOne(n, r.Hard, r.noun, q[r.Hard])
		if soft, hard := q[r.Soft], q[r.Hard]; soft.IsZero() && hard.Given() && !hard.IsZero() {
			n.quota[r.Soft] = Unlimited()
		}
	}
	if q[SpaceHard].IsZero() || q[InodesHard].IsZero() {
		g.warn(reason.QuotaZero, n.address(),
			"the proxy gives a hard limit of 0, which does not mean unlimited: that limit "+
				"stays as it is")
	}
}

// teraName returns the unit of the proxy's space values, to be written after a number.
func (s *Settings) teraName() string {
	if s.Tera == 1e12 {
		return " TB"
	}
	return " TiB"
}

// convertOne converts one limit. A limit that cannot be converted is unknown, and the reason says
// why.
func (g *Graph) convertOne(n *node, a Attribute, noun string, d Decimal) (Limit, Reason) {
	if !d.Given() || d.IsZero() {
		return Limit{}, Reason{}
	}
	factor, unit := uint64(1), ""
	if a.IsSpace() {
		factor, unit = uint64(g.input.Settings.Tera), g.input.Settings.teraName()
	}
	number, ok := d.Times(factor)
	switch {
	case d.negative():
		return Limit{}, Reason{reason.Quota,
			fmt.Sprintf("the proxy asks for a %s limit of %s%s: a limit cannot be negative; "+
				"correct it in Waldur, or by an override", noun, d, unit)}
	case !ok:
		return Limit{}, Reason{reason.Quota,
			fmt.Sprintf("the proxy asks for a %s limit of %s%s, which is more than any storage has; "+
				"correct it in Waldur, or by an override", noun, d, unit)}
	}
	return n.system.Traits.roundDown(a, limitOf(number)), Reason{}
}

func (g *Graph) applyWishes(n *node, w Wishes, from uint16) {
	if w.Manage != nil {
		n.managed = *w.Manage
	}
	for a := range attributes {
		row := &attributes[a]
		if row.take != nil && row.take(n, &w) {
			n.from[a] = from
		}
	}
	if w.Mode != nil {
		if _, _, err := ParseMode(*w.Mode); err != nil {
			n.block(reason.Override, "override %q at %s: %s", g.from[from].Override,
				g.from[from].At, err)
		}
	}
	for a, l := range w.Quota {
		if l.Known() {
			n.quota[a], n.from[a] = n.system.Traits.roundDown(Attribute(a), l), from
		}
	}
}

// wishMode notes the digits of a mode that an override gives.
func wishMode(w *Wishes, v Value) error {
	digits, ok := v.Text()
	if !ok {
		return errors.New("want octal digits")
	}
	w.Mode = &digits
	_, _, err := ParseMode(digits)
	return err
}

// takeMode takes the mode of an override. A text that is no mode becomes mode 0 and blocks the
// resource.
func takeMode(n *node, w *Wishes) bool {
	if w.Mode == nil {
		return false
	}
	n.mode, n.special, _ = ParseMode(*w.Mode)
	return true
}

// modeOn returns the mode that an existing directory gets, or a new one (nil). Three digits leave
// setgid and sticky as they are.
func (n *node) modeOn(dir *Directory) Mode {
	if dir == nil || n.special {
		return n.mode
	}
	return n.mode | dir.Mode&^0o777
}

// checkIDs blocks a group or owner that must not own a directory.
func (n *node) checkIDs(s *Settings) {
	if n.isBranch() {
		return
	}
	switch it := n.item; {
	case !n.hasGroup && it.HasGID:
		n.block(reason.GID, "the proxy gives group id %d, which is not a valid group", it.GID)
	case !n.hasGroup:
		n.block(reason.GID, "the proxy gives no group id; set one for its project, or by an "+
			"override's group")
	case n.group < s.MinGID:
		n.block(reason.GID, "%s gives group id %d, but the lowest allowed is %d (storage.min_gid)",
			n.sourceOfGroup(), n.group, s.MinGID)
	case n.group > maxID || n.group == 65534 || n.group == 65535:
		n.block(reason.GID, "%s gives group id %d, which never belongs to a project", n.sourceOfGroup(),
			n.group)
	}
	if n.owner > maxID || n.owner == 65534 || n.owner == 65535 {
		n.block(reason.Owner, "an override gives owner %d, which is never used", n.owner)
	}
}

func (n *node) sourceOfGroup() string {
	if n.from[Group] > 1 {
		return "an override"
	}
	return "the proxy"
}

// dropSoft removes soft limits if the storage has none. The hard ones still apply.
func (g *Graph) dropSoft(n *node) {
	if n.system.Traits.Soft {
		return
	}
	for i := range quantities {
		r := &quantities[i]
		if _, asked := n.quota[r.Soft].Number(); asked && !n.isBranch() {
			g.warn(reason.NoSoftLimits, n.address(),
				"a soft limit for %s of %s is wanted, but system %s has no soft limits: only the "+
					"hard limit applies", r.Name, n.quota.Show(r.Soft), n.system.Name)
		}
		n.quota[r.Soft] = Limit{}
	}
}

// checkQuota blocks limits that the storage would refuse, wrap around, or take as unlimited.
func (n *node) checkQuota() {
	for i := range quantities {
		n.checkLimit(quantities[i].Soft)
		n.checkLimit(quantities[i].Hard)
	}
	for i := range quantities {
		n.checkOrder(&quantities[i])
	}
}

func (n *node) checkLimit(a Attribute) {
	most := n.system.Traits.most(a)
	v, ok := n.quota[a].Number()
	switch {
	case !ok:
	case v == 0:
		n.block(reason.Quota,
			"its %s limit becomes 0, which a file system would take as unlimited: correct it "+
				"in Waldur, or by an override",
			a.row().words)
	case v > most:
		n.block(reason.Quota,
			"its %s limit would be %s, but the highest allowed is %s: correct it in Waldur, "+
				"or by an override", a.row().words,
			n.quota.Show(a), Show(a, Number(most)))
	}
}

// checkOrder blocks a soft limit above the hard one. The usual cause is an option pinned in Waldur,
// which wins over the ordered limit. The override in the message fixes it here until the option is
// removed.
func (n *node) checkOrder(r *Quantity) {
	if !n.quota.crossed(r) {
		return
	}
	n.block(reason.SoftAboveHard,
		"its soft limit for %s (%s) is above the hard limit (%s): the option %s is "+
			"probably pinned in Waldur and wins over the ordered limit. Remove that option, "+
			"or correct it here with this override:\noverride \"correct %s\" {\n  match { path = "+
			"%q }\n  quota { %s = upstream.quota.%s }\n  reason = \"…\"\n}",
		r.Name, n.quota.Show(r.Soft), n.quota.Show(r.Hard), r.options(), n.address(), n.address(),
		r.Hard, r.Soft)
}
