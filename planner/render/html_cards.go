package render

import (
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/page"
)

// pageSection has the cards of one kind of change.
type pageSection struct {
	ID, Name, Count, Class string
	Cards                  []pageCard
}

// pageCard is one change, or several of the same shape.
type pageCard struct {
	ID, Address, Verb string
	// Short is the change in one line, for printing a long plan.
	Short string
	// Group is how many changes share the card; empty for a single one.
	Group   string
	Members []pageMember
	Kind    string
	Class   string
	Tags    []string
	Reasons []pageText
	// Facts are about the directory. Limits are about the quota, whose name is Quota.
	Facts, Limits, After []pageFact
	Quota                string
	Unchanged            string
	Commands             []string
}

// pageMember is one of the changes that share a card.
type pageMember struct{ Address, Used string }

// pageFact is one row: a value that stays, or the old and the new value.
type pageFact struct {
	Name, Is, Was, Will, Note string
	// Class is the style of the new value, and Loud the style of the note.
	Class, Loud string
	// Bars show the usage of the limit before and after; nil if there is no number or no limit.
	Bars []pageUse
}

// pageUse is a bar with its share in words.
type pageUse struct {
	When, Share string
	Bar         page.Bar
}

// pageSections returns the dangerous changes and then the others by kind, in the order of the text.
func (v *view) pageSections() []pageSection {
	var list []pageSection
	counts := map[string]int{}
	add := func(i, n int, c pageCard) {
		s := sectionOf(&v.plan.Core.Actions[i])
		if len(list) == 0 || list[len(list)-1].ID != s.ID {
			list = append(list, s)
		}
		last := &list[len(list)-1]
		last.Cards = append(last.Cards, c)
		counts[s.ID] += n
	}
	for _, members := range v.grouped(v.order()) {
		if i := members[0]; len(members) == 1 {
			add(i, 1, v.card(i))
		} else {
			add(i, len(members), v.groupCard(members))
		}
	}
	for i := range list {
		list[i].Count = planner.Commas(uint64(counts[list[i].ID]))
		if counts[list[i].ID] == 1 {
			list[i].Name = singular(list[i].Name)
		}
	}
	return list
}

// singular returns a name in the singular.
func singular(name string) string {
	return strings.NewReplacer("changes", "change", "orders", "order", "warnings", "warning",
		"quotas", "quota").Replace(name)
}

// longestPrinted is how many changes are printed with all their rows. More of them fill a thousand
// pages and ten megabytes.
const longestPrinted = 50

func (v *view) isLong() bool { return len(v.plan.Core.Actions) > longestPrinted }

func sectionOf(a *planner.Action) pageSection {
	if len(a.Danger) > 0 {
		return pageSection{ID: "dangerous", Name: "dangerous changes", Class: "red"}
	}
	return pageSection{ID: "kind-" + string(a.Kind), Name: sectionName(a.Kind)}
}

func sectionName(kind planner.ActionKind) string {
	switch kind {
	case planner.Create:
		return "to create"
	case planner.Adopt:
		return "to adopt"
	case planner.Update:
		return "to update"
	case planner.Archive:
		return "to archive"
	case planner.Restore:
		return "to restore"
	case planner.RejectOrder:
		return "orders to reject"
	case planner.FailOrder:
		return "orders to fail"
	}
	return "only to report"
}

func kindClass(kind planner.ActionKind) string {
	switch kind {
	case planner.Create, planner.Restore:
		return "green"
	case planner.Adopt, planner.Update:
		return "amber"
	case planner.Archive, planner.RejectOrder, planner.FailOrder:
		return "red"
	case planner.Report:
		return "blue"
	case planner.Blocked:
		return "violet"
	}
	return ""
}

// card returns the card of one action.
func (v *view) card(i int) pageCard {
	a, d := &v.plan.Core.Actions[i], &v.plan.Context.Details[i]
	c := pageCard{ID: cardID(i), Address: Quote(a.Address), Verb: verb(a), Kind: string(a.Kind),
		Class: kindClass(a.Kind)}
	for _, danger := range a.Danger {
		name, _ := tag(danger)
		c.Tags = append(c.Tags, name)
	}
	for n, r := range d.Reasons {
		if slices.Contains(v.quotaOnly[a.Key], r) {
			c.Reasons = append(c.Reasons, pageText{First: quotaLeftAlone})
			continue
		}
		c.Reasons = append(c.Reasons, pageLines("", becauseText(r.Text, n > 0)))
	}
	c.Facts = pageFacts(places(a))
	v.addChanges(&c, a, d)
	c.After = pageFacts(afterwards(a))
	if d.Unchanged > 0 {
		c.Unchanged = unchangedText(d.Unchanged)
	}
	if v.isLong() {
		c.Short = strings.TrimSuffix(string(v.oneLine(i)), "\n")
		if len(a.Danger) > 0 {
			c.Short += " (" + Escape(reasonTexts(d.Reasons)) + ")"
		}
	}
	if v.opt.Commands {
		c.Commands = v.shell.commands(i)
	}
	return c
}

