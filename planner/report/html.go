package report

import (
	"bytes"
	_ "embed" // for the page's template
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/page"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

//go:embed report.tmpl
var reportTemplate string

// HTML returns the report as one page without scripts and without anything from outside. It has a
// light and a dark look, and can be printed.
func (r *Report) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := page.New(reportTemplate).Execute(&b, r.page()); err != nil {
		return nil, fmt.Errorf("report: the page: %w", err)
	}
	return b.Bytes(), nil
}

// reportPage is what the template shows. In texts from outside, characters that a reader can't see
// are escaped.
type reportPage struct {
	Title, Made, Source string
	Systems             []pageSystem
	Standing            []pageGroup
	Tenants             []pageBranch
	Map                 pageMap
	Drift               []pageLine
	Blocked, Waiting    []pageLine
	Holds, Changes      []pageLine
	Held, Done          []pageLine
	Archived            []pageArchived
	Expired             int
	Unmanaged           []pageUnmanaged
	UnmanagedCount      string
	Warnings            []pageLine
}

type pageSystem struct {
	Name, Capacity, Used, Free, Promised, Of, Problem, Counts string
	Over, OverAllowed                                         bool
	Bar                                                       page.Bar
}

// pageGroup has the resources in one state.
type pageGroup struct {
	ID, Title, Class, Count string
	Open                    bool
	Rows                    []pageUsage
}

type pageUsage struct {
	Address, Space, Inodes, Grace string
	Bar                           page.Bar
}

type pageBranch struct {
	Name, Promised, Used, Resources string
	Bar                             page.Bar
	Branches                        []pageBranch
}

type pageArchived struct{ Address, Where, Size, Until, Class string }

// pageUnmanaged is what no resource wants on one system.
type pageUnmanaged struct {
	System, Counts      string
	Problems            []string
	Directories, Quotas []pageLine
	More                string
}

type pageLine struct{ Name, Text, When string }

// pageMap is the treemap: its parts, and what it shows in words.
type pageMap struct {
	Label            string
	Tiles, Customers []pageTile
}

type pageTile struct {
	Title, Name          string
	X, Y, W, H, UseY, UH string
	TextX, TextY         string
}

func (r *Report) page() reportPage {
	p := reportPage{Title: "Storage report", Made: minute(r.Made), Source: render.Escape(r.Source),
		Expired: r.expired()}
	for i := range r.Systems {
		p.Systems = append(p.Systems, pageSystemOf(&r.Systems[i]))
	}
	for _, g := range []struct {
		id, title, class string
		state            State
		open             bool
	}{{"over", "over a hard limit, or out of grace", "red", Over, true},
		{"grace", "over a soft limit", "red", Grace, true},
		{"near", "near a limit", "amber", Near, true},
		{"idle", "use less than a tenth of their space", "", Idle, false}} {
		if list := r.in(g.state); len(list) > 0 {
			p.Standing = append(p.Standing,
				pageGroupOf(pageGroup{ID: g.id, Title: g.title, Class: g.class, Open: g.open},
					list))
		}
	}
	tree := r.tree()
	for _, b := range tree.Branches {
		p.Tenants = append(p.Tenants, pageBranchOf(b))
	}
	p.Map = mapOf(tree)
	r.lists(&p)
	return p
}

