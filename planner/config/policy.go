package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
	"github.com/waldur/cscs-storage-sync/planner/override"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// autoApprove reads the policy. Besides attributes it may have match blocks, as in overrides, and
// windows:
//
//	window {
//	  days = ["mon", "tue"]      # on which it begins; all if left out
//	  from = "08:00"
//	  to   = "18:00"             # not after from: on the next day
//	  zone = "Europe/Zurich"     # UTC if left out
//	  deny = true                # closes in place of opening; deny beats allow
//	}
func (d *decoder) autoApprove(block *hcl.Block) {
	s := d.open(block, []string{"allow", "max_changes", "max_archives", "max_space", "max_share",
		"min_used", "max_raise"}, hcl.BlockHeaderSchema{Type: "match"},
		hcl.BlockHeaderSchema{Type: "window"})
	a := &d.config.AutoApprove
	words := AutoApproveWords()
	for _, w := range s.texts("allow", []string{"create", "quota_raise", "report"}) {
		if !slices.Contains(words, w) {
			s.wrong("allow", "%s is not one of %s.%s", show(w), quoted(words),
				expr.DidYouMean(w, words))
		}
		a.Allow = append(a.Allow, w)
	}
	slices.Sort(a.Allow)
	a.Allow = slices.Compact(a.Allow)
	a.MaxChanges = int(s.number("max_changes", 50, 0, math.MaxInt32))
	a.MaxArchives = int(s.number("max_archives", 0, 0, math.MaxInt32))
	a.MaxSpace = planner.Bytes(s.number("max_space", 0, 0, math.MaxInt64))
	a.MaxShare = int(s.number("max_share", 0, 0, 100))
	a.MinUsed = int(s.number("min_used", 0, 0, 100))
	a.MaxRaise = int(s.number("max_raise", 0, 0, 1000))
	if slices.Contains(a.Allow, "archive") && a.MaxArchives == 0 {
		d.warnAt(s.at("allow"), "Archiving is allowed but bounded to nothing",
			"max_archives is 0, so every archive still waits for a person.")
	}
	for _, b := range s.blocks {
		switch b.Type {
		case "match":
			m, diags := override.CompileMatch(b, d.scope)
			d.diags = append(d.diags, diags...)
			a.Matches = append(a.Matches, m)
		case "window":
			a.Windows = append(a.Windows, d.window(b))
		}
	}
}

// window reads one window.
func (d *decoder) window(block *hcl.Block) policy.Window {
	s := d.open(block, []string{"days", "!from", "!to", "zone", "deny"})
	w := policy.Window{From: s.clock("from"), To: s.clock("to"), Zone: time.UTC,
		Deny: s.boolean("deny", false)}
	// In minutes, less one: from a time to the same time is a whole day.
	length := (w.To - w.From + 24*60 - 1) % (24 * 60)
	if every := d.config.Run.Interval; !w.Deny && time.Duration(length+1)*time.Minute < every+
		every/10 {
		d.warnAt(s.defined, "The loop may miss this window",
			"The window is open for %d min, and rounds begin every %s and a little more: "+
				"there may be no round in it.", length+1, every)
	}
	names := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
	for _, day := range s.texts("days", nil) {
		i := slices.Index(names, strings.ToLower(day))
		if i < 0 {
			s.wrong("days", "%s is not one of %s.", show(day), quoted(names))
			continue
		}
		w.Days = append(w.Days, time.Weekday(i))
	}
	if zone := s.text("zone", "UTC"); zone != "UTC" {
		loaded, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			s.wrong("zone", `%s is not a time zone that this program knows; `+
				`want a name such as "Europe/Zurich".`, show(zone))
			return w
		}
		w.Zone = loaded
	}
	return w
}

// clock reads a time of day, HH:MM, and returns it in minutes after midnight.
func (s section) clock(name string) int {
	text := s.text(name, "")
	hours, minutes, ok := strings.Cut(text, ":")
	h, err := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(minutes)
	if s.has(name) && (!ok || err != nil || err2 != nil || len(minutes) != 2 || h < 0 || h > 24 ||
		m < 0 || m > 59 || h == 24 && m > 0) {
		s.wrong(name, "Want a time of day, such as \"08:00\".")
		return 0
	}
	return h*60 + m
}
