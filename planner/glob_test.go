package planner_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestMatchGlob(t *testing.T) {
	for _, c := range []struct {
		glob, address string
		want          bool
	}{
		{"/a/b", "/a/b", true},
		{"/a/b", "/a/b/c", false},
		{"/a/b/c", "/a/b", false},
		{"/a/*", "/a/b", true},
		{"/a/*", "/a/b/c", false},
		{"/a/*", "/a", false},
		{"/a/b?", "/a/bc", true},
		{"/a/b?", "/a/b", false},
		{"/a/b?c", "/a/b/c", false},
		{"/a/**", "/a", true},
		{"/a/**", "/a/b/c/d", true},
		{"/a/**", "/ab", false},
		{"/**", "/anything/at/all", true},
		{"/**/climate", "/climate", true},
		{"/**/climate", "/x/y/climate", true},
		{"/**/climate", "/x/climate/y", false},
		{"/a/**/c/**/e", "/a/b/c/c/d/e", true},
		{"/a/**/c/**/e", "/a/c/d", false},
		{"/a/*b*c", "/a/xbybzc", true},
		{"/a/*b*c", "/a/xbyc.", false},
		{"/**/*", "/a", true},
		{"a/b", "/a/b", false},
		{"/a/b", "a/b", false},
		{"", "", false},
		{"/a.b", "/axb", false},
	} {
		if got := planner.MatchGlob(c.glob, c.address); got != c.want {
			t.Errorf("MatchGlob(%q, %q) = %v, want %v", c.glob, c.address, got, c.want)
		}
	}
}

func TestCheckGlob(t *testing.T) {
	for _, good := range []string{"/a", "/**", "/a/**/b?/*c", "/A-z._@+"} {
		if err := planner.CheckGlob(good); err != nil {
			t.Errorf("CheckGlob(%q) = %v", good, err)
		}
	}
	for bad, reason := range map[string]string{
		"":                              "want a whole address",
		"**":                            "want a whole address",
		"/a/":                           "empty",
		"/a//b":                         "empty",
		"/a/../b":                       "'..'",
		"/a**":                          "whole component",
		"/[ab]":                         `"["`,
		"/{a,b}":                        `"{"`,
		`/a\*`:                          "no address contains",
		"/" + strings.Repeat("a", 4095): "longer",
	} {
		if err := planner.CheckGlob(bad); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("CheckGlob(%.20q) = %v, want %q", bad, err, reason)
		}
	}
}

// A regular expression made from the glob must always agree with it.
func FuzzMatchGlob(f *testing.F) {
	f.Add("/a/**/b*/?", "/a/x/y/bc/d")
	f.Add("/**/**/a", "/a")
	f.Fuzz(func(t *testing.T, glob, address string) {
		if planner.CheckGlob(glob) != nil || len(glob) > 40 || strings.HasSuffix(address, "/") {
			planner.MatchGlob(glob, address)
			return
		}
		var re strings.Builder
		re.WriteString(`(?s)\A`)
		for c := range strings.SplitSeq(glob[1:], "/") {
			if c == "**" {
				re.WriteString(`(?:/[^/]*)*`)
				continue
			}
			c = regexp.QuoteMeta(c)
			c = strings.NewReplacer(`\*`, `[^/]*`, `\?`, `[^/]`).Replace(c)
			re.WriteString("/" + c)
		}
		re.WriteString(`\z`)
		want := strings.HasPrefix(address, "/") &&
			regexp.MustCompile(re.String()).MatchString(address)
		if got := planner.MatchGlob(glob, address); got != want {
			t.Errorf("MatchGlob(%q, %q) = %v, the expression says %v", glob, address, got, want)
		}
	})
}

// TestParseGlobs: a file has one glob per line. A file without any would select something that
// nobody meant.
func TestParseGlobs(t *testing.T) {
	t.Parallel()
	got, err := planner.ParseGlobs("# those of eth\n/capstor/**/eth\n\n  /vast/a \n", "f")
	if err != nil || !slices.Equal(got, []string{"/capstor/**/eth", "/vast/a"}) {
		t.Errorf("%q, %v", got, err)
	}
	for text, want := range map[string]string{"": "f has no globs", "# a\n": "f has no globs",
		"/a\nb\n": "f:2: "} {
		if got, err := planner.ParseGlobs(text, "f"); err == nil ||
			!strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// TestParseVerdict: an order is rejected with a reason.
func TestParseVerdict(t *testing.T) {
	t.Parallel()
	if v, err := planner.ParseVerdict("/a= b=c "); err != nil || v.Address != "/a" ||
		v.Reason != "b=c" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, s := range []string{"", "/a", "/a=", "/a= ", "=b"} {
		if v, err := planner.ParseVerdict(s); err == nil {
			t.Errorf("%q is taken as %+v", s, v)
		}
	}
}
