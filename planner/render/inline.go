package render

import (
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// longestCompared is the longest text that is compared within: the comparison takes time by the
// square of its length.
const longestCompared = 4096

func differences(before, after string) []diffmatchpatch.Diff {
	if len(before) > longestCompared || len(after) > longestCompared || !utf8.ValidString(before) ||
		!utf8.ValidString(after) {
		return []diffmatchpatch.Diff{{Type: diffmatchpatch.DiffDelete, Text: before},
			{Type: diffmatchpatch.DiffInsert, Text: after}}
	}
	d := diffmatchpatch.New()
	d.DiffTimeout = 0 // otherwise the clock would decide the result
	return d.DiffCleanupSemantic(d.DiffMain(before, after, false))
}

// inserted returns after, with the parts that before does not have in another style. The characters
// stay those of after, so that they can be copied.
func inserted(before, after string) line {
	var l line
	for _, d := range differences(before, after) {
		switch d.Type {
		case diffmatchpatch.DiffEqual:
			l = l.add(in(plain, d.Text))
		case diffmatchpatch.DiffInsert:
			l = l.add(in(added, d.Text))
		}
	}
	return l
}

// marked returns both texts in one, such as "kept [-gone-]{+new+}". Texts that have little in
// common stay apart.
func marked(before, after string) string {
	parts := differences(before, after)
	same, out := 0, ""
	for _, d := range parts {
		switch d.Type {
		case diffmatchpatch.DiffEqual:
			same += len(d.Text)
			out += d.Text
		case diffmatchpatch.DiffDelete:
			out += "[-" + d.Text + "-]"
		case diffmatchpatch.DiffInsert:
			out += "{+" + d.Text + "+}"
		}
	}
	if same < 20 || same*2 < max(len(before), len(after)) {
		return before + " -> " + after
	}
	return out
}
