package render

import (
	"path"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// shell makes the shell lines of a plan's actions. The lines of an action can be run alone, or
// after those of the actions before it in the order given to [newShell]: a missing ancestor is made
// by the first action that needs it.
type shell struct {
	plan *planner.Plan
	// above has the ancestors that the lines of an action make, topmost first, by the action's index.
	above map[int][]string
	// isNode reports, for a missing ancestor, whether the plan has an entry for it, which sets its
	// owner and mode.
	isNode map[string]bool
}

// newShell takes the order in which the actions are shown, as indexes.
func newShell(plan *planner.Plan, order []int) *shell {
	s := &shell{plan: plan, above: map[int][]string{}, isNode: map[string]bool{}}
	made := map[string]bool{} // all missing ancestors, and whether a line makes them already
	for i := range plan.Core.Actions {
		a := &plan.Core.Actions[i]
		if a.Kind == planner.Create && a.Target.IsBranch() {
			s.isNode[a.Storage], made[a.Storage] = true, false
		}
		for _, parent := range a.Parents {
			made[parent] = false
		}
	}
	for _, i := range order {
		a := &plan.Core.Actions[i]
		if a.Kind != planner.Create && a.From == "" {
			continue
		}
		for at, c := range a.Storage {
			if done, missing := made[a.Storage[:at]]; c == '/' && missing && !done {
				s.above[i] = append(s.above[i], a.Storage[:at])
				made[a.Storage[:at]] = true
			}
		}
	}
	return s
}

// commands returns the shell lines that would do what an action does, to be run in storage.root.
// They are for reading: apply handles much that they do not, such as races and links. Callbacks are
// only named.
func (s *shell) commands(i int) []string {
	a, d := &s.plan.Core.Actions[i], &s.plan.Context.Details[i]
	dir := shellPath(a.Storage)
	var lines []string
	for _, parent := range s.above[i] {
		mode := "0755"
		if s.isNode[parent] {
			mode = "0700"
		}
		lines = append(lines, "mkdir -p -m "+mode+" -- "+shellPath(parent))
	}
	switch {
	case a.Kind == planner.Create && a.Target.IsBranch():
		lines = append(lines, "mkdir -p -m 0700 -- "+dir) // a resource below it may come before it
	case a.Kind == planner.Create:
		lines = append(lines, "mkdir -m 0700 -- "+dir)
	case a.From != "":
		lines = append(lines, "mv -nT -- "+shellPath(a.From)+" "+dir)
	}
	lines = append(lines, settings(a, d, dir)...)
	if a.Kind == planner.Archive && a.Folder != "" {
		lines = append(lines, "mkdir -p -m 0700 -- "+shellPath(a.Folder),
			"mv -nT -- "+dir+" "+archivePlace(a))
	}
	lines = append(lines, leaveQuota(a, d)...)
	for _, c := range a.Callbacks {
		lines = append(lines, strings.TrimRight("# callback "+Escape(string(c))+" "+Quote(a.Order),
			` "`))
	}
	return lines
}

// settings returns the lines for attributes that get a value, in the order of apply.
func settings(a *planner.Action, d *planner.Detail, dir string) []string {
	after := map[planner.Attribute]planner.Value{}
	for _, k := range d.Kept {
		after[k.Attribute] = k.Value
	}
	for _, c := range a.Changes {
		if !c.After.IsAbsent() {
			after[c.Attribute] = c.After
		}
	}
	var lines []string
	id, tagged := after[planner.Project].Number()
	if tagged && !a.Tag {
		lines = append(lines, setProject(d.Tool, id, dir, false))
	}
	if l := setLimits(a, d, after, dir); l != "" {
		lines = append(lines, l)
	}
	if a.Tag {
		lines = append(lines, setProject(d.Tool, id, dir, true))
	}
	owner, hasOwner := after[planner.Owner].Number()
	group, hasGroup := after[planner.Group].Number()
	switch {
	case hasOwner && hasGroup:
		lines = append(lines, "chown "+strconv.FormatUint(owner, 10)+":"+strconv.FormatUint(group,
			10)+" -- "+dir)
	case hasOwner:
		lines = append(lines, "chown "+strconv.FormatUint(owner, 10)+" -- "+dir)
	case hasGroup:
		lines = append(lines, "chgrp "+strconv.FormatUint(group, 10)+" -- "+dir)
	}
	if m, ok := after[planner.ModeAttr].Mode(); ok {
		// GNU chmod keeps setgid and setuid of directories unless there are five digits.
		lines = append(lines, "chmod 0"+m.String()+" -- "+dir)
	}
	return lines
}

// shellPath quotes a storage path for a shell.
func shellPath(s string) string { return ShellWord(path.Clean(s)) }

// archivePlace returns the place of an archived directory, with the time at which the command runs.
func archivePlace(a *planner.Action) string {
	before, after, _ := strings.Cut(a.ArchivePlace(), planner.ArchiveTime)
	return ShellWord(before) + `"$(date -u +%Y%m%dT%H%M%SZ)"` + ShellWord(after)
}

// ShellWord quotes a text as one word for a shell. Characters that are not printable are shown
// escaped; such a line must not be run.
func ShellWord(s string) string {
	if pathSafe(s) {
		return s
	}
	return "'" + strings.ReplaceAll(escape(s, `\`), "'", `'\''`) + "'"
}
