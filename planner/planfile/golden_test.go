package planfile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s (refresh with -update):\n%s", name, cmp.Diff(string(want), string(got)))
	}
}

// typical are the plans that people meet.
func typical() map[string]func() *planner.Plan {
	with := func(add func(*planner.Plan)) func() *planner.Plan {
		return func() *planner.Plan {
			p := basePlan()
			add(p)
			return p
		}
	}
	return map[string]func() *planner.Plan{
		"create":      with(func(p *planner.Plan) { addCreate(p, "/capstor/store/cscs/eth/climate", 0) }),
		"quota-raise": with(func(p *planner.Plan) { addRaise(p, "/capstor/scratch/cscs/mch/more", 12, 10*tib, 20*tib, 8*tib) }),
		"below-usage": with(func(p *planner.Plan) {
			addRaise(p, "/capstor/scratch/cscs/mch/msopr", 11, 20*tib, 10*tib, 12*tib+tib/3)
		}),
		"wider":   with(addWider),
		"drift":   with(addDrift),
		"archive": with(addArchive),
		"blocked": with(addBlocked),
		"waiting": with(addWaiting),
		"empty":   basePlan,
		"dangers": dangersPlan,
		"mixed":   mixedPlan,
		"rare":    with(addRare),
		"hostile": hostilePlan,
	}
}

// addRare adds what is seldom seen: a tenant, adoption, project quotas, restoring, rejecting, failing, freezing, a directory that is gone.
func addRare(p *planner.Plan) {
	tenant := newAction(planner.Create, "/capstor/store/cscs", 50)
	tenant.Target = planner.TargetTenant
	tenant.Parents = []string{"capstor/store"}
	tenant.Changes = []planner.Change{change(planner.Owner, planner.Value{}, num(0)), change(planner.ModeAttr, planner.Value{}, mode(0o755))}
	put(p, tenant, planner.Detail{Reasons: because("parent", "resources below it need it")})

	adopt := newAction(planner.Adopt, "/capstor/store/cscs/eth/"+fmt.Sprintf("%060d", 7), 51)
	adopt.Quota = &planner.QuotaID{By: planner.ByProject, ID: 30551}
	adopt.Inode = 99
	adopt.Danger = []planner.Danger{planner.DangerBelowUsage, planner.DangerWiderAccess, planner.DangerGroup}
	adopt.Changes = []planner.Change{change(planner.Owner, num(1001), num(0)), change(planner.Group, num(100), num(30551)),
		change(planner.Project, num(0), num(30551)), change(planner.SpaceHard, num(1025<<30), num(10_000_000_000_000)),
		change(planner.InodesSoft, num(5), planner.UnlimitedValue()), change(planner.InodesHard, planner.UnknownValue("the MDT does not answer"), num(1000))}
	put(p, adopt, planner.Detail{Reasons: because("adopt", "it exists, is not recorded yet, and differs from what is wanted"), Unchanged: 1,
		Usage: &planner.UsageNote{Space: num(10_000_000_000_001), Inodes: planner.UnknownValue("no valid bit"), Claims: 3}})

	restore := newAction(planner.Restore, "/capstor/store/cscs/eth/back", 52)
	restore.From, restore.Danger = "capstor/.trash/20261001T000000Z-12345678-back", []planner.Danger{planner.DangerMissing}
	restore.Changes = []planner.Change{change(planner.Owner, planner.Value{}, num(0)), change(planner.Group, planner.Value{}, num(30552))}
	shared := because("shared", "3 resources claim the quota of group 30552 on one filesystem")
	put(p, restore, planner.Detail{Reasons: append(because("archived", "it was archived 2026-10-01, and Waldur has it active"), shared...)})

	for i, kind := range []planner.ActionKind{planner.RejectOrder, planner.FailOrder} {
		a := newAction(kind, "/capstor/store/cscs/eth/no"+string(kind), 53+i)
		a.Order, a.Verdict, a.Callbacks = hexID(80+i), "no room left until the new racks are here", []planner.Callback{[]planner.Callback{planner.Reject, planner.SetStateErred}[i]}
		put(p, a, planner.Detail{Reasons: because("asked", "asked for on the command line: "+a.Verdict)})
		o := []planner.OrderVerdict{{Address: a.Address, Reason: a.Verdict}}
		if kind == planner.RejectOrder {
			p.Core.Selection.Rejects = o
		} else {
			p.Core.Selection.Fails = o
		}
	}
	p.Core.Selection.Targets = []string{"/capstor/**"}

	frozen := newAction(planner.Archive, "/capstor/store/cscs/eth/frozen", 55)
	frozen.Order, frozen.Folder, frozen.Freeze, frozen.Quota = hexID(90), "capstor/.trash", true, &planner.QuotaID{By: planner.ByGroup, ID: 30555}
	frozen.Danger = []planner.Danger{planner.DangerArchive}
	put(p, frozen, planner.Detail{Reasons: because("order_terminate", "order "+hexID(90)[:8]+" terminates it")})

	gone := newAction(planner.Report, "/capstor/store/cscs/eth/gone", 56)
	gone.Order, gone.Danger, gone.Callbacks = hexID(91), []planner.Danger{planner.DangerMissing}, []planner.Callback{planner.Approve, planner.SetStateDone}
	put(p, gone, planner.Detail{Reasons: because("missing", "its directory is gone, and it was not archived by cscs-sync")})

	p.Context.Blocked = append(p.Context.Blocked, planner.Refusal{Key: restore.Key, Address: restore.Address, System: "capstor", QuotaOnly: true, Reasons: shared})
	p.Context.Unobserved = 1
}

