package render

import (
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// fact is one line of what a plan says about a resource. Its texts are escaped.
type fact struct {
	mark  string
	style style
	name  string
	// is is a value that stays as it is. Otherwise was and will are the two sides of a change; was is
	// empty for something new.
	is, was, will string
	note          string
	// loud is the style of a note that must not be missed; other notes are dim.
	loud style
}

// places returns the directories that an action makes, changes or moves, and what is tagged below
// them.
func places(a *planner.Action) []fact {
	var facts []fact
	for _, parent := range a.Parents {
		facts = append(facts, fact{mark: "+", style: green, name: "parent", will: Quote(parent),
			note: "root:root 0755"})
	}
	mark, _, s := symbol(a.Kind)
	f := fact{name: "directory", mark: mark, style: s}
	switch {
	case a.Kind == planner.Create:
		f.will = Quote(a.Storage)
	case a.Kind == planner.Archive && a.Folder != "":
		f.was, f.will = Quote(a.Storage), Quote(a.ArchivePlace())
	case a.From != "":
		f.was, f.will = Quote(a.From), Quote(a.Storage)
	default:
		f.mark, f.style, f.is = "", plain, Quote(a.Storage)
	}
	if a.Inode != 0 {
		f.note = "inode " + planner.Number(a.Inode).String()
	}
	facts = append(facts, f)
	if a.Tag {
		facts = append(facts, fact{mark: "~", style: yellow, name: "tree",
			will: "everything below is tagged, once the quota is set"})
	}
	return facts
}

// changeFact returns the fact about the change of one attribute.
func changeFact(kind planner.ActionKind, c planner.Change, d *planner.Detail, i int) fact {
	f := fact{mark: "~", style: yellow, name: c.Attribute.String(), note: origin(d.Notes[i])}
	if d.Notes[i].Drift {
		f.loud = cyan
	}
	before, after := showBefore(c, d), show(c.Attribute, c.After)
	switch {
	case kind == planner.Archive && c.After.IsAbsent():
		f.mark, f.style, f.is, f.note = "", plain, before, ""
	case c.Before.IsAbsent():
		f.mark, f.style, f.will = "+", green, after
	case c.After.IsAbsent():
		f.mark, f.style, f.was, f.will = "-", red, before, after
	default:
		f.was, f.will = before, after+moved(c)
	}
	return f
}

// afterwards returns the facts after the changes: retention, order, callbacks.
func afterwards(a *planner.Action) []fact {
	var facts []fact
	add := func(has bool, name, is string) {
		if has {
			facts = append(facts, fact{name: name, is: is})
		}
	}
	names := make([]string, len(a.Callbacks))
	for i, c := range a.Callbacks {
		names[i] = Escape(string(c))
	}
	add(a.Retention > 0, "kept", kept(a))
	add(a.Freeze, "freeze", "the hard limits of "+quotaName(a)+" are lowered to its usage")
	add(a.Unlimit, "quota", "the quota of "+quotaName(a)+
		" is removed once the directory is archived")
	add(a.Order != "", "order", Quote(a.Order))
	add(a.Verdict != "", "message", title(a.Verdict))
	add(len(names) > 0, "callbacks", strings.Join(names, ", "))
	return facts
}
