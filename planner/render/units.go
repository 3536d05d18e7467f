package render

import (
	"math/bits"

	"github.com/waldur/cscs-storage-sync/planner"
)

// percent returns used as a share of limit in whole per cent. It rounds down up to the limit and up
// beyond it, so that a usage above the limit is never shown as 100%.
func percent(used, limit uint64) string {
	if limit == 0 {
		return "over"
	}
	hi, lo := bits.Mul64(used, 100)
	if hi >= limit || used/limit >= 100 {
		return "over 9,999%"
	}
	quo, rem := bits.Div64(hi, lo, limit)
	if quo == 0 && rem > 0 {
		return "under 1%"
	}
	if used > limit && rem > 0 {
		quo++
	}
	return planner.Commas(quo) + "%"
}

// difference returns by how much a limit changes: "+10 TiB"; empty if it stays.
func difference(attribute planner.Attribute, before, after uint64) string {
	sign, n := "+", after-before
	if after < before {
		sign, n = "-", before-after
	}
	if n == 0 {
		return ""
	}
	if attribute.IsSpace() {
		return sign + planner.Bytes(n).Rounded()
	}
	return sign + planner.Commas(n)
}
