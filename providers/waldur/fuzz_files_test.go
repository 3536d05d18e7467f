package waldur

import (
	"testing"
)

// FuzzPagesIn: the pages in an accepted array are parts of the text, and reading them never panics.
func FuzzPagesIn(f *testing.F) {
	page := `{"status":"success","resources":[` + goodItem +
		`],"pagination":{"current":1,"limit":500,"total":1}}`
	f.Add([]byte("[" + page + "]"))
	f.Add([]byte("[ " + page + " , " + page + "]"))
	f.Add([]byte("[" + page + ",[]]"))
	f.Add([]byte("[" + goodItem + "]"))
	f.Add([]byte(`[{"resources":null,"pagination":{}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) == 0 || text[0] != '[' {
			return
		}
		pages, err := newParser().pagesIn(text)
		if err != nil && len(pages) > 0 {
			t.Errorf("%d pages and %v", len(pages), err)
		}
		total := 0
		for _, p := range pages {
			total += len(p)
			_, _ = parsePage(p)
		}
		if total > len(text) {
			t.Errorf("%d bytes of pages in %d", total, len(text))
		}
	})
}

// FuzzLifetime: the lifetime of a token is never negative, and has a limit.
func FuzzLifetime(f *testing.F) {
	for _, s := range []string{"300", `"300"`, "300.0", "null", `"NaN"`, "1e400", "-1", "[]",
		`"\u0033"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := life(text); got < 0 || got > longestLife {
			t.Errorf("%s: %v", text, got)
		}
	})
}
