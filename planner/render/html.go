package render

import (
	"bytes"
	_ "embed" // for the page's template
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/page"
)

//go:embed plan.tmpl
var planTemplate string

// HTML returns the plan as one page for a change board, without scripts and without anything from
// outside. Dangers come first, in words. Each change has a card. Changes of the same shape share a
// card with all their addresses; dangerous changes never do. The page follows the reader's light or
// dark setting, and prints in full. It states the same facts as [Text] and no others.
func HTML(plan *planner.Plan, opt Options) []byte {
	opt.Compact = true
	v := newView(plan, opt)
	var b bytes.Buffer
	if err := page.New(planTemplate).Execute(&b, v.page()); err != nil {
		// The template and its data are ours, so this is a mistake of this program. Half a page must not
		// be mistaken for a whole one.
		panic(fmt.Sprintf("render: the page of a plan: %v", err))
	}
	return b.Bytes()
}

// planPage is what the page's template shows. In texts from outside, characters that a reader can't
// see are escaped; the template escapes HTML.
type planPage struct {
	Title, Short, ID, Digest, Systems                 string
	Head, Tail                                        string
	Resources, Source, Overrides                      string
	Made, Version, Configuration, Variables, ValidFor string
	Quiet, Long                                       bool
	Selections                                        []pageSelection
	Dangers                                           []pageDanger
	Dangerous                                         string
	Columns                                           []string
	Table                                             []pageRow
	Promised                                          []pagePromise
	Warnings                                          []pageText
	Drift                                             []pageDrift
	Sections                                          []pageSection
	Shared                                            []pageShared
	NotDone, QuotasLeft                               []pageRefusal
	Callbacks                                         []pageCount
	Undelivered                                       []string
	UndeliveredHead                                   string
	Contents                                          []pageLink
}

type pageLink struct {
	To, Name, Count, Class string
}

type pageSelection struct {
	Words  string
	Picked []string
}

// pageDanger is one kind of danger, with the changes that have it.
type pageDanger struct {
	Tag, Clause, Count string
	On                 []pageLink
	More               string
}

type pageRow struct {
	Kind, Class string
	Cells       []string
}

// pageText is a text of one or several lines. Only the first line is prose.
type pageText struct {
	Address, First string
	Rest           string
}

type pageCount struct{ Count, Name string }

// page collects what the page shows.
func (v *view) page() planPage {
	plan, c := v.plan, &v.plan.Context
	p := planPage{Title: "Plan " + canonical.ShortID(v.id()), Short: canonical.ShortID(v.id()),
		ID: v.id(), Digest: canonical.ContextDigest(plan),
		Systems: v.systems(), Resources: plural(v.resources(), "resource", "resources"),
		Source: Escape(c.Source), Overrides: v.overrides(),
		Made: v.made(), Version: Escape(c.Version), Configuration: v.configuration(),
		Variables: variables(c.Configuration), ValidFor: days(c.ValidFor), Columns: columnNames()}
	p.Head, p.Tail, p.Quiet = conclusion(plan)
	for _, s := range v.selections() {
		p.Selections = append(p.Selections, pageSelection{s.loud + s.words, s.picked})
	}
	p.Dangers, p.Dangerous = v.pageDangers(), v.dangerousChanges()
	p.Table, p.Promised = v.pageTable(), v.pagePromises()
	for _, w := range c.Warnings {
		p.Warnings = append(p.Warnings, pageLines(w.Address, w.Text))
	}
	p.Drift, p.Sections, p.Shared = v.pageDrift(), v.pageSections(), v.pageShared()
	p.NotDone, p.QuotasLeft = v.pageRefusals(false), v.pageRefusals(true)
	p.Callbacks, p.Long = v.pageCallbacks(), v.isLong()
	if n := len(c.Undelivered); n > 0 {
		p.UndeliveredHead = plural(n, "callback from earlier is", "callbacks from earlier are") +
			" still waiting to be delivered"
		for _, l := range undeliveredLines(c.Undelivered) {
			p.Undelivered = append(p.Undelivered, Escape(l))
		}
	}
	p.Contents = p.contents()
	return p
}

