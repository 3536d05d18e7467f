package render

import (
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestCommandsOfEachTool: the commands are what an admin of that storage would type.
func TestCommandsOfEachTool(t *testing.T) {
	group, dir := planner.QuotaID{By: planner.ByGroup, ID: 30500},
		planner.QuotaID{By: planner.ByDirectory, Path: "vast/it's"}
	for _, c := range []struct {
		tool   planner.Tool
		on     planner.QuotaID
		handle string
		want   string
	}{
		{planner.ToolLFS, group, "", "lfs setquota -g 30500 -b 0 -B 2147483648 -I 7 a/b"},
		{planner.ToolLFS, planner.QuotaID{By: planner.ByProject, ID: 9}, "",
			"lfs setquota -p 9 -b 0 -B 2147483648 -I 7 a/b"},
		{planner.ToolSetquota, group, "",
			`setquota -g 30500 0 2147483648 0 7 "$(stat -c %m -- a/b)"`},
		{planner.ToolSetquota, planner.QuotaID{By: planner.ByProject, ID: 9}, "",
			`setquota -P 9 0 2147483648 0 7 "$(stat -c %m -- a/b)"`},
		{planner.ToolXFS, group, "",
			`xfs_quota -x -c 'limit -g bsoft=0 bhard=2147483648k ihard=7 30500' "$(stat -c %m -- a/b)"`},
		{planner.ToolVAST, dir, "17",
			`curl --fail -H @header -H 'Content-Type: application/json' -X PATCH -d ` +
				`'{"soft_limit": null, "hard_limit": 2199023255552, "hard_limit_inodes": 7}' "$VMS"/quotas/17/`},
		{planner.ToolVAST, dir, "",
			`curl --fail -H @header -H 'Content-Type: application/json' -X POST -d '{"name": "''vast/it'\''s''", "path": "'"$PREFIX"/` +
				`'vast/it'\''s''", "soft_limit": null, "hard_limit": 2199023255552, "hard_limit_inodes": 7}' "$VMS"/quotas/`},
	} {
		a := &planner.Action{Kind: planner.Update, Quota: &c.on, Handle: c.handle,
			Changes: []planner.Change{
				plantest.Change(planner.SpaceHard, plantest.Num(1), plantest.Num(2<<40)),
				plantest.Change(planner.InodesHard, planner.Value{}, plantest.Num(7))}}
		d := &planner.Detail{Tool: c.tool,
			Kept: []planner.KeptLimit{{Attribute: planner.SpaceSoft,
				Value: planner.UnlimitedValue()}}}
		if got := settings(a, d, "a/b"); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s\n got %s\nwant %s", c.tool, strings.Join(got, "\n"), c.want)
		}
	}
}

// TestPlaceholdersAreExplained: the output says what to set before a curl line runs, but only if
// there is one.
func TestPlaceholdersAreExplained(t *testing.T) {
	p := plantest.Mixed()
	for i := range p.Core.Actions {
		if a := &p.Core.Actions[i]; a.Quota != nil {
			a.Quota, p.Context.Details[i].Tool = &planner.QuotaID{By: planner.ByDirectory, Path: a.Storage},
				planner.ToolVAST
		}
	}
	for _, c := range []struct {
		plan     *planner.Plan
		commands bool
		want     bool
	}{{p, true, true}, {p, false, false}, {plantest.Mixed(), true, false}} {
		out := string(Text(c.plan, Options{Commands: c.commands}))
		for _, word := range []string{"VMS=", "PREFIX=", "Authorization: Api-Token"} {
			if strings.Contains(out, word) != c.want {
				t.Errorf("commands %v: %q in the output, want %v:\n%s", c.commands, word, c.want, out)
			}
		}
	}
}

// TestCommandsThatLeaveAQuota: the commands also say what happens to an archived directory's quota.
func TestCommandsThatLeaveAQuota(t *testing.T) {
	dir := &planner.QuotaID{By: planner.ByDirectory, Path: "vast/x"}
	for _, c := range []struct {
		action planner.Action
		tool   planner.Tool
		want   string
	}{
		{planner.Action{Quota: dir, Unlimit: true, Handle: "17"}, planner.ToolVAST,
			`curl --fail -H @header -X DELETE "$VMS"/quotas/17/`},
		{planner.Action{Quota: dir, Unlimit: true}, planner.ToolXFS,
			"# then the quota of directory vast/x is removed"},
		{planner.Action{Quota: dir, Freeze: true}, planner.ToolVAST,
			"# then the hard limits of directory vast/x are lowered to its usage"},
		{planner.Action{Quota: &planner.QuotaID{By: planner.ByGroup, ID: 5}, Freeze: true,
			Folder: "t"}, planner.ToolLFS,
			"# then lfs setquota -g 5 -B its usage t"},
	} {
		if got := leaveQuota(&c.action, &planner.Detail{Tool: c.tool}); !slices.Equal(got,
			[]string{c.want}) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
