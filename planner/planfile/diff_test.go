package planfile

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestDiff(t *testing.T) {
	old, latest := mixedPlan(), mixedPlan()
	if d := Diff(old, latest); !d.Identical || d.ContextOnly() {
		t.Errorf("the same plan: %+v", d)
	}
	latest.Context.Made = latest.Context.Made.Add(3600e9)
	latest.Context.Details[0].Usage = &planner.UsageNote{Space: num(1), Inodes: num(1)}
	d := Diff(old, latest)
	if d.Identical || !d.ContextOnly() || len(d.Added)+len(d.Gone)+len(d.Changed) != 0 || len(d.Context) != 1 {
		t.Errorf("another context: %+v", d)
	}
	golden(t, "diff-context.txt", d.Text(Options{}))

	latest = basePlan()
	addCreate(latest, "/capstor/store/cscs/eth/climate", 0)
	addRaise(latest, "/capstor/scratch/cscs/mch/msopr", 11, 20*tib, 15*tib, 12*tib)
	addRaise(latest, "/capstor/scratch/cscs/mch/another", 13, 20*tib, 11*tib, 12*tib)
	addBlocked(latest)
	latest.Context.Blocked[0].Reasons[0].Text = "the proxy gives group id 7, the least allowed is 1000 (storage.min_gid)"
	latest.Core.Configuration = strings.Repeat("0", 64)
	d = Diff(old, latest)
	if len(d.Added) != 1 || len(d.Gone) != 5 || len(d.Changed) != 1 || len(d.Whole) != 1 || d.ContextOnly() {
		t.Errorf("%d added, %d gone, %d changed, %d whole", len(d.Added), len(d.Gone), len(d.Changed), len(d.Whole))
	}
	golden(t, "diff.txt", d.Text(Options{}))
	if strings.ContainsRune(string(Diff(hostilePlan(), latest).Text(Options{})), esc) {
		t.Error("a text from outside is not escaped")
	}
}

func TestMarked(t *testing.T) {
	for _, c := range [][3]string{
		{"the proxy gives group id 0, too low", "the proxy gives group id 7, too low", "the proxy gives group id [-0-]{+7+}, too low"},
		{"something else altogether here", "nothing at all like before", "something else altogether here -> nothing at all like before"},
	} {
		if got := marked(c[0], c[1]); got != c[2] {
			t.Errorf("%s", got)
		}
	}
}