// lists fills in the parts that have a line for each entry.
func (r *Report) lists(p *reportPage) {
	for _, d := range r.Drift {
		p.Drift = append(p.Drift, pageLine{Name: render.Quote(d.Address),
			Text: d.Attribute.String() + " " +
				render.Escape(planner.Show(d.Attribute, d.Recorded)) + " -> " +
				render.Escape(planner.Show(d.Attribute, d.Observed))})
	}
	refusals := func(list []planner.Refusal) (lines []pageLine) {
		for _, x := range list {
			var texts []string
			for _, reason := range x.Reasons {
				texts = append(texts, render.Escape(strings.Join(strings.Fields(reason.Text), " ")))
			}
			lines = append(lines, pageLine{Name: render.Quote(x.Address),
				Text: strings.Join(texts, "; ")})
		}
		return lines
	}
	p.Blocked, p.Waiting = refusals(r.Blocked), refusals(r.Waiting)
	for _, h := range r.Holds {
		until := "until it is removed"
		if !h.Until.IsZero() {
			until = "until " + minute(h.Until)
		}
		p.Holds = append(p.Holds, pageLine{render.Quote(h.Glob), render.Escape(h.Reason) + ", by " +
			render.Escape(h.By), until})
	}
	for i := range r.Archived {
		p.Archived = append(p.Archived, pageArchivedOf(&r.Archived[i]))
	}
	for i := range r.Held {
		h := &r.Held[i]
		p.Held = append(p.Held, pageLine{render.Escape(h.Name), h.words(),
			"since " + minute(h.Since)})
	}
	for i := range r.Done {
		d := &r.Done[i]
		p.Done = append(p.Done, pageLine{Name: render.Escape(d.Approver),
			Text: count(d.Plans, "plan", "plans") + ": " + actionWords(d.Actions)})
	}
	r.unmanaged(p)
	for _, c := range r.Changes {
		var counts []string
		for _, name := range sortedKeys(c.Counts) {
			if c.Counts[name] > 0 {
				counts = append(counts, planner.Commas(uint64(c.Counts[name]))+" "+
					render.Escape(name))
			}
		}
		text := strings.Join(counts, ", ")
		if len(c.Actions) > 0 {
			text += " (" + actionWords(c.Actions) + ")"
		}
		text += "; applied by " + render.Escape(c.By)
		if len(c.Approvers) > 0 {
			text += ", approved by " + render.Escape(strings.Join(c.Approvers, ", "))
		}
		p.Changes = append(p.Changes, pageLine{short(c.Plan), text, minute(c.Time)})
	}
	for _, w := range r.Warnings {
		line := pageLine{Text: render.Escape(strings.Join(strings.Fields(w.Text), " "))}
		if w.Address != "" {
			line.Name = render.Quote(w.Address)
		}
		p.Warnings = append(p.Warnings, line)
	}
}

// words say what a held plan does, and why it waits.
func (h *Held) words() string {
	text := render.Escape(h.Summary)
	for _, d := range h.Danger {
		text += " [" + render.Tag(d) + "]"
	}
	if len(h.Because) > 0 {
		text += "; because " + render.Escape(strings.Join(h.Because, "; "))
	}
	return text
}

func pageArchivedOf(a *Archived) pageArchived {
	p := pageArchived{Address: render.Quote(a.Address), Where: render.Quote(a.Archive),
		Size: render.Escape(a.Note), Until: "kept until " + a.Until.UTC().Format(time.DateOnly)}
	if a.Expired {
		p.Until = "past its retention since " + a.Until.UTC().Format(time.DateOnly)
		p.Class = "loud"
	}
	if a.Space != nil {
		p.Size = a.Space.Rounded()
		if a.Inodes != nil {
			p.Size += ", " + count(int(*a.Inodes), "file", "files")
		}
		if a.Note != "" {
			p.Size += " (" + render.Escape(a.Note) + ")"
		}
	}
	return p
}

// unmanaged fills in what a scan found.
func (r *Report) unmanaged(p *reportPage) {
	if r.Unmanaged == nil {
		return
	}
	total := 0
	for i := range r.Unmanaged.Systems {
		s := &r.Unmanaged.Systems[i]
		total += s.Directories + s.Quotas
		u := pageUnmanaged{System: render.Quote(s.Name), Counts: count(s.Directories, "directory",
			"directories") + ", " + count(s.Quotas, "quota", "quotas")}
		for _, text := range s.Problems {
			u.Problems = append(u.Problems, render.Escape(text))
		}
		for j := range r.Unmanaged.Directories {
			if x := &r.Unmanaged.Directories[j]; x.System == s.Name {
				u.Directories = append(u.Directories,
					pageLine{Name: render.Quote(x.Path), Text: x.Words(r.Unmanaged.Made)})
			}
		}
		for j := range r.Unmanaged.Quotas {
			if q := &r.Unmanaged.Quotas[j]; q.System == s.Name {
				u.Quotas = append(u.Quotas, pageLine{Name: q.Name(), Text: q.Words()})
			}
		}
		if more := s.Directories + s.Quotas - len(u.Directories) - len(u.Quotas); more > 0 {
			u.More = "and " + planner.Commas(uint64(more)) + " more"
		}
		p.Unmanaged = append(p.Unmanaged, u)
	}
	p.UnmanagedCount = planner.Commas(uint64(total))
}

