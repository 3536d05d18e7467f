package main

import (
	"encoding/xml"
	"fmt"
	"io"
)

// Sizes of the picture in pixels. Bars begin at barsAt. A bar that uses up its bound ends at
// boundAt.
const (
	lineHeight = 22
	barsAt     = 440
	boundAt    = 840
	pictureEnd = 960
)

// picture draws how much of its bound each row uses, as SVG. It omits rows without a bound, and
// rows that were not measured.
func picture(out io.Writer, rows []row, found results) error {
	var shown []row
	for _, r := range rows {
		if _, ok := r.value(found); ok && r.bound > 0 {
			shown = append(shown, r)
		}
	}
	p := &svg{out: out}
	height := (len(shown) + 2) * lineHeight
	p.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" `+
		`font-family="sans-serif" font-size="13" role="img">`+"\n", pictureEnd, height)
	p.printf("<title>How much of its bound each measurement uses</title>\n")
	p.printf(`<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", pictureEnd, height)
	for i, r := range shown {
		p.bar(i, r, found)
	}
	p.printf(`<line x1="%d" y1="0" x2="%[1]d" y2="%d" stroke="#333333" stroke-dasharray="4 3"/>`+"\n",
		boundAt,
		height-lineHeight)
	p.text(boundAt, height-6, "middle", "#333333", "bound")
	p.printf("</svg>\n")
	return p.err
}

// svg writes and keeps the first error.
type svg struct {
	out io.Writer
	err error
}

func (p *svg) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, format, args...)
	}
}

// text writes escaped text; y is its baseline.
func (p *svg) text(x, y int, anchor, colour, text string) {
	p.printf(`<text x="%d" y="%d" text-anchor="%s" fill="%s">`, x, y, anchor, colour)
	if p.err == nil {
		p.err = xml.EscapeText(p.out, []byte(text))
	}
	p.printf("</text>\n")
}

// bar draws one row: its name, a bar, and the measured value.
func (p *svg) bar(i int, r row, found results) {
	v, _ := r.value(found)
	used := v / r.bound
	if r.least {
		used = r.bound / v
	}
	colour := "#2f6f9f"
	if used > 1 {
		colour = "#b3402a"
	}
	width := max(2, min(int(used*(boundAt-barsAt)), pictureEnd-barsAt-10))
	top := i*lineHeight + 4
	p.text(barsAt-10, top+13, "end", "#111111", r.what)
	p.printf(`<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", barsAt, top, width,
		lineHeight-6,
		colour)
	x, anchor, on := barsAt+width+6, "start", "#111111"
	if width > (boundAt-barsAt)/2 { // inside, so that it does not cross the line
		x, anchor, on = barsAt+width-6, "end", "#ffffff"
	}
	p.text(x, top+13, anchor, on, number(v)+" "+r.shown)
}
