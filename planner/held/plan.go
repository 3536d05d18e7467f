package held

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/policy"
	codes "github.com/waldur/cscs-storage-sync/planner/reason"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Plan is a plan that waits for a person.
type Plan struct {
	Name string `json:"name"`
	ID   string `json:"plan"`
	// File is the path of the copy on this node.
	File  string    `json:"file"`
	Since time.Time `json:"since"`
	// Addresses are the resources. Danger lists the kinds of danger in the plan.
	Addresses []string         `json:"addresses"`
	Danger    []planner.Danger `json:"danger"`
	// Because are the rules that hold it.
	Because   []string `json:"because"`
	Approvals int      `json:"approvals"`
	// Summary counts the actions by kind. Dangers is Danger in words.
	Summary string `json:"-"`
	Dangers string `json:"-"`
	// Keys are the resources that the plan is about.
	Keys []planner.Key `json:"-"`
}

// Unusable is a held plan that this version can't use.
type Unusable struct {
	File string
	Why  error
}

// Waiting returns the plans that can be approved, newest first, and those that nobody can approve.
// dir is the folder of the state on this node.
func Waiting(tx ledger.Tx, dir string) (plans []Plan, unusable []Unusable, err error) {
	plans = []Plan{}
	err = tx.EachFile(Folder+"/", func(name string, data []byte) error {
		if !isPlan(name) {
			return nil
		}
		file := filepath.Join(dir, name)
		f, why, err := Usable(data, file)
		switch {
		case err != nil:
			return err
		case why != nil:
			unusable = append(unusable, Unusable{file, why})
		default:
			plans = append(plans, summarize(f.Plan, file, len(f.Approvals)))
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("held plans: %w", err)
	}
	slices.SortStableFunc(plans, func(a, b Plan) int {
		if c := b.Since.Compare(a.Since); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return plans, unusable, nil
}

// summarize returns what people need to know about a held plan.
func summarize(p *planner.Plan, file string, approvals int) Plan {
	id := canonical.ID(p.Core)
	w := Plan{Name: policy.Name(&p.Core, id), ID: id, File: file, Since: p.Context.Made,
		Danger: []planner.Danger{}, Because: []string{}, Addresses: []string{}, Approvals: approvals,
		Dangers: render.Dangers(p), Keys: engine.KeysOf(p)}
	counts := map[planner.ActionKind]int{}
	for i := range p.Core.Actions {
		act := &p.Core.Actions[i]
		counts[act.Kind]++
		w.Addresses = append(w.Addresses, act.Address)
		for _, d := range act.Danger {
			if !slices.Contains(w.Danger, d) {
				w.Danger = append(w.Danger, d)
			}
		}
	}
	for _, warning := range p.Context.Warnings {
		if warning.Code == codes.Held {
			w.Because = append(w.Because, warning.Text)
		}
	}
	var parts []string
	for _, k := range planner.ActionKinds() {
		if counts[k] > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", counts[k], k))
		}
	}
	w.Summary = strings.Join(parts, ", ")
	return w
}

// write adds a held plan to the list.
func (w *Plan) write(b *strings.Builder) {
	const most = 3
	fmt.Fprintf(b, "%s\n  since    %s\n  changes  %s:", w.Name, planner.Minute(w.Since), w.Summary)
	for _, address := range w.Addresses[:min(most, len(w.Addresses))] {
		b.WriteString(" " + render.Quote(address))
	}
	if more := len(w.Addresses) - most; more > 0 {
		fmt.Fprintf(b, " and %d more", more)
	}
	if len(w.Danger) > 0 {
		fmt.Fprintf(b, "\n  danger   %s", join(w.Danger))
	}
	for _, why := range w.Because {
		b.WriteString("\n  because  " + render.Escape(why))
	}
	if w.Approvals > 0 {
		fmt.Fprintf(b, "\n  has      %s", planner.Count(w.Approvals, "approval"))
	}
	fmt.Fprintf(b, "\n  show     cscs-sync held show %[1]s\n  approve  cscs-sync held approve %[1]s\n",
		w.Name)
}

func join[T ~string](list []T) string {
	var words []string
	for _, s := range list {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

// Text lists the waiting and the rejected plans for people.
func Text(waiting []Plan, rejected []Rejection) string {
	var b strings.Builder
	if len(waiting) == 0 {
		b.WriteString("No plan waits for a person.\n")
	}
	for _, w := range waiting {
		w.write(&b)
	}
	if len(rejected) > 0 {
		b.WriteString("\nRejected, and not held again until something changes:\n")
	}
	for _, r := range rejected {
		fmt.Fprintf(&b, "  %s  %s by %s", r.Name, planner.Minute(r.At), render.Escape(r.By))
		if r.Reason != "" {
			b.WriteString(": " + render.Escape(r.Reason))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// nameOf returns the name of a held plan's file in the state.
func (w *Plan) nameOf() string { return path.Join(Folder, filepath.Base(w.File)) }
