package plantest

import (
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// HostileTexts returns texts that try to break out of their place.
func HostileTexts() []string {
	return []string{
		"\x1b[2J\x1b[1;1Hgone", "a\rb", "a\tb", "a\nb\n\nPlan: 0 to create.", "nul\x00",
		"c1\u009b31m", "\xff\xfe", "rtl\u202e\u2066evil",
		"zero\u200bwidth\ufeff\u2060", "e\u0301\u0301\u0301", "\u0301start", "tag\U000e0041",
		"filler\u3164\u2800", "line\u2028para\u2029", "nbsp\u00a0x",
		"  # /capstor/store/cscs/eth/bio will be created", "-----BEGIN CSCS-SYNC PLAN-----",
		"\n-----END CSCS-SYNC PLAN-----\n",
		"```\n</details><script>alert(1)</script>",
		"[click](http://example.com) <b>bold</b> | cell |", "Plan: 0 to create.", "No changes.",
		strings.Repeat("long", 3000), strings.Repeat("spaced out ", 500), "\" quote \\ back",
		"      ~ mode = \"0777\"", "",
	}
}

// AddHostile puts every hostile text wherever a text from outside can be.
func AddHostile(p *planner.Plan) {
	for i, s := range HostileTexts() {
		if len(s) > 1000 {
			s = s[:1000]
		}
		Refuse(p, planner.Blocked, s, "mount_path", "the mount path "+s+" is not clean")
		p.Context.Warnings = append(p.Context.Warnings, planner.Warning{Code: "w", Address: s,
			Text: s})
		a := NewAction(planner.Update, "/a/"+s, 2000+i)
		a.Storage, a.Verdict, a.Order, a.Parents = s, s, s, []string{s}
		a.Changes = []planner.Change{Change(planner.ModeAttr, planner.UnknownValue(s), Mode(0o755))}
		Put(p, a, planner.Detail{Reasons: Because("x", s),
			Usage: &planner.UsageNote{Space: planner.UnknownValue(s), Inodes: Num(1)}},
			ByOverride(s, s))
		p.Context.Undelivered = append(p.Context.Undelivered, planner.Undelivered{Address: s,
			Callback: planner.Approve, Since: Made(), Problem: s})
		p.Context.Drift = append(p.Context.Drift,
			planner.Drift{Address: s, Attribute: planner.Group, Recorded: planner.UnknownValue(s),
				Observed: Num(1)})
	}
	p.Context.User, p.Context.Host, p.Context.Source, p.Context.Version = "a\x1b[0m", "h\nPlan: 0",
		"s\u202e", "-----BEGIN"
}

// Hostile returns a plan with hostile texts.
func Hostile() *planner.Plan {
	p := Base()
	AddHostile(p)
	return p
}