func TestGolden(t *testing.T) {
	for name, plan := range typical() {
		golden(t, name+".txt", Text(plan(), Options{}))
	}
	golden(t, "mixed.color.txt", Text(mixedPlan(), Options{Color: true}))
	golden(t, "mixed.commands.txt", Text(mixedPlan(), Options{Commands: true}))
	golden(t, "mixed.md", Markdown(mixedPlan(), Options{}))
	golden(t, "mixed.html", HTML(mixedPlan(), Options{}))
	golden(t, "mixed.json", JSON(mixedPlan()))
	golden(t, "mixed.plan", marshal(t, Options{}))
	golden(t, "dangers.md", Markdown(dangersPlan(), Options{}))
	golden(t, "dangers.html", HTML(dangersPlan(), Options{}))
	golden(t, "dangers.json", JSON(dangersPlan()))
	golden(t, "thousand.txt", Text(thousand(), Options{Compact: true}))
}

// The change that docs/reviewers.md explains is one as it is shown.
func TestReviewersReadWhatIsShown(t *testing.T) {
	page, err := os.ReadFile("../../docs/reviewers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := bytes.Cut(page, []byte("\n```\n"))
	sample, _, _ = bytes.Cut(sample, []byte("\n```\n"))
	if !bytes.Contains(sample, []byte("[BELOW USAGE]")) || !bytes.Contains(Text(typical()["below-usage"](), Options{}), sample) {
		t.Errorf("docs/reviewers.md shows what no plan does:\n%s", sample)
	}
}

func TestFullTextOfAThousandNamesEach(t *testing.T) {
	p := thousand()
	full, folded := Text(p, Options{}), Text(p, Options{Compact: true})
	for i := range 1000 {
		if !bytes.Contains(full, []byte("# "+p.Core.Actions[i].Address+" will be updated")) {
			t.Fatalf("%s is not in the full text", p.Core.Actions[i].Address)
		}
	}
	if n := bytes.Count(folded, []byte("\n")); n > 110 {
		t.Errorf("the compact text of 1,000 equal changes has %d lines", n)
	}
	if md := Markdown(p, Options{}); !bytes.Contains(md, []byte("on "+p.Core.Actions[999].Address)) {
		t.Error("Markdown does not name every folded change")
	}
}

// thousand has 1,000 equal changes, two others, and one that is equal but dangerous.
func thousand() *planner.Plan {
	p := basePlan()
	for i := range 1000 {
		addRaise(p, fmt.Sprintf("/capstor/store/cscs/eth/p%04d", i), 100+i, 10*tib, 20*tib, uint64(i)*tib/100)
	}
	addRaise(p, "/capstor/store/cscs/psi/full", 5000, 10*tib, 20*tib, 21*tib)
	addCreate(p, "/capstor/store/cscs/psi/new1", 5001)
	addCreate(p, "/capstor/store/cscs/psi/new2", 5002)
	return p
}

func TestCompactNeverFoldsDanger(t *testing.T) {
	p := basePlan()
	for i := range 10 {
		addRaise(p, fmt.Sprintf("/capstor/store/cscs/eth/p%04d", i), 100+i, 20*tib, 10*tib, 11*tib)
	}
	if n := bytes.Count(Text(p, Options{Compact: true}), []byte("[BELOW USAGE]\n")); n != 10 {
		t.Errorf("%d of 10 dangerous changes are shown each", n)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestLayout(t *testing.T) {
	for name, plan := range typical() {
		for _, opt := range []Options{{}, {Compact: true}, {Commands: true}, {Width: 60}, {Width: 200}} {
			plainText := Text(plan(), opt)
			opt.Color = true
			if got := sgr.ReplaceAll(Text(plan(), opt), nil); !bytes.Equal(got, plainText) {
				t.Errorf("%s %+v: colour changes more than colour:\n%s", name, opt, cmp.Diff(string(plainText), string(got)))
			}
			for l := range bytes.Lines(plainText) {
				checkLine(t, name, opt, bytes.TrimSuffix(l, []byte("\n")))
			}
		}
	}
}

func checkLine(t *testing.T, name string, opt Options, l []byte) {
	t.Helper()
	if bytes.HasPrefix(l, []byte("-----")) || bytes.HasSuffix(l, []byte(" ")) {
		t.Errorf("%s: line %q", name, l)
	}
	for _, r := range string(l) {
		if !visible(r) {
			t.Errorf("%s: %q contains %q", name, l, r)
		}
	}
	// Paths, digests, shell lines and the last line are never broken.
	whole := regexp.MustCompile(`/|sha256:|^configuration |^Plan: |^    \$ `)
	if utf8.RuneCount(l) > opt.width() && !whole.Match(l) && opt.width() >= 80 {
		t.Errorf("%s: line of %d columns: %q", name, utf8.RuneCount(l), l)
	}
}

func TestEnvironmentChangesNothing(t *testing.T) {
	want := Text(mixedPlan(), Options{Color: true})
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "dumb")
	if !bytes.Equal(Text(mixedPlan(), Options{Color: true}), want) {
		t.Error("NO_COLOR changes what is asked for by argument")
	}
}

func TestConclusion(t *testing.T) {
	p := basePlan()
	if got := lastLine(p); got != "No changes. Your storage matches the configuration." {
		t.Errorf("%q", got)
	}
	p.Context.Unobserved = 3
	if got := lastLine(p); got != "Plan: nothing to do, but 3 not observed." {
		t.Errorf("%q", got)
	}
	p = basePlan()
	addWaiting(p)
	if got := lastLine(p); got != "Plan: 1 waiting." {
		t.Errorf("%q", got)
	}
	p.Context.Counts = planner.Counts{Create: 3, Adopt: 4, Update: 2000, Archive: 1, Restore: 5, Reject: 6, Fail: 7, Report: 8, Blocked: 1, Waiting: 9, Unchanged: 10}
	want := "Plan: 3 to create, 4 to adopt, 2000 to update, 1 to archive, 5 to restore, 6 to reject, 7 to fail, 8 to report, 1 blocked, 9 waiting."
	if got := lastLine(p); got != want {
		t.Errorf("%q", got)
	}
}

func lastLine(p *planner.Plan) string {
	lines := bytes.Split(bytes.TrimSuffix(Text(p, Options{}), []byte("\n")), []byte("\n"))
	return string(lines[len(lines)-1])
}
