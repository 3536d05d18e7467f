package render

import (
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// setLimits returns the line that sets all four limits of an action, including those that stay;
// empty if it sets none. after has the limits by attribute.
func setLimits(a *planner.Action, d *planner.Detail, after map[planner.Attribute]planner.Value,
	dir string) string {
	if a.Quota == nil {
		return ""
	}
	limits := map[planner.Attribute]string{}
	for _, at := range planner.LimitAttributes() {
		if n, ok := after[at].Number(); ok {
			limits[at] = limitNumber(d.Tool, at, n)
		} else if after[at].IsUnlimited() {
			limits[at] = unlimitedIn(d.Tool)
		}
	}
	if len(limits) == 0 {
		return ""
	}
	switch d.Tool {
	case planner.ToolSetquota:
		return "setquota " + idFlag(a, "-P ") + limitList(d.Tool, limits, "%s", " ", "0") + " " +
			mountOf(dir)
	case planner.ToolXFS:
		return "xfs_quota -x -c 'limit " + kindFlag(a, "-p ") +
			limitList(d.Tool, limits, "%n=%s", " ", "") + " " + idOf(a) + "' " + mountOf(dir)
	case planner.ToolVAST:
		return vastRequest(a, limits)
	}
	return "lfs setquota " + idFlag(a, "-p ") + limitList(d.Tool, limits, "%n %s", " ", "") + " " +
		dir
}

// limitNumber formats a limit for a tool: in KiB, but in bytes for VAST.
func limitNumber(tool planner.Tool, at planner.Attribute, n uint64) string {
	switch {
	case !at.IsSpace() || tool == planner.ToolVAST:
		return strconv.FormatUint(n, 10)
	case tool == planner.ToolXFS:
		return strconv.FormatUint(n>>10, 10) + "k"
	}
	return strconv.FormatUint(n>>10, 10)
}

// unlimitedIn returns a tool's value for no limit.
func unlimitedIn(tool planner.Tool) string {
	if tool == planner.ToolVAST {
		return "null"
	}
	return "0"
}

// limitList returns one word for each limit, made from the tool's name for it (%n) and its value
// (%s). A limit that is absent gets the value missing, or no word if missing is empty.
func limitList(tool planner.Tool, limits map[planner.Attribute]string, word, between,
	missing string) string {
	var words []string
	for _, at := range planner.LimitAttributes() {
		value, ok := limits[at]
		if !ok && missing == "" {
			continue
		}
		if !ok {
			value = missing
		}
		words = append(words, strings.NewReplacer("%n", at.Word(tool), "%s", value).Replace(word))
	}
	return strings.Join(words, between)
}

// asksVAST reports whether a line of --commands is a request to VAST.
func (v *view) asksVAST() bool {
	for i := range v.plan.Core.Actions {
		if v.plan.Core.Actions[i].Quota != nil && v.plan.Context.Details[i].Tool == planner.ToolVAST {
			return true
		}
	}
	return false
}

// placeholders writes what to fill in for the requests to VAST, because a plan has no addresses, no
// paths on the storage system and no tokens.
func placeholders(p *printer) {
	p.put(text("Before you run a curl line, set:"))
	for _, l := range []string{
		"  VMS=     url of the quota block, without / at its end",
		"  PREFIX=  what VAST has in front of the storage path: path_prefix without",
		"           the system's directory. If they do not end alike, write VAST's path",
		"  header   a file with the line: Authorization: Api-Token TOKEN",
	} {
		p.put(text(l))
	}
}

// vastRequest makes or changes a quota through VAST's API. [placeholders] explains VMS, PREFIX and
// the file header.
func vastRequest(a *planner.Action, limits map[planner.Attribute]string) string {
	body := limitList(planner.ToolVAST, limits, `"%n": %s`, ", ", "")
	if a.Handle != "" {
		return "curl --fail -H @header -H 'Content-Type: application/json' -X PATCH -d " +
			ShellWord("{"+body+"}") +
			` "$VMS"/quotas/` + ShellWord(a.Handle) + "/"
	}
	path := ShellWord(jsonText(a.Quota.Path))
	return `curl --fail -H @header -H 'Content-Type: application/json' -X POST -d '{"name": "'` +
		path + `'", "path": "'"$PREFIX"/` + path +
		`'", ` + body + `}' "$VMS"/quotas/`
}

// jsonText returns a text as it is written between the quotes of a JSON string.
func jsonText(s string) string { return strings.Trim(strconv.Quote(s), `"`) }

// leaveQuota returns the lines for the quota of an archived directory.
func leaveQuota(a *planner.Action, d *planner.Detail) []string {
	switch {
	case a.Quota == nil:
	case a.Unlimit && d.Tool == planner.ToolVAST && a.Handle != "":
		return []string{`curl --fail -H @header -X DELETE "$VMS"/quotas/` + ShellWord(a.Handle) +
			"/"}
	case a.Unlimit:
		return []string{"# then the quota of " + quotaName(a) + " is removed"}
	case a.Freeze && d.Tool == planner.ToolLFS && a.Quota.By != planner.ByDirectory:
		return []string{"# then lfs setquota " + idFlag(a, "-p ") + "-B its usage " +
			shellPath(a.Folder)}
	case a.Freeze:
		return []string{"# then the hard limits of " + quotaName(a) + " are lowered to its usage"}
	}
	return nil
}

// setProject gives a project id to a directory, or with all also to everything below it. New
// entries inherit the id.
func setProject(tool planner.Tool, id uint64, dir string, all bool) string {
	number := strconv.FormatUint(id, 10)
	switch {
	case tool == planner.ToolLFS && all:
		return "lfs project -r -s -p " + number + " " + dir
	case tool == planner.ToolLFS:
		return "lfs project -d -s -p " + number + " " + dir
	case all:
		return "chattr -R +P -p " + number + " -- " + dir
	}
	return "chattr +P -p " + number + " -- " + dir
}

// idFlag returns whose limits are set, as lfs and setquota take it, followed by a blank.
func idFlag(a *planner.Action,
	project string) string {
	return kindFlag(a, project) + idOf(a) + " "
}

// kindFlag returns the flag of the kind of quota, followed by a blank.
func kindFlag(a *planner.Action, project string) string {
	if a.Quota.By == planner.ByProject {
		return project
	}
	return "-g "
}

func idOf(a *planner.Action) string { return strconv.FormatUint(uint64(a.Quota.ID), 10) }

// mountOf returns the mount of a directory.
func mountOf(dir string) string { return `"$(stat -c %m -- ` + dir + `)"` }