// contents returns the parts of the page, with the size of each.
func (p *planPage) contents() []pageLink {
	var list []pageLink
	add := func(to, name string, n int, class string) {
		if n > 0 {
			if n == 1 {
				name = singular(name)
			}
			list = append(list, pageLink{to, name, planner.Commas(uint64(n)), class})
		}
	}
	if len(p.Dangers) != 1 { // if there is one kind, the dangerous changes say enough
		add("dangers", "kinds of danger", len(p.Dangers), "red")
	}
	add("warnings", "warnings", len(p.Warnings), "")
	add("drift", "changed outside", len(p.Drift), "")
	for _, s := range p.Sections {
		list = append(list, pageLink{s.ID, s.Name, s.Count, s.Class})
	}
	add("shared", "shared quotas", len(p.Shared), "")
	not := 0
	for _, r := range slices.Concat(p.NotDone, p.QuotasLeft) {
		not += max(len(r.Same), 1)
	}
	add("refused", "not done", not, "")
	return list
}

// mostDangerous is how many changes are named beside each danger. All of them have a card.
const mostDangerous = 8

func (v *view) pageDangers() []pageDanger {
	counts := dangerCounts(v.plan)
	var list []pageDanger
	for _, d := range planner.Dangers() {
		if counts[d] == 0 {
			continue
		}
		name, clause := tag(d)
		entry := pageDanger{Tag: name, Clause: clause, Count: planner.Commas(uint64(counts[d]))}
		for _, i := range v.order() {
			a := &v.plan.Core.Actions[i]
			if slices.Contains(a.Danger, d) && len(entry.On) < mostDangerous {
				entry.On = append(entry.On, pageLink{To: cardID(i), Name: Quote(a.Address)})
			}
		}
		if n := counts[d] - len(entry.On); n > 0 {
			entry.More = "and " + planner.Commas(uint64(n)) + " more, each on its own card"
		}
		list = append(list, entry)
	}
	return list
}

// dangerousChanges says how many changes have a danger.
func (v *view) dangerousChanges() string {
	n := 0
	for i := range v.plan.Core.Actions {
		if len(v.plan.Core.Actions[i].Danger) > 0 {
			n++
		}
	}
	return plural(n, "change is dangerous", "changes are dangerous")
}

func (v *view) pageTable() []pageRow {
	var rows []pageRow
	all := v.effects()
	for _, kind := range planner.ActionKinds() {
		e, ok := all[kind]
		if !ok {
			continue
		}
		r := pageRow{Kind: string(kind), Class: kindClass(kind)}
		for _, n := range e.cells() {
			cell := ""
			if n > 0 {
				cell = planner.Commas(uint64(n))
			}
			r.Cells = append(r.Cells, cell)
		}
		rows = append(rows, r)
	}
	return rows
}

// pagePromise is what hard limits promise on one system.
type pagePromise struct {
	System, Before, After, Change string
	Bar                           page.Bar
	// Capacity says and Space shows the size of a system that has an overcommit.
	Capacity string
	Over     bool
	Space    page.Bar
}

func (v *view) pagePromises() []pagePromise {
	var list []pagePromise
	var scale planner.Bytes
	for _, m := range v.plan.Context.Promised {
		scale = max(scale, m.Before, m.After)
	}
	for _, m := range v.plan.Context.Promised {
		before, after := page.Share(uint64(m.Before), uint64(scale)), page.Share(uint64(m.After),
			uint64(scale))
		row := pagePromise{System: Quote(m.System), Before: tera(m.Before), After: tera(m.After),
			Change: promiseChange(m), Bar: page.Bar{
				Label: Quote(m.System) + " promises " + tera(m.Before) + " before and " + tera(m.After) +
					" after",
				Parts: []page.Part{page.Span("use", 0, min(before, after)),
					page.Span("more", min(before, after), max(before, after)), page.Mark(after)},
			}}
		if m.Overcommit != "" {
			row.Capacity, row.Space = capacityWords(m), spaceBar(m)
			row.Over = m.After > m.Most && m.After > m.Before
		}
		list = append(list, row)
	}
	return list
}

