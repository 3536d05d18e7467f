package render

import (
	"slices"

	"github.com/fatih/color"
)

// Palette is which colours mean what. Colour never carries a meaning alone: a mark or a word always
// stands beside it.
type Palette uint8

// The palettes. The usual one is legible on black and on white; the others have more contrast on
// one of them.
const (
	Usual Palette = iota
	Light
	Dark
)

// PaletteNames returns the names of the palettes, in their order.
func PaletteNames() []string { return []string{"usual", "light", "dark"} }

// PaletteOf finds a palette by its name.
func PaletteOf(name string) (p Palette, ok bool) {
	i := slices.Index(PaletteNames(), name)
	return Palette(max(i, 0)), i >= 0
}

// shade returns one of the 256 colours of terminals.
func shade(n color.Attribute) []color.Attribute { return []color.Attribute{38, 5, n} }

// Green is for what is made or is well. Terminals with a white background have a dark one of their
// own for it.
func (p Palette) Green() []color.Attribute {
	return [][]color.Attribute{{color.FgGreen}, shade(22), {color.FgGreen}}[p]
}

// Yellow is for what changes, and for warnings.
func (p Palette) Yellow() []color.Attribute {
	return [][]color.Attribute{shade(136), shade(94), {color.FgYellow}}[p]
}

// Red is for what is removed, and for errors.
func (p Palette) Red() []color.Attribute {
	return [][]color.Attribute{{color.FgRed}, shade(124), {color.FgHiRed}}[p]
}

// Cyan is for remarks.
func (p Palette) Cyan() []color.Attribute {
	return [][]color.Attribute{shade(31), shade(24), {color.FgCyan}}[p]
}

// magenta is for what is restored.
func (p Palette) magenta() []color.Attribute {
	return [][]color.Attribute{{color.FgMagenta}, shade(90), {color.FgHiMagenta}}[p]
}
