package waldur

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner"
)

// alone parses an entry that is at a position of a page and is compared with no other.
func alone(position int, entry string) (planner.Item, error) {
	p, err := parsePage([]byte(pageOf(strings.Repeat("7,", position-1) + entry)))
	if err != nil {
		return planner.Item{}, afterPlace(err)
	}
	return p.Items[position-1], nil
}

// afterPlace removes the place in the text from an error.
func afterPlace(err error) error {
	if _, rest, ok := strings.Cut(err.Error(), ": "); ok && strings.HasPrefix(err.Error(), "byte ") {
		return errors.New(rest)
	}
	return err
}

// checkNeighbours checks that each entry of a page is read as if it were alone.
func checkNeighbours(t *testing.T, entries ...string) {
	t.Helper()
	page, err := parsePage([]byte(pageOf(entries...)))
	for i, entry := range entries {
		want, bad := alone(i+1, entry)
		if bad != nil {
			if err == nil || afterPlace(err).Error() != bad.Error() {
				t.Errorf("error %v, want %v", err, bad)
			}
			return
		}
		if err == nil && !reflect.DeepEqual(page.Items[i], want) {
			t.Errorf("entry %d of\n%s\nis read as\n%+v\nwant\n%+v", i+1, strings.Join(entries, "\n"),
				page.Items[i], want)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// neighbours are entries that differ in ways that matter when one is read after the other.
func neighbours(t testing.TB) []string {
	t.Helper()
	all := []string{goodItem, numbered(1), listed(1), listed(2), listed(11), `{}`, `7`,
		strings.ReplaceAll(goodItem, `:`, ` : `), strings.ReplaceAll(goodItem, `,`, " ,\n"),
		strings.Replace(goodItem, `"status":"active",`, ``, 1)}
	for _, change := range [][2]string{
		{`"oldQuotas":null`, `"x":1`}, {`"oldQuotas":null`, `"x":12`}, {`"oldQuotas":null`, `"x":1.5`},
		{`"oldQuotas":null`, `"oldQuotas":nullx`}, {`"oldQuotas":null`, `"oldQuotas":`},
		{`"oldQuotas":null,`, ``}, {`"oldQuotas":null`, `"oldQuotas":null,"status":"active"`},
		{`"oldQuotas":null`, `"oldQuotas":null,"oldQuotas":null`}, {`"oldQuotas"`, `"old\u0051uotas"`},
		{`"newQuotas":null`, `"newQuotas":[]`}, {`"newQuotas":null`, `"newQuotas":[7]`},
		{`150.5`, `150.25`}, {`150.5`, `"150.5"`}, {`"soft"},`, `"hard"},`}, {`"quotas":[`, `"quotas":[[],`},
		{`"quotas":[`, `"quotas":{},"was":[`}, {`{"key":"store"}`, `{"key":null}`},
		{`{"key":"store"}`, `{}`}, {`{"key":"store"}`, `null`}, {`{"key":"store"}`, `"store"`},
		{`"project"`, `"user"`}, {`"project"`, `"tenant"`}, {`"targetItem":{`, `"targetItem":null,"was":{`},
		{`"target":{`, `"target":null,"was":{`}, {`"target":{`, `"was":{`}, {`30501`, `null`},
		{`30501`, `30501.5`}, {`"unixGid":30501,`, ``}, {`"key":null`, `"key":"mch"`},
		{`"capstor-msclim-store"`, `null`}, {`msclim"}`, `\ud800"}`}, {`"2770"`, `2770`}, {`octal`, `x`},
		{`"d0622a4a-47a5-5180-8abd-25795d4ec2b0"`, `null`}, {`d0622a4a-47a5`, `d0622a4a_47a5`},
		{`"oldQuotas":null`, `"set_state_done_url":"https://w/1"`},
		{`"oldQuotas":null`, `"set_state_done_url":"https://w/2"`},
		{`"oldQuotas":null`, `"oldQuotas":` + strings.Repeat("[", 30) + strings.Repeat("]", 30)},
		{`"oldQuotas":null`, `"oldQuotas":null` + members(2*maxBefore)},
		{`"oldQuotas":null`, `"oldQuotas":null` + members(2*maxBefore+1)},
	} {
		all = append(all, strings.Replace(goodItem, change[0], change[1], 1))
		if all[len(all)-1] == goodItem {
			t.Fatalf("the good item has no %s", change[0])
		}
	}
	return all
}

// members returns n members of an object.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`,"member ` + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + `":true`)
	}
	return b.String()
}

// TestNeighbours: an entry is read the same whatever is before it.
func TestNeighbours(t *testing.T) {
	all := neighbours(t)
	for _, a := range all {
		for _, b := range all {
			checkNeighbours(t, a, b, b, a)
		}
	}
}

// TestRealNeighbours: the entries of the real listing are read the same in any order.
func TestRealNeighbours(t *testing.T) {
	all := realEntries(t)
	for _, a := range all {
		for _, b := range all {
			checkNeighbours(t, a, b, a)
		}
	}
}

// realEntries returns the entries of the real listing.
func realEntries(t testing.TB) []string {
	t.Helper()
	var page struct{ Resources []json.RawMessage }
	if err := json.Unmarshal(response(t, "mini.json"), &page); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range page.Resources {
		all = append(all, string(entry))
	}
	return all
}

// TestTextsInOneBuffer: a parser compares nothing with a text before, whose memory may have been
// used again.
func TestTextsInOneBuffer(t *testing.T) {
	p := newParser()
	var text []byte
	for _, size := range []string{"150.5", "250.5"} {
		text = append(text[:0], pageOf(with(t, "150.5", size))...)
		page, err := p.page(nil, text)
		if err != nil || page.Items[0].Quotas[planner.SpaceHard].String() != size {
			t.Errorf("%+v, %v", page.Items, err)
		}
	}
}

// TestFewMembersKept: an object with very many members takes no more memory than its text.
func TestFewMembersKept(t *testing.T) {
	p := newParser()
	text := []byte(pageOf(with(t, `"key":"capstor"`, `"key":"capstor"`+members(1000))))
	if _, err := p.page(nil, text); err != nil || len(p.members[itemSystem]) != maxBefore+1 {
		t.Errorf("%d members, %v", len(p.members[itemSystem]), err)
	}
}

// TestSharedQuotas: entries share limits that are written alike, and only those.
func TestSharedQuotas(t *testing.T) {
	items := parse(t, pageOf(listed(1), listed(2), listed(21), goodItem)).Items
	if items[0].Quotas != items[2].Quotas || items[0].Quotas == items[1].Quotas ||
		*items[0].Quotas == *items[1].Quotas || *items[0].Quotas == *items[3].Quotas {
		t.Errorf("%v, %v, %v, %v", items[0].Quotas, items[1].Quotas, items[2].Quotas, items[3].Quotas)
	}
}

// FuzzNeighbours: an entry is read the same whatever is before it.
func FuzzNeighbours(f *testing.F) {
	all := append(neighbours(f), realEntries(f)...)
	for i := range all {
		f.Add(all[i], all[(i+1)%len(all)])
		f.Add(all[i], goodItem)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		// Bytes that are not UTF-8 are an error of the whole page, before any other.
		if json.Valid([]byte(a)) && json.Valid([]byte(b)) && utf8.ValidString(a+b) {
			checkNeighbours(t, a, b, a, b, b)
		}
	})
}