func pageSystemOf(s *System) pageSystem {
	p := pageSystem{Name: render.Quote(s.Name), Capacity: amount(s.Capacity), Used: amount(s.Used),
		Free:     amount(s.Free),
		Promised: s.Promised.Rounded(), Problem: render.Escape(s.Problem), Over: s.overcommitted(),
		Counts: count(s.Resources, "resource", "resources") + ", " + count(s.Quotas, "quota",
			"quotas")}
	if s.Unlimited > 0 {
		p.Counts += ", " + count(s.Unlimited, "unlimited", "unlimited")
	}
	if s.Unknown > 0 {
		p.Counts += ", " + count(s.Unknown, "unknown", "unknown")
	}
	if s.Capacity == nil {
		return p
	}
	p.Of = ", " + ofCapacity(s) + " of the capacity"
	if s.Allowed != nil {
		p.Of += "; overcommit = " + s.Overcommit + " allows " + s.Allowed.Rounded()
		p.OverAllowed = s.overAllowed()
	}
	scale := max(uint64(*s.Capacity), uint64(s.Promised), 1)
	used, promised := page.Share(uint64(*s.Used), scale), page.Share(uint64(s.Promised), scale)
	capacity := page.Share(uint64(*s.Capacity), scale)
	more := "more"
	p.Bar = page.Bar{Label: p.Name + ": " + p.Used + " used and " + p.Promised + " promised of " +
		p.Capacity,
		Parts: []page.Part{page.Span(more, 0, promised), page.Span("use", 0, used),
			page.Mark(capacity)}}
	return p
}

func pageGroupOf(g pageGroup, list []Resource) pageGroup {
	g.Count = planner.Commas(uint64(len(list)))
	for i := range list {
		x := &list[i]
		u := pageUsage{Address: render.Quote(x.Address), Space: x.space().words(),
			Inodes: x.inodes().words()}
		if x.GraceEnds != nil {
			u.Grace = "grace ends " + minute(*x.GraceEnds)
		}
		u.Bar = page.NewBar(fmt.Sprintf("%d%% of the fuller limit", x.share()), x.share(), 100)
		g.Rows = append(g.Rows, u)
	}
	return g
}

func pageBranchOf(b *Branch) pageBranch {
	p := pageBranch{Name: render.Quote(b.Name), Promised: b.Promised.Rounded(),
		Used: b.Used.Rounded(), Resources: count(b.Resources, "resource", "resources"),
		Bar: page.NewBar(b.Used.Rounded()+" used of "+b.Promised.Rounded(), uint64(b.Used),
			uint64(b.Promised))}
	for _, c := range b.Branches {
		p.Branches = append(p.Branches, pageBranchOf(c))
	}
	return p
}

// The treemap's size, in units of the picture.
const (
	mapWide = 1000
	mapHigh = 420
	// mostTiles is the largest number of tiles. Smaller parts can't be seen.
	mostTiles = 500
	// letterWide is the width of a letter of a name.
	letterWide = 6.6
)

// mapOf lays out customers, and in each its projects. An area is as large as what is promised, and
// is filled as far as it is used.
func mapOf(tree *Branch) pageMap {
	var customers []*Branch
	for _, tenant := range tree.Branches {
		if len(tenant.Branches) == 0 {
			customers = append(customers, tenant)
		}
		customers = append(customers, tenant.Branches...)
	}
	group := &Branch{Branches: customers}
	group.sort()
	m := pageMap{Label: "what is promised to each project as an area, and what is used of it as " +
		"its dark part; the table below says the same"}
	outer := squarify(weights(customers), rectangle{0, 0, mapWide, mapHigh})
	for i, c := range customers {
		if in := outer[i]; len(customers) > 1 && in.w > 0.5 && in.h > 0.5 && i < mostTiles {
			m.Customers = append(m.Customers, pageTile{Title: render.Quote(c.Name), X: units(in.x),
				Y: units(in.y), W: units(in.w), H: units(in.h)})
		}
		leaves := c.leaves()
		for j, in := range squarify(weights(leaves), outer[i]) {
			if len(m.Tiles) < mostTiles && in.w > 0.5 && in.h > 0.5 {
				m.Tiles = append(m.Tiles, tileOf(leaves[j], in))
			}
		}
	}
	return m
}

func weights(list []*Branch) []float64 {
	out := make([]float64, len(list))
	for i, b := range list {
		out[i] = float64(b.Promised)
	}
	return out
}

func tileOf(b *Branch, in rectangle) pageTile {
	use := in.h * page.Share(uint64(b.Used), uint64(b.Promised))
	name := b.Name[strings.LastIndexByte(b.Name, '/')+1:]
	t := pageTile{Title: render.Quote(b.Name) + ": " + b.Used.Rounded() + " used of " +
		b.Promised.Rounded(),
		X: units(in.x), Y: units(in.y), W: units(in.w), H: units(in.h),
		UseY: units(in.y + in.h - use), UH: units(use),
		TextX: units(in.x + 6), TextY: units(in.y + 16)}
	if shown := render.Quote(name); in.h > 22 && float64(len(shown))*letterWide+12 < in.w {
		t.Name = shown
	}
	return t
}

func units(f float64) string { return fmt.Sprintf("%.1f", f) }

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func short(id string) string { return render.Escape(canonical.ShortID(id)) }

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }
