package render

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

func TestMarkdownStaysBelowItsLimit(t *testing.T) {
	full := plantest.Mixed()
	for i := range 300 {
		plantest.AddRaise(full, fmt.Sprintf("/capstor/store/cscs/eth/p%04d", i), 1000+i,
			10*plantest.TiB, 20*plantest.TiB+uint64(i)*plantest.TiB, 0)
	}
	hostile := plantest.Hostile()
	for i := range 200 {
		plantest.Refuse(hostile, planner.Blocked, "/capstor/x", "some_code",
			strings.Repeat("`long` ", 30+i))
	}
	for name, plan := range map[string]*planner.Plan{"unequal": plantest.Unequal(2000),
		"mixed": full, "hostile": hostile} {
		for _, limit := range []int{LeastMarkdown, 5000, 8192, 20_000, 32_768, 60_000, 65_536,
			200_000} {
			md := Markdown(plan, Options{MaxSize: limit})
			if len(md) > limit {
				t.Errorf("%s: %d bytes, limit %d", name, len(md), limit)
			}
			if whole := Markdown(plan, Options{}); len(whole) > limit &&
				!bytes.Contains(md, []byte(canonical.ContextDigest(plan))) {
				t.Errorf("%s, limit %d: a shortened text does not name the digest that covers it",
					name, limit)
			}
		}
	}
}

func TestMarkdownUsesItsRoom(t *testing.T) {
	if md := Markdown(plantest.Unequal(2000), Options{MaxSize: 60_000}); len(md) < 58_000 {
		t.Errorf("%d of 60,000 bytes", len(md))
	}
}

// A shortened text keeps the dangerous actions complete, and as many other actions as it can, on
// one line each.
func TestMarkdownSaysWhatItLeftOut(t *testing.T) {
	plan := plantest.Unequal(300)
	plantest.AddRaise(plan, "/capstor/store/cscs/psi/full", 5000, 10*plantest.TiB, 9*plantest.TiB,
		21*plantest.TiB)
	plan.Core.Actions[300].Danger = []planner.Danger{planner.DangerBelowUsage}
	md := string(Markdown(plan, Options{MaxSize: 60_000}))
	for _, want := range []string{
		"**This text was shortened to fit into 60,000 characters.**",
		"- actions: the details of all 300\n", "Plan id `sha256:",
		"~ update /capstor/store/cscs/eth/p0299: space_soft",
		"/capstor/store/cscs/psi/full will be updated in place  [BELOW USAGE]",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("lacks %q in\n%s", want, md)
		}
	}
	md = string(Markdown(plan, Options{MaxSize: 8192}))
	shown := strings.Count(md, "~ update /capstor/store/cscs/eth/p")
	if want := fmt.Sprintf("%d of them are not shown at all: %d update", 300-shown,
		300-shown); !strings.Contains(md, want) || shown == 0 {
		t.Errorf("%d are shown, but the text lacks %q:\n%s", shown, want, md)
	}
}

func TestMarkdownIsWholeWhereItFits(t *testing.T) {
	whole := Markdown(plantest.Mixed(), Options{})
	if got := Markdown(plantest.Mixed(), Options{MaxSize: len(whole)}); !bytes.Equal(got, whole) {
		t.Error("a text that fits was changed")
	}
}

// The page folds the same changes as the plan's compact text, and names each address.
func TestHTMLFoldsEqualChanges(t *testing.T) {
	page := HTML(plantest.Thousand(), Options{})
	if n := bytes.Count(page, []byte("\n")); n > 1300 {
		t.Errorf("%d lines for 1,000 equal changes", n)
	}
	for i := range 1000 {
		if !bytes.Contains(page, fmt.Appendf(nil, "/capstor/store/cscs/eth/p%04d ", i)) {
			t.Fatalf("change %d is not named", i)
		}
	}
}
