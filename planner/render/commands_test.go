package render

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

func TestCommands(t *testing.T) {
	p := plantest.Base()
	plantest.AddCreate(p, "/capstor/store/climate", 0)
	a := &p.Core.Actions[0]
	a.Parents = []string{"capstor/store"}
	order := a.Order
	want := []string{
		"mkdir -p -m 0755 -- capstor/store", "mkdir -m 0700 -- capstor/store/climate",
		"lfs setquota -g 30500 -b 19327352832 -B 21474836480 -i 26600000 -I 40000000 " +
			"capstor/store/climate",
		"chown 0:30500 -- capstor/store/climate", "chmod 02770 -- capstor/store/climate",
		"# callback approve " + order, "# callback set_backend_id " + order,
		"# callback set_state_done " + order,
	}
	if got := lines(p); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
	a.Quota = &planner.QuotaID{By: planner.ByProject, ID: 7}
	a.Changes = []planner.Change{plantest.Change(planner.Project, plantest.Num(0), plantest.Num(7)),
		plantest.Change(planner.SpaceHard, plantest.Num(1), planner.UnlimitedValue())}
	a.Kind, a.Parents, a.Callbacks, a.Tag = planner.Update, nil, nil, true
	p.Context.Details[0] = planner.Detail{Kept: []planner.KeptLimit{{Attribute: planner.SpaceSoft,
		Value: plantest.Num(5 << 20)}, {Attribute: planner.InodesSoft,
		Value: planner.UnlimitedValue()},
		{Attribute: planner.InodesHard, Value: plantest.Num(9)}}}
	want = []string{"lfs setquota -p 7 -b 5120 -B 0 -i 0 -I 9 capstor/store/climate",
		"lfs project -r -s -p 7 capstor/store/climate"}
	if got := lines(p); !slices.Equal(got, want) {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// lines returns the shell lines of a plan's only action.
func lines(p *planner.Plan) []string { return newShell(p, []int{0}).commands(0) }

// TestShellWords gives words to a shell, which must see one word and run nothing.
func TestShellWords(t *testing.T) {
	for _, s := range []string{"a b", "$(echo x)", "`echo x`", "it's", "a;b", "-rf", "a*", `"q"`,
		"~", "a&b|c"} {
		out, err := exec.Command("sh", "-c", "printf '<%s>' "+shellPath(s)).Output()
		if err != nil || string(out) != "<"+s+">" {
			t.Errorf("%q: the shell sees %s, %v", s, out, err)
		}
	}
}
