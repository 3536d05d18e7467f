package render

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/page/pagetest"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// element is one element of a page with all text in it.
type element struct {
	name, class, id string
	children        []*element
	text            strings.Builder
}

// parsePage reads a page, and fails unless every element is closed.
func parsePage(t *testing.T, data []byte) *element {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	root := &element{}
	stack := []*element{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e := &element{name: x.Name.Local}
			for _, a := range x.Attr {
				switch a.Name.Local {
				case "class":
					e.class = a.Value
				case "id":
					e.id = a.Value
				}
			}
			top := stack[len(stack)-1]
			top.children = append(top.children, e)
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			for _, e := range stack {
				e.text.Write(x)
				e.text.WriteByte(' ')
			}
		}
	}
	if len(stack) != 1 {
		t.Fatalf("%d elements are open at the end", len(stack)-1)
	}
	return root
}

// all returns the elements below e, and e itself, that have a name and, if it is not empty, a
// class.
func (e *element) all(name, class string) []*element {
	var found []*element
	if e.name == name && (class == "" || slices.Contains(strings.Fields(e.class), class)) {
		found = append(found, e)
	}
	for _, c := range e.children {
		found = append(found, c.all(name, class)...)
	}
	return found
}

// words returns the text of an element with single blanks.
func (e *element) words() string { return strings.Join(strings.Fields(e.text.String()), " ") }

// TestHTMLStatesTheFactsOfTheText compares the cards of the page with the blocks of the text, row
// by row, in both directions: names, values of both sides, where they come from, dangers and
// reasons.
func TestHTMLStatesTheFactsOfTheText(t *testing.T) {
	plans := plantest.Typical()
	plans["thousand"] = plantest.Thousand
	plans["shared"] = func() *planner.Plan { return plantest.Shared(40) }
	for name, plan := range plans {
		cards := parsePage(t, HTML(plan(), Options{})).all("article", "")
		blocks := textBlocks(Text(plan(), Options{Compact: true, Width: 100_000}))
		if len(cards) != len(blocks) {
			t.Errorf("%s: %d cards, %d blocks of text", name, len(cards), len(blocks))
			continue
		}
		for i := range blocks {
			compareCard(t, name, cards[i], blocks[i])
		}
	}
}

// textBlock is what the text says about one action.
type textBlock struct {
	comments []string
	rows     [][]string
}

var (
	blockStart = regexp.MustCompile(`^  [-+~@^>xX] \w+( ".*")? \{$`)
	blockRow   = regexp.MustCompile(`^ +[-+~@^>xX]? ?([a-z_]+) += (.*)$`)
	quotaRow   = regexp.MustCompile(`^ +[-+~] quota (.*) \{$`)
)

// textBlocks reads the text's blocks of actions: lines above a block, and in it rows with their
// continuations.
func textBlocks(text []byte) []textBlock {
	var blocks []textBlock
	var comments []string
	inside := false
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSuffix(l, "\n")
		switch last := len(blocks) - 1; {
		case !inside && blockStart.MatchString(l):
			blocks = append(blocks, textBlock{comments: comments})
			inside, comments = true, nil
		case !inside && strings.HasPrefix(l, "  # "):
			comments = append(comments, strings.TrimPrefix(l, "  # "))
		case !inside:
			comments = nil
		case l == "    }":
			inside = false
		case quotaRow.MatchString(l):
			blocks[last].rows = append(blocks[last].rows,
				[]string{"quota " + quotaRow.FindStringSubmatch(l)[1]})
		case blockRow.MatchString(l):
			m := blockRow.FindStringSubmatch(l)
			blocks[last].rows = append(blocks[last].rows, []string{m[1], m[2]})
		case strings.TrimSpace(l) != "}":
			rows := blocks[last].rows
			rows[len(rows)-1] = append(rows[len(rows)-1], strings.TrimSpace(l))
		}
	}
	return blocks
}

// compareCard looks for every word of a block in its card, row by row, and for every row of the
// card in the block.
func compareCard(t *testing.T, plan string, card *element, block textBlock) {
	t.Helper()
	var rows []*element
	for _, table := range card.all("table", "facts") {
		for _, tr := range table.all("tr", "") {
			if len(tr.all("td", "")) > 0 || tr.class == "quota" {
				rows = append(rows, tr)
			}
		}
	}
	want := slices.Clone(block.rows)
	if n := len(want); n > 0 && strings.HasPrefix(want[n-1][len(want[n-1])-1], "# (") {
		last := want[n-1]
		if hidden := strings.Trim(last[len(last)-1], "# ()"); !strings.Contains(card.words(),
			hidden) {
			t.Errorf("%s: the card of %q does not say %q", plan, block.comments, hidden)
		}
		want[n-1] = last[:len(last)-1]
	}
	if len(rows) != len(want) {
		t.Errorf("%s: %q has %d rows in the text, and %d on the page: %q", plan, block.comments,
			len(want), len(rows), card.words())
		return
	}
	for i := range want {
		sameWords(t, plan, strings.Join(want[i], " "), rows[i].words())
	}
	for _, c := range block.comments {
		sameWordsIn(t, plan, c, card.words())
	}
}

