package browser

import (
	_ "embed" // for what a test asks of a page
	"errors"
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

//go:embed looks.js
var looks string

// seen is the answer of looks.js.
type seen struct {
	Faint, Wide      []string
	Sideways         int
	Scripts, Foreign int
	Styled, Dark     bool
	Lost             int
}

func start(t *testing.T) *Browser {
	t.Helper()
	b, err := Start(t.Context())
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// TestPagesLookRight opens every page at each width, light and dark. Nothing scrolls sideways, all
// text has contrast, links lead somewhere, and nothing is requested from other places. Hostile
// names stay text.
func TestPagesLookRight(t *testing.T) {
	b := start(t)
	for name, html := range Samples() {
		for _, width := range []int{400, 800, 1600} {
			for _, dark := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d, dark %t", name, width, dark), func(t *testing.T) {
					if err := b.Open(html, View{width, 900, dark}); err != nil {
						t.Fatal(err)
					}
					check(t, b, dark)
				})
			}
		}
	}
}

func check(t *testing.T, b *Browser, dark bool) {
	t.Helper()
	var s seen
	if err := b.Ask(looks, &s); err != nil {
		t.Fatal(err)
	}
	for _, f := range s.Faint {
		t.Errorf("contrast below 4.5:1: %s", f)
	}
	if s.Sideways > 0 || len(s.Wide) > 0 {
		t.Errorf("the page scrolls sideways by %d: %q", s.Sideways, s.Wide)
	}
	if !s.Styled || s.Dark != dark {
		t.Errorf("styled %t, dark %t", s.Styled, s.Dark)
	}
	if s.Scripts > 0 || s.Foreign > 0 || s.Lost > 0 {
		t.Errorf("%d scripts, %d foreign elements, %d links to nowhere", s.Scripts, s.Foreign, s.Lost)
	}
	for _, p := range b.Problems() {
		t.Error(p)
	}
}

// TestLinksLeadToTheirChange follows a link of the dangers to its card.
func TestLinksLeadToTheirChange(t *testing.T) {
	b := start(t)
	if err := b.Open(render.HTML(plantest.Mixed(), render.Options{}),
		View{Width: 800, Height: 600}); err != nil {
		t.Fatal(err)
	}
	if err := b.Click("#dangers a"); err != nil {
		t.Fatal(err)
	}
	var top struct {
		Hash    string
		Address string
	}
	if err := b.Ask(`({hash: location.hash, address: document.querySelector(":target .path").textContent})`, &top); err != nil {
		t.Fatal(err)
	}
	if top.Address != "/capstor/store/cscs/uzh/old" {
		t.Errorf("%+v", top)
	}
}

// TestPrintsSmall prints plans of a thousand changes: each stays below a megabyte, and names every
// change.
func TestPrintsSmall(t *testing.T) {
	b := start(t)
	for name, plan := range map[string]func() []byte{
		"equal":   func() []byte { return render.HTML(plantest.Thousand(), render.Options{}) },
		"unequal": func() []byte { return render.HTML(plantest.Unequal(1000), render.Options{}) },
		"dangerous": func() []byte {
			return render.HTML(plantest.Many(1000, plantest.KindsOfChange()["archive"]), render.Options{})
		},
	} {
		if err := b.Open(plan(), View{Width: 1000, Height: 800}); err != nil {
			t.Fatal(err)
		}
		pdf, err := b.PDF()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes", name, len(pdf))
		if len(pdf) > 1<<20 {
			t.Errorf("%s: %d bytes for a thousand changes", name, len(pdf))
		}
	}
}
