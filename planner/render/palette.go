package render

import (
	"slices"

	"github.com/fatih/color"
)

// Palette says which colour means what. Colour never carries a meaning alone: there is always a
// mark or a word beside it.
type Palette uint8

// The palettes. The usual palette is legible on black and on white. The others have more contrast
// on one of them.
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

// Green is the colour of what is made or is well. Terminals with a white background have a dark
// green of their own for it.
func (p Palette) Green() []color.Attribute {
	return [][]color.Attribute{{color.FgGreen}, shade(22), {color.FgGreen}}[p]
}

// Yellow is the colour of what changes, and of warnings.
func (p Palette) Yellow() []color.Attribute {
	return [][]color.Attribute{shade(136), shade(94), {color.FgYellow}}[p]
}

// Red is the colour of what is removed, and of errors.
func (p Palette) Red() []color.Attribute {
	return [][]color.Attribute{{color.FgRed}, shade(124), {color.FgHiRed}}[p]
}

// Cyan is the colour of remarks.
func (p Palette) Cyan() []color.Attribute {
	return [][]color.Attribute{shade(31), shade(24), {color.FgCyan}}[p]
}

// magenta is the colour of what is restored.
func (p Palette) magenta() []color.Attribute {
	return [][]color.Attribute{{color.FgMagenta}, shade(90), {color.FgHiMagenta}}[p]
}
