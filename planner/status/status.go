// Package status makes the page that the loop serves: its rounds, the plans that wait for a person,
// what has begun, what Waldur has not been told, holds and history. The page shows and changes
// nothing: it has no form, no script, and no method but GET.
package status

import (
	"bytes"
	_ "embed" // for the page's template
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/page"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

//go:embed status.tmpl
var statusTemplate string

// Snapshot is what the page shows, at one time.
type Snapshot struct {
	Now           time.Time
	Host, Version string
	// Nodes are the nodes that share the state; none for a state in a file.
	Nodes []Node
	// Systems has the names of all systems, and Hung those whose mounts do not answer.
	Systems, Hung []string
	// Rounds are the last rounds, latest first.
	Rounds []Round
	// Held are the plans that wait for a person, newest first.
	Held []Held
	// Begun are the plans that have begun and not ended.
	Begun []ledger.Plan
	// Failed are the resources whose change failed and that wait for the next try.
	Failed []Failed
	Outbox []ledger.Delivery
	Holds  []planner.Hold
	// History has the last entries, latest first.
	History []ledger.Entry
	// HasReport reports whether there is a report to show.
	HasReport bool
}

// Round is one round of the loop.
type Round struct {
	At     time.Time
	Lane   string
	Reason string
	Took   time.Duration
}

// Node is a node that shares the state with this one.
type Node struct {
	Name string
	// Leads means that its loop works; the others stand by. Differs means that its configuration
	// differs from the leader's.
	Leads, Differs bool
	// Since is when it began or took over. Gone is since when nobody has heard from it.
	Since, Gone time.Time
}

// Failed is a resource whose change failed.
type Failed struct {
	Address, Error string
	// Count is how often it failed in a row, and Until is when it is tried again.
	Count int
	Until time.Time
	// Quarantined means that it has failed so often that a person should look.
	Quarantined bool
}

// Held is a plan that waits for a person.
type Held struct {
	ID    string
	Since time.Time
	// Summary counts what the plan does. Dangers says which of that is dangerous, and Because which
	// rules hold it.
	Summary, Dangers string
	Because          []string
	Approvals        int
}

// statusPage is what the template shows. In texts from outside, characters that a reader can't see
// are escaped.
type statusPage struct {
	Title, Host, Version, Now     string
	Systems                       []statusSystem
	Nodes                         []statusLine
	Rounds, Begun, Outbox, Failed []statusLine
	Holds, History                []statusLine
	Held                          []statusHeld
	HasReport                     bool
	Parked                        int
}

type statusSystem struct {
	Name string
	Hung bool
}

type statusLine struct {
	When, Name, Text, Class string
}

type statusHeld struct {
	Short, Since, Summary, Dangers, Approvals string
	Because                                   []string
}

// HTML returns the page.
func (s *Snapshot) HTML() ([]byte, error) {
	var b bytes.Buffer
	if err := page.New(statusTemplate).Execute(&b, s.page()); err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	return b.Bytes(), nil
}

func (s *Snapshot) page() statusPage {
	p := statusPage{Title: "cscs-sync on " + render.Escape(s.Host), Host: render.Escape(s.Host),
		Version: render.Escape(s.Version),
		Now:     stamp(s.Now), HasReport: s.HasReport}
	hung := map[string]bool{}
	for _, name := range s.Hung {
		hung[name] = true
	}
	for _, name := range s.Systems {
		p.Systems = append(p.Systems, statusSystem{render.Quote(name), hung[name]})
	}
	for _, n := range s.Nodes {
		p.Nodes = append(p.Nodes, nodeLine(n))
	}
	for _, r := range s.Rounds {
		p.Rounds = append(p.Rounds, statusLine{When: stamp(r.At), Name: render.Escape(r.Lane),
			Text: render.Escape(r.Reason) + ", " + r.Took.Round(time.Millisecond).String()})
	}
	for _, h := range s.Held {
		p.Held = append(p.Held, heldOf(h))
	}
	for _, b := range s.Begun {
		p.Begun = append(p.Begun, statusLine{When: stamp(b.Begun),
			Name: render.Escape(canonical.ShortID(b.ID)),
			Text: fmt.Sprintf("%d resources, %d steps done, begun by %s", b.Resources,
				b.Steps, render.Escape(b.By))})
	}
	for _, f := range s.Failed {
		l := statusLine{When: "next try " + stamp(f.Until), Name: render.Quote(f.Address),
			Text: fmt.Sprintf("failed %d times: ", f.Count) +
				render.Escape(strings.Join(strings.Fields(f.Error), " "))}
		if f.Quarantined {
			l.Text, l.Class = "in quarantine, "+l.Text, "loud"
		}
		p.Failed = append(p.Failed, l)
	}
	s.deliveries(&p)
	for _, h := range s.Holds {
		until := "until it is removed"
		if !h.Until.IsZero() {
			until = "until " + stamp(h.Until)
		}
		p.Holds = append(p.Holds, statusLine{When: until, Name: render.Quote(h.Glob),
			Text: render.Escape(h.Reason) + ", by " + render.Escape(h.By)})
	}
	for _, e := range s.History {
		p.History = append(p.History, statusLine{When: stamp(e.Time), Name: render.Escape(e.Event),
			Text: historyText(&e)})
	}
	return p
}

// nodeLine says what the loop of a node does.
func nodeLine(n Node) statusLine {
	l := statusLine{When: "since " + stamp(n.Since), Name: render.Quote(n.Name), Text: "stands by"}
	switch {
	case !n.Gone.IsZero():
		l.When, l.Text, l.Class = "since "+stamp(n.Gone), "not heard of", "loud"
	case n.Leads:
		l.Text = "leads"
	}
	if n.Differs {
		l.Text, l.Class = l.Text+", with another configuration than the leader", "loud"
	}
	return l
}

// deliveries fills in the callbacks that wait, without their URLs and bodies.
func (s *Snapshot) deliveries(p *statusPage) {
	for _, d := range s.Outbox {
		l := statusLine{When: stamp(d.Since), Name: render.Quote(d.Address),
			Text: string(d.Callback)}
		if d.Parked {
			l.Text, l.Class = l.Text+", parked: a person has to decide", "loud"
			p.Parked++
		}
		if d.Problem != "" {
			l.Text += ": " + render.Escape(strings.Join(strings.Fields(d.Problem), " "))
		}
		p.Outbox = append(p.Outbox, l)
	}
}

func heldOf(h Held) statusHeld {
	out := statusHeld{Short: render.Escape(canonical.ShortID(h.ID)), Since: stamp(h.Since),
		Summary: render.Escape(h.Summary), Dangers: render.Escape(h.Dangers),
		Approvals: fmt.Sprintf("%d approvals", h.Approvals)}
	if h.Approvals == 1 {
		out.Approvals = "1 approval"
	}
	for _, why := range h.Because {
		out.Because = append(out.Because, render.Escape(why))
	}
	return out
}

func historyText(e *ledger.Entry) string {
	parts := []string{"by " + render.Escape(e.Who)}
	if e.Plan != "" {
		parts = append(parts, "plan "+render.Escape(canonical.ShortID(e.Plan)))
	}
	for _, a := range e.Approvals {
		parts = append(parts, "approved by "+render.Escape(a.Name))
	}
	if e.Text != "" {
		parts = append(parts, render.Escape(strings.Join(strings.Fields(e.Text), " ")))
	}
	return strings.Join(parts, ", ")
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
