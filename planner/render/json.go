package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// FormatVersion is the version of the JSON of `plan --json` and `show --json`:
// docs/schema/plan-1.0.schema.json.
const FormatVersion = "1.0"

type jsonPlan struct {
	FormatVersion string            `json:"format_version"`
	ID            string            `json:"id"`
	Summary       jsonSummary       `json:"summary"`
	Resources     []jsonResource    `json:"resources"`
	Warnings      []planner.Warning `json:"warnings"`
	// Shared are the quotas that this plan sets and several resources claim.
	Shared []planner.SharedQuota `json:"shared"`
	// Promised is what hard limits promise on each system.
	Promised []planner.Promise `json:"promised"`
}

type jsonSummary struct {
	planner.Counts
	quotaCounts
}

type jsonResource struct {
	Address   string             `json:"address"`
	Key       planner.Key        `json:"key"`
	System    string             `json:"system"`
	Action    planner.ActionKind `json:"action"`
	Danger    []planner.Danger   `json:"danger"`
	Reasons   []planner.Reason   `json:"reasons"`
	Changes   []jsonChange       `json:"changes"`
	Usage     *jsonUsage         `json:"usage"`
	Callbacks []planner.Callback `json:"callbacks"`
	Commands  []string           `json:"commands"`
}

type jsonChange struct {
	Attribute  string             `json:"attribute"`
	Before     planner.Value      `json:"before"`
	After      planner.Value      `json:"after"`
	Provenance planner.Provenance `json:"provenance"`
	Drift      bool               `json:"drift"`
}

type jsonUsage struct {
	Space  planner.Value `json:"space"`
	Inodes planner.Value `json:"inodes"`
	// Default are the kinds, "space" and "inodes", whose limits before are the filesystem's default
	// quota.
	Default []string `json:"default"`
}

func usageOf(u *planner.UsageNote) *jsonUsage {
	out := &jsonUsage{Space: u.Space, Inodes: u.Inodes, Default: []string{}}
	if u.DefaultSpace {
		out.Default = append(out.Default, "space")
	}
	if u.DefaultInodes {
		out.Default = append(out.Default, "inodes")
	}
	return out
}

// JSON returns the plan for programs. Lists are never null. Characters that a terminal would act
// on, or would not show, are written as \u escapes.
func JSON(plan *planner.Plan) []byte {
	out := jsonPlan{FormatVersion: FormatVersion, ID: canonical.ID(plan.Core),
		Summary:   jsonSummary{plan.Context.Counts, countQuotas(plan)},
		Resources: make([]jsonResource, 0, len(plan.Core.Actions)),
		Warnings:  canonical.Present(plan.Context.Warnings),
		Shared:    canonical.Present(plan.Context.Shared),
		Promised:  canonical.Present(plan.Context.Promised)}
	lines := newShell(plan, byAddress(plan))
	for i := range plan.Core.Actions {
		out.Resources = append(out.Resources, resourceOf(plan, lines, i))
	}
	out.Resources = append(out.Resources, refusalsOf(plan.Context.Blocked, planner.Blocked)...)
	out.Resources = append(out.Resources, refusalsOf(plan.Context.Waiting, planner.Waiting)...)
	slices.SortStableFunc(out.Resources, func(a, b jsonResource) int {
		return cmp.Or(cmp.Compare(a.Address, b.Address), a.Key.Compare(b.Key))
	})
	var b bytes.Buffer
	if err := json.Indent(&b, canonical.JSON(out), "", "  "); err != nil {
		return append(canonical.JSON(out), '\n')
	}
	b.WriteByte('\n')
	return hideNothing(b.Bytes())
}

// byAddress returns the indexes of the actions in the order of the JSON.
func byAddress(plan *planner.Plan) []int {
	order := make([]int, len(plan.Core.Actions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &plan.Core.Actions[i], &plan.Core.Actions[j]
		return cmp.Or(cmp.Compare(a.Address, b.Address), a.Key.Compare(b.Key))
	})
	return order
}

func resourceOf(plan *planner.Plan, lines *shell, i int) jsonResource {
	a, d := &plan.Core.Actions[i], &plan.Context.Details[i]
	r := jsonResource{Address: a.Address, Key: a.Key, System: a.System, Action: a.Kind,
		Danger: canonical.Present(a.Danger), Reasons: canonical.Present(d.Reasons),
		Changes: make([]jsonChange, len(a.Changes)), Callbacks: canonical.Present(a.Callbacks),
		Commands: canonical.Present(lines.commands(i))}
	for j, c := range a.Changes {
		r.Changes[j] = jsonChange{c.Attribute.String(), c.Before, c.After, d.Notes[j].Provenance,
			d.Notes[j].Drift}
	}
	if d.Usage != nil {
		r.Usage = usageOf(d.Usage)
	}
	return r
}

// refusalsOf returns the refusals of whole resources. A resource of which only the quota is refused
// has an action, with the reason among its reasons.
func refusalsOf(list []planner.Refusal, kind planner.ActionKind) []jsonResource {
	var out []jsonResource
	for _, r := range list {
		if !r.QuotaOnly {
			out = append(out, jsonResource{Address: r.Address, Key: r.Key, System: r.System,
				Action: kind,
				Danger: []planner.Danger{}, Reasons: canonical.Present(r.Reasons),
				Changes: []jsonChange{}, Callbacks: []planner.Callback{}, Commands: []string{}})
		}
	}
	return out
}

// EscapeJSON writes the characters of a JSON document that are not visible, or that a terminal
// would act on, as \u escapes. The document stays the same, and nothing can be hidden in it.
func EscapeJSON(data []byte) []byte { return hideNothing(data) }

// hideNothing writes characters that are not visible as \u escapes. JSON has such characters only
// in strings.
func hideNothing(data []byte) []byte {
	if !bytes.ContainsFunc(data, hidden) {
		return data
	}
	var b bytes.Buffer
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case !hidden(r):
			b.Write(data[:size])
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		data = data[size:]
	}
	return b.Bytes()
}

func hidden(r rune) bool { return r != '\n' && !visible(r) }
