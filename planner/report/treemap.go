package report

// rectangle is a part of a picture, in its units.
type rectangle struct{ x, y, w, h float64 }

// squarify divides a rectangle in proportion to weights, which are in descending order, in rows of
// nearly square parts (Bruls, Huizing, van Wijk 2000). A weight of zero gets no room.
func squarify(weights []float64, in rectangle) []rectangle {
	out := make([]rectangle, len(weights))
	total := 0.0
	for _, w := range weights {
		total += w
	}
	if total <= 0 {
		return out
	}
	scale := in.w * in.h / total
	for begin := 0; begin < len(weights) && weights[begin] > 0; {
		short := min(in.w, in.h)
		end, sum := begin+1, weights[begin]*scale
		for end < len(weights) && weights[end] > 0 {
			if next := sum + weights[end]*scale; worst(weights[begin:end+1], scale, next,
				short) > worst(weights[begin:end], scale, sum, short) {
				break
			}
			sum += weights[end] * scale
			end++
		}
		in = placeRow(weights[begin:end], out[begin:end], in, scale, sum)
		begin = end
	}
	return out
}

// worst returns the largest ratio of sides in a row of weights along a side.
func worst(row []float64, scale, sum, side float64) float64 {
	most, least := row[0]*scale, row[len(row)-1]*scale
	return max(side*side*most/(sum*sum), sum*sum/(side*side*least))
}

// placeRow places a row along the shorter side, and returns the remaining rectangle.
func placeRow(row []float64, out []rectangle, in rectangle, scale, sum float64) rectangle {
	if in.w >= in.h {
		wide, y := sum/in.h, in.y
		for i, w := range row {
			h := w * scale / wide
			out[i] = rectangle{in.x, y, wide, h}
			y += h
		}
		return rectangle{in.x + wide, in.y, in.w - wide, in.h}
	}
	high, x := sum/in.w, in.x
	for i, w := range row {
		wide := w * scale / high
		out[i] = rectangle{x, in.y, wide, high}
		x += wide
	}
	return rectangle{in.x, in.y + high, in.w, in.h - high}
}
