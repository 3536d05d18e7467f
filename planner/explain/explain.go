// Package explain answers the helpdesk's question about a resource: what is wanted, what exists,
// and why nothing happens. It changes nothing. It asks Waldur and looks at the storage through
// small interfaces.
package explain

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Input is everything that an answer is made from.
type Input struct {
	// Planned is a plan for everything that the proxy lists. Without a listing, only its Recorded is
	// used.
	Planned  *engine.Planned
	Settings *planner.Settings
	// Root is the folder that paths in the archive are relative to.
	Root string
	// Policy has a decision for each action of the plan. Trusted reports whether the loop may act on
	// this state.
	Policy  []policy.Decision
	Trusted bool
	// Held and Begun are the plan files that wait for a person and those that the loop continues, by
	// the resources that they change.
	Held, Begun map[planner.Key]string
	// Rejected are the held plans that somebody rejected, by the addresses of their resources: when,
	// by whom, which and why.
	Rejected map[string]string
	// Failures is what the loop remembers of failures.
	Failures map[planner.Key]loop.Failure

	Ledger  Ledger
	Waldur  Waldur
	Storage Storage
	Now     time.Time
	// Width is how many columns a line may have.
	Width int
}

// Ledger reads the history.
type Ledger interface {
	View(f func(ledger.Tx) error) error
}

// Waldur answers about orders. [engine.Engine] does.
type Waldur interface {
	Ask(ctx context.Context, questions []planner.Question,
		each bool) map[string]planner.OrderAnswer
}

// Storage opens the storage for looking. [engine.Storage] does.
type Storage interface {
	Observer(ctx context.Context, parallelism int) (o engine.Observer, done func(), err error)
}

// What the answer says about a resource that is recorded but not listed.
const (
	notListed = "no: the proxy no longer lists it. It leaves out resources whose group has no id " +
		"in the user directory. Nothing is done about it, and nothing is removed"
	notAsked = "not known: the proxy gave no listing. What follows is recorded; the storage was " +
		"not looked at"
)

// Listed answers about an address, a group id, an item, an order's id or its first digits, or a
// path that no resource claims.
func Listed(ctx context.Context, in *Input, what string) (string, error) {
	a := answer{in: in, p: in.Planned}
	views := a.p.Graph.Views()
	var found []planner.View
	for i := range views {
		if v := &views[i]; isMeant(v, what) || hadGroup(a.p, v, what) {
			found = append(found, *v)
		}
	}
	for i := range found {
		if err := a.resource(ctx, &found[i]); err != nil {
			return "", err
		}
	}
	a.shared(found)
	if len(found) == 0 {
		more := func(k planner.Key) error { return a.leftQuota(ctx, k) }
		if err := a.recorded(what, notListed, more); err != nil {
			return "", err
		}
	}
	if err := a.unclaimed(ctx, what); err != nil {
		return "", err
	}
	if a.b.Len() == 0 {
		if err := a.unlisted(ctx, what); err != nil {
			return "", err
		}
	}
	if a.b.Len() == 0 {
		return "", fmt.Errorf("the proxy lists nothing for %s%s", what, Nearest(views, what))
	}
	return a.b.String(), nil
}

// Recorded answers without a listing, from what the state knows; empty if it knows nothing.
func Recorded(in *Input, what string) (string, error) {
	a := answer{in: in, p: in.Planned}
	err := a.recorded(what, notAsked, func(planner.Key) error { return nil })
	return a.b.String(), err
}

// answer collects the lines of the answer.
type answer struct {
	in *Input
	p  *engine.Planned
	b  strings.Builder
}

// indent is the column where the text of a line begins.
const indent = 13

// heading begins the lines about one thing.
func (a *answer) heading(text string) {
	if a.b.Len() > 0 {
		a.b.WriteString("\n")
	}
	fmt.Fprintf(&a.b, "%s\n", text)
}

// line writes one statement, wrapped to as many lines as it needs.
func (a *answer) line(name, format string, args ...any) {
	for _, text := range render.Wrap(fmt.Sprintf(format, args...), a.in.Width-indent) {
		a.verbatim(name, text)
		name = ""
	}
}

// verbatim writes a line that is never broken, because somebody may copy it.
func (a *answer) verbatim(name, text string) {
	fmt.Fprintf(&a.b, "%-*s%s\n", indent, "  "+name, text)
}

// resource writes everything about one listed resource.
func (a *answer) resource(ctx context.Context, v *planner.View) error {
	a.heading(render.Quote(v.Address))
	a.line("listed", "%s, as %s of %s; item %s", v.Status, orElse(v.Key.DataType, "nothing"),
		v.Key.System, v.Key.Item)
	a.wanted(v)
	if v.Order != "" {
		a.order(ctx, v)
	}
	a.there(v)
	a.quota(v)
	if !a.isRecorded(v.Key) && !v.Target.IsBranch() {
		a.line("recorded", "never seen as wanted")
	}
	if err := a.lately(v.Key); err != nil {
		return err
	}
	a.next(v)
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