// addChanges adds the changes and the usage.
func (v *view) addChanges(c *pageCard, a *planner.Action, d *planner.Detail) {
	for j, change := range a.Changes {
		f := pageFactOf(changeFact(a.Kind, change, d, j))
		if change.Attribute.IsQuota() {
			c.Limits = append(c.Limits, f)
		} else {
			c.Facts = append(c.Facts, f)
		}
	}
	var used []pageFact
	for _, m := range measures(a, d) {
		used = append(used, pageMeasure(m))
	}
	switch {
	case len(c.Limits) > 0:
		c.Quota = "quota " + quotaName(a)
		c.Limits = append(c.Limits, used...)
	case a.Kind == planner.Archive:
		c.Facts = append(c.Facts, used...)
	}
}

// groupCard returns the card of several actions of the same shape.
func (v *view) groupCard(members []int) pageCard {
	i := members[0]
	a, d := &v.plan.Core.Actions[i], &v.plan.Context.Details[i]
	c := pageCard{ID: cardID(i), Group: planner.Commas(uint64(len(members))) + " resources",
		Verb: verbMany(a.Kind) + ", all in the same way",
		Kind: string(a.Kind), Class: kindClass(a.Kind),
		Reasons: []pageText{pageLines("", becauseText(v.commonReason(members), false))}}
	for j, change := range a.Changes {
		f := pageFactOf(v.groupFact(members, j))
		if change.Attribute.IsQuota() {
			c.Limits = append(c.Limits, f)
		} else {
			c.Facts = append(c.Facts, f)
		}
	}
	if len(c.Limits) > 0 {
		c.Quota = "quota of each " + Escape(string(a.Quota.By))
		c.Limits = append(c.Limits, pageFacts(v.usageRange(members))...)
	}
	ends := *a
	ends.Order = ""
	c.After = pageFacts(afterwards(&ends))
	if d.Unchanged > 0 {
		c.Unchanged = unchangedText(d.Unchanged) + " in each"
	}
	for _, i := range members {
		m := pageMember{Address: Quote(v.plan.Core.Actions[i].Address)}
		if used := measures(&v.plan.Core.Actions[i], &v.plan.Context.Details[i]); len(used) > 0 {
			m.Used = used[0].is
		}
		c.Members = append(c.Members, m)
	}
	return c
}

func pageFacts(list []fact) []pageFact {
	var out []pageFact
	for _, f := range list {
		out = append(out, pageFactOf(f))
	}
	return out
}

func pageFactOf(f fact) pageFact {
	p := pageFact{Name: f.name, Is: f.is, Was: f.was, Will: f.will, Note: f.note}
	switch {
	case f.mark == "+":
		p.Class = "new"
	case f.mark == "-":
		p.Class = "gone"
	}
	switch f.loud {
	case plain:
	case cyan:
		p.Loud = "drift"
	default:
		p.Loud = "loud"
	}
	return p
}

// pageMeasure returns the usage, with a bar for the limit before and one for the limit after.
func pageMeasure(m measure) pageFact {
	f := pageFactOf(m.fact)
	if m.hard == nil {
		return f
	}
	f.Is = m.amount
	shares := strings.Split(m.share, " -> ")
	for k, side := range []struct {
		when  string
		value planner.Value
	}{{"now", m.hard.Before}, {"after", m.hard.After}} {
		limit, ok := side.value.Number()
		if !ok {
			if len(shares) == 2 {
				f.Bars = append(f.Bars, pageUse{When: side.when, Share: shares[k]})
			}
			continue
		}
		share := percent(m.used, limit)
		f.Bars = append(f.Bars,
			pageUse{side.when, share, page.NewBar(share+" of the hard limit "+side.when, m.used,
				limit)})
	}
	return f
}
