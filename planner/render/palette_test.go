package render_test

import (
	"math"
	"testing"

	"github.com/fatih/color"

	"github.com/waldur/cscs-storage-sync/planner/render"
)

// TestPalettesAreLegible: every colour of a palette has a contrast of at least 3:1 on its
// backgrounds, as WCAG counts it.
func TestPalettesAreLegible(t *testing.T) {
	black, white := luminance([3]float64{}), luminance([3]float64{255, 255, 255})
	for _, name := range render.PaletteNames() {
		p, ok := render.PaletteOf(name)
		if !ok {
			t.Fatal(name)
		}
		for what, c := range map[string][]color.Attribute{"yellow": p.Yellow(), "red": p.Red(),
			"cyan": p.Cyan()} {
			l := luminance(rgb(t, c))
			if onWhite := (white + .05) / (l + .05); p != render.Dark && onWhite < 3 {
				t.Errorf("%s %s has a contrast of %.1f on white", name, what, onWhite)
			}
			if onBlack := (l + .05) / (black + .05); p != render.Light && onBlack < 3 {
				t.Errorf("%s %s has a contrast of %.1f on black", name, what, onBlack)
			}
		}
	}
	if _, ok := render.PaletteOf("pink"); ok {
		t.Error("pink is a palette")
	}
}

// rgb is a colour as xterm shows it.
func rgb(t *testing.T, c []color.Attribute) [3]float64 {
	t.Helper()
	basic := map[color.Attribute][3]float64{color.FgRed: {205, 0, 0}, color.FgGreen: {0, 205, 0},
		color.FgYellow: {205, 205, 0},
		color.FgCyan:   {0, 205, 205}, color.FgHiRed: {255, 0, 0}}
	if len(c) == 1 {
		v, ok := basic[c[0]]
		if !ok {
			t.Fatalf("colour %v", c)
		}
		return v
	}
	n := int(c[2]) - 16
	steps := []float64{0, 95, 135, 175, 215, 255}
	return [3]float64{steps[n/36], steps[n/6%6], steps[n%6]}
}

func luminance(c [3]float64) float64 {
	l := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		if v := c[i] / 255; v <= .03928 {
			l += weight * v / 12.92
		} else {
			l += weight * math.Pow((v+.055)/1.055, 2.4)
		}
	}
	return l
}
