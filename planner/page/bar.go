package page

import "strconv"

// Bar is a row of coloured parts, each in per cent of the whole width.
type Bar struct {
	// Label says in words what the bar shows.
	Label string
	Parts []Part
}

// Part is one part of a bar. Class is one of use, full, over, more and mark.
type Part struct{ Class, From, Width string }

// nearlyFull is the share of a limit from which a bar warns.
const nearlyFull = 0.9

// NewBar shows the usage of a limit. A usage above the limit fills the bar, in the colour of
// danger.
func NewBar(label string, used, limit uint64) Bar {
	share, class := Share(used, limit), "use"
	switch {
	case used > limit:
		class = "over"
	case share >= nearlyFull:
		class = "full"
	}
	return Bar{label, []Part{Span(class, 0, share)}}
}

// Share returns part divided by whole, but at most 1. If both are 0, it returns 0.
func Share(part, whole uint64) float64 {
	if part >= whole {
		if part == 0 {
			return 0
		}
		return 1
	}
	return float64(part) / float64(whole)
}

// Span returns the part of a bar between two shares of its width.
func Span(class string, from, to float64) Part {
	return Part{class, percent(from), percent(max(to-from, 0))}
}

// Mark returns a line at a share of a bar's width.
func Mark(at float64) Part { return Part{"mark", percent(min(at, 0.995)), "0.5"} }

func percent(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) }