// spaceBar shows the used and the promised part of a capacity. The mark is the capacity.
func spaceBar(m planner.Promise) page.Bar {
	if m.Capacity == 0 {
		return page.Bar{}
	}
	scale := uint64(max(m.Capacity, m.After, m.Most))
	return page.Bar{Label: Quote(m.System) + ": " + tera(m.Used) + " used and " + tera(m.After) +
		" promised of " + tera(m.Capacity), Parts: []page.Part{
		page.Span("more", 0, page.Share(uint64(m.After), scale)),
		page.Span("use", 0, page.Share(uint64(m.Used), scale)),
		page.Mark(page.Share(uint64(m.Capacity), scale))}}
}

// pageLines splits a text of the planner into its first line and the lines that are shown below one
// another.
func pageLines(address, text string) pageText {
	t := pageText{}
	if address != "" {
		t.Address = Quote(address)
	}
	first, rest, _ := strings.Cut(strings.TrimRight(text, "\n"), "\n")
	t.First = Escape(first)
	var lines []string
	for l := range strings.SplitSeq(strings.Trim(rest, "\n"), "\n") {
		lines = append(lines, strings.TrimRight(Escape(l), " "))
	}
	t.Rest = strings.Join(lines, "\n")
	return t
}

func (v *view) pageCallbacks() []pageCount {
	var list []pageCount
	counts := v.callbackCounts()
	for _, c := range planner.PlannedCallbacks() {
		if counts[c] > 0 {
			list = append(list, pageCount{planner.Commas(uint64(counts[c])), string(c)})
		}
	}
	return list
}

// pageDrift is what somebody changed outside about one resource, or about several in the same way.
type pageDrift struct {
	Subject string
	Same    []string
	Facts   []pageFact
}

func (v *view) pageDrift() []pageDrift {
	var list []pageDrift
	v.eachDrift(func(same []string, facts []fact) {
		d := pageDrift{Subject: Quote(same[0])}
		if len(same) > 1 {
			d.Subject, d.Same = planner.Commas(uint64(len(same)))+" resources", quoteAll(same)
		}
		for _, f := range facts {
			d.Facts = append(d.Facts, pageFactOf(f))
		}
		list = append(list, d)
	})
	return list
}

// pageShared is a quota that several resources claim.
type pageShared struct {
	Heading       string
	Contributions []pageContribution
	More          string
}

type pageContribution struct {
	Address string
	Facts   []pageFact
}

func (v *view) pageShared() []pageShared {
	var list []pageShared
	for i := range v.plan.Context.Shared {
		q := &v.plan.Context.Shared[i]
		s := pageShared{Heading: SharedHeading(q)}
		attributes := v.sharedAttributes(q)
		shown, left := contributionsShown(q, attributes)
		for _, c := range shown {
			entry := pageContribution{Address: Quote(c.Address) + contributionNote(c)}
			for _, f := range contributionFacts(c, attributes) {
				entry.Facts = append(entry.Facts, pageFactOf(f))
			}
			s.Contributions = append(s.Contributions, entry)
		}
		if left > 0 {
			s.More = moreStay(left)
		}
		list = append(list, s)
	}
	return list
}

// pageRefusal is one resource, or several in the same way, for which nothing is done.
type pageRefusal struct {
	Word, Class, Subject string
	Same                 []string
	Reasons              []pageText
}

func (v *view) pageRefusals(quotaOnly bool) []pageRefusal {
	var list []pageRefusal
	v.eachRefusal(quotaOnly, func(kind planner.ActionKind, r *planner.Refusal, same []string) {
		entry := pageRefusal{Word: string(kind), Class: kindClass(kind), Subject: Quote(same[0])}
		if r.QuotaOnly {
			entry.Word += ", its quota only"
		}
		if len(same) > 1 {
			entry.Subject, entry.Same = planner.Commas(uint64(len(same)))+" resources", quoteAll(same)
		}
		for _, reason := range r.Reasons {
			entry.Reasons = append(entry.Reasons, pageLines("", reason.Text))
		}
		list = append(list, entry)
	})
	return list
}

func cardID(i int) string { return "change-" + strconv.Itoa(i+1) }