// separators are the marks between facts in the text. The page has columns instead.
var separators = regexp.MustCompile(`^(->|#|\||\(|\)|;)$`)

func factWords(s string) []string {
	s = strings.NewReplacer("[", " ", "]", " ", "(", " ", ")", " ", "# ", " ").Replace(s)
	return slices.DeleteFunc(strings.Fields(s), separators.MatchString)
}

// sameWords expects the same words in two rows, in any order. The page shows a share that stays for
// both sides.
func sameWords(t *testing.T, plan, text, page string) {
	t.Helper()
	a, b := factWords(text), factWords(page)
	slices.Sort(a)
	slices.Sort(b)
	if isShare := regexp.MustCompile(`^[0-9,]+%$|^under$|^over$|^1%$`); !slices.Equal(a, b) {
		a, b = slices.Compact(slices.DeleteFunc(a, isShare.MatchString)),
			slices.Compact(slices.DeleteFunc(b, isShare.MatchString))
		for _, share := range regexp.MustCompile(`[0-9,]+%`).FindAllString(text, -1) {
			if !strings.Contains(page, share) {
				t.Errorf("%s: %q on the page lacks %s of %q", plan, page, share, text)
			}
		}
	}
	if !slices.Equal(a, b) {
		t.Errorf("%s: the text says\n%q, the page\n%q", plan, text, page)
	}
}

// sameWordsIn expects every word of a comment in a card.
func sameWordsIn(t *testing.T, plan, comment, card string) {
	t.Helper()
	words := factWords(card)
	for _, w := range factWords(comment) {
		if !slices.Contains(words, w) && !slices.Contains(words, strings.TrimSuffix(w, ",")) {
			t.Errorf("%s: %q is not on the card %.300q, for want of %q", plan, comment, card, w)
			return
		}
	}
}

// TestHTMLStatesWhatElseTheTextSays looks for every other line of the text on the page: head,
// numbers, dangers, warnings, what changed outside, what is not done, callbacks and the conclusion.
func TestHTMLStatesWhatElseTheTextSays(t *testing.T) {
	for name, plan := range plantest.Typical() {
		page := " " + strings.Join(factWords(parsePage(t, HTML(plan(), Options{})).words()), " ") +
			" "
		inBlock := false
		for l := range strings.Lines(string(Text(plan(), Options{Compact: true, Width: 100_000}))) {
			l = strings.TrimSuffix(l, "\n")
			switch {
			case blockStart.MatchString(l):
				inBlock = true
			case l == "    }":
				inBlock = false
			case inBlock || strings.HasPrefix(l, "  # ") || l == "" || onlyInText(l):
			default:
				for _, w := range factWords(l) {
					if w = strings.Trim(w, ":;,."); len(w) > 1 && !strings.Contains(page, w) {
						t.Errorf("%s: the page lacks %q of the line %q", name, w, l)
					}
				}
			}
		}
	}
}

// onlyInText reports whether a line explains the layout of the text, or counts what the page names.
func onlyInText(l string) bool {
	return strings.Contains(l, "are indicated with the following symbols") ||
		strings.HasPrefix(l, "cscs-sync will perform") ||
		regexp.MustCompile(`^  [-+~@^>xX!.] (create|adopt|update|archive|restore|reject|fail|report|blocked|waiting)`).MatchString(l) ||
		strings.HasPrefix(l, "Note:") || strings.HasPrefix(l, "Dangerous:")
}

// TestHTMLIsWhatTheLibraryWrites: html/template writes the same pages.
func TestHTMLIsWhatTheLibraryWrites(t *testing.T) {
	plans := plantest.Typical()
	plans["hostile"], plans["thousand"] = plantest.Hostile, plantest.Thousand
	plans["shared"] = func() *planner.Plan { return plantest.Shared(40) }
	for _, plan := range plans {
		for _, commands := range []bool{false, true} {
			v := newView(plan(), Options{Compact: true, Commands: commands})
			pagetest.Check(t, planTemplate, v.page())
		}
	}
}

// TestHTMLLinksReachTheirPlace: each link of a page leads to an element of the page, and each id
// exists once.
func TestHTMLLinksReachTheirPlace(t *testing.T) {
	for _, plan := range []*planner.Plan{plantest.Mixed(), plantest.Thousand(),
		plantest.Hostile()} {
		page := HTML(plan, Options{})
		ids := map[string]int{}
		for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllSubmatch(page, -1) {
			ids[string(m[1])]++
		}
		links := regexp.MustCompile(`href="#([^"]+)"`).FindAllSubmatch(page, -1)
		if len(links) == 0 {
			t.Error("the page has no contents")
		}
		for _, m := range links {
			if ids[string(m[1])] != 1 {
				t.Errorf("#%s leads to %d places", m[1], ids[string(m[1])])
			}
		}
	}
}
