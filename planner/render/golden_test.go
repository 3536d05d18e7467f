package render

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
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

var update = flag.Bool("update", false, "write the golden files again")

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

func TestGolden(t *testing.T) {
	for name, plan := range plantest.Typical() {
		golden(t, name+".txt", Text(plan(), Options{}))
	}
	golden(t, "mixed.color.txt", Text(plantest.Mixed(), Options{Color: true}))
	golden(t, "mixed.commands.txt", Text(plantest.Mixed(), Options{Commands: true}))
	golden(t, "mixed.md", Markdown(plantest.Mixed(), Options{}))
	golden(t, "mixed.html", HTML(plantest.Mixed(), Options{}))
	golden(t, "mixed.json", JSON(plantest.Mixed()))
	golden(t, "dangers.md", Markdown(plantest.Dangers(), Options{}))
	golden(t, "dangers.html", HTML(plantest.Dangers(), Options{}))
	golden(t, "dangers.json", JSON(plantest.Dangers()))
	golden(t, "thousand.txt", Text(plantest.Thousand(), Options{Compact: true}))
}

// The change that docs/how-to/review.md explains looks the same there.
func TestReviewersReadWhatIsShown(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/review.md")
	if err != nil {
		t.Fatal(err)
	}
	_, sample, _ := bytes.Cut(page, []byte("\n```text\n"))
	sample, _, _ = bytes.Cut(sample, []byte("\n```\n"))
	if !bytes.Contains(sample, []byte("[BELOW USAGE]")) ||
		!bytes.Contains(Text(plantest.Typical()["below-usage"](), Options{}), sample) {
		t.Errorf("docs/how-to/review.md shows what no plan does:\n%s", sample)
	}
}

func TestFullTextOfAThousandNamesEach(t *testing.T) {
	p := plantest.Thousand()
	full, folded := Text(p, Options{}), Text(p, Options{Compact: true})
	for i := range 1000 {
		if !bytes.Contains(full, []byte("# "+p.Core.Actions[i].Address+" will be updated")) {
			t.Fatalf("%s is not in the full text", p.Core.Actions[i].Address)
		}
	}
	if n := bytes.Count(folded, []byte("\n")); n > 110 {
		t.Errorf("the compact text of 1,000 equal changes has %d lines", n)
	}
	if md := Markdown(p, Options{}); !bytes.Contains(md,
		[]byte("on "+p.Core.Actions[999].Address)) {
		t.Error("Markdown does not name every folded change")
	}
}

func TestCompactNeverFoldsDanger(t *testing.T) {
	p := plantest.Base()
	for i := range 10 {
		plantest.AddRaise(p, fmt.Sprintf("/capstor/store/cscs/eth/p%04d", i), 100+i,
			20*plantest.TiB, 10*plantest.TiB, 11*plantest.TiB)
	}
	if n := bytes.Count(Text(p, Options{Compact: true}), []byte("[BELOW USAGE]\n")); n != 10 {
		t.Errorf("%d of 10 dangerous changes are shown each", n)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestLayout(t *testing.T) {
	for name, plan := range plantest.Typical() {
		for _, opt := range []Options{{}, {Compact: true}, {Commands: true}, {Width: 60},
			{Width: 200}} {
			plainText := Text(plan(), opt)
			opt.Color = true
			if got := sgr.ReplaceAll(Text(plan(), opt), nil); !bytes.Equal(got, plainText) {
				t.Errorf("%s %+v: colour changes more than colour:\n%s", name, opt,
					cmp.Diff(string(plainText), string(got)))
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
	want := Text(plantest.Mixed(), Options{Color: true})
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "dumb")
	if !bytes.Equal(Text(plantest.Mixed(), Options{Color: true}), want) {
		t.Error("NO_COLOR changes what is asked for by argument")
	}
}

func TestConclusion(t *testing.T) {
	p := plantest.Base()
	if got := lastLine(p); got != "No changes. Your storage matches the configuration." {
		t.Errorf("%q", got)
	}
	p.Context.Unobserved = 3
	if got := lastLine(p); got != "Plan: nothing to do, but 3 not observed." {
		t.Errorf("%q", got)
	}
	p = plantest.Base()
	plantest.AddWaiting(p)
	if got := lastLine(p); got != "Plan: 1 waiting." {
		t.Errorf("%q", got)
	}
	p.Context.Counts = planner.Counts{Create: 3, Adopt: 4, Update: 2000, Archive: 1, Restore: 5,
		Reject: 6, Fail: 7, Report: 8, Blocked: 1, Waiting: 9, Unchanged: 10}
	want := "Plan: 3 to create, 4 to adopt, 2000 to update, 1 to archive, 5 to restore, 6 to " +
		"reject, 7 to fail, 8 to report, 1 blocked, 9 waiting."
	if got := lastLine(p); got != want {
		t.Errorf("%q", got)
	}
}

func lastLine(p *planner.Plan) string {
	lines := bytes.Split(bytes.TrimSuffix(Text(p, Options{}), []byte("\n")), []byte("\n"))
	return string(lines[len(lines)-1])
}
