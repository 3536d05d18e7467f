package waldur

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

func seed(f *testing.F) {
	f.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", "responses", "*.json"))
	if err != nil || len(names) < 40 {
		f.Fatal(names, err)
	}
	for _, n := range names {
		if b := response(f, filepath.Base(n)); len(b) < 14_000 {
			f.Add(b)
		}
	}
	f.Add([]byte(pageOf(goodItem)))
	f.Add([]byte(orderText(`{"new_options":{"hard_quota_space":"12"}}`)))
	f.Add([]byte(`{"a":"\ud83d\ude00\u0041\"","b":[-0.5e+3,true,null,{}]}`))
}

// FuzzPage: an accepted page is valid JSON for encoding/json, too. Its items have a key or a
// problem, and all values have limits.
func FuzzPage(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePage(text)
		if err != nil {
			return
		}
		if !json.Valid(text) || !utf8.Valid(text) {
			t.Fatalf("accepted %q", text)
		}
		again, err := parsePage(text)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Errorf("another result the second time: %v", err)
		}
		if p.Current < 1 || p.Limit < 1 || p.Total < 0 || p.Pages() < 0 || len(p.Items) > maxPageItems {
			t.Errorf("%+v", p)
		}
		for _, it := range p.Items {
			checkItem(t, it)
		}
	})
}

func checkItem(t *testing.T, it planner.Item) {
	t.Helper()
	id, ok := planner.UUID(it.Key.Item)
	if it.Problem == "" && (!ok || id != it.Key.Item || it.Key.System == "" || it.Status == "" ||
		it.Target == "" || !isOctal(it.Permission)) {
		t.Errorf("accepted %+v", it)
	}
	if (it.Key.Item == "") != strings.HasPrefix(it.Problem, "entry ") || len(it.Problem) > 1000 {
		t.Errorf("%+v", it)
	}
	if !it.HasGID && it.GID != 0 || it.Target.IsBranch() && it.HasGID {
		t.Errorf("%+v", it)
	}
}

// FuzzScanner: the scanner accepts exactly what encoding/json accepts, except for duplicates, depth
// and invalid UTF-8.
func FuzzScanner(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		var s scanner
		s.start(text)
		s.skip()
		err := s.finish()
		valid := json.Valid(text)
		switch {
		case err == nil && !valid:
			t.Errorf("accepted %q", text)
		case err != nil && valid && !isStricter(err):
			t.Errorf("refused %q: %v", text, err)
		}
	})
}

// isStricter reports whether the error is about something that encoding/json accepts.
func isStricter(err error) bool {
	for _, s := range []string{"duplicate member", "nesting is deeper", "invalid UTF-8", "half a surrogate pair"} {
		if strings.Contains(err.Error(), s) {
			return true
		}
	}
	return false
}

// FuzzUnescape: strings are decoded like in encoding/json.
func FuzzUnescape(f *testing.F) {
	f.Add(`\ud83d\ude00\u0041\"\/\b\f\n\r\t\\ä`)
	f.Add(`\ud83d\u0041`)
	f.Fuzz(func(t *testing.T, raw string) {
		var want string
		if !utf8.ValidString(raw) || json.Unmarshal([]byte(`"`+raw+`"`), &want) != nil {
			return
		}
		got, ok := unescape(nil, []byte(raw))
		if ok && string(got) != want || !ok && !strings.Contains(want, "\ufffd") {
			t.Errorf("%q: %q, %v; want %q", raw, got, ok, want)
		}
	})
}

// FuzzOrder: an accepted order has an id, a type and a state.
func FuzzOrder(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := parseOrder(text)
		if err != nil {
			return
		}
		if id, ok := planner.UUID(o.ID); !ok || id != o.ID || o.Type == "" || o.State == "" ||
			len(o.Error) > 12*web.MaxDetail || !json.Valid(text) {
			t.Errorf("%q: %+v", text, o)
		}
		if o.Options != nil && o.Options.Permission != "" && !isOctal(o.Options.Permission) {
			t.Errorf("%+v", o.Options)
		}
	})
}

// FuzzDetail: the text of an answer becomes one short printable line.
func FuzzDetail(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		d := web.Detail(planner.Hidden{}, text)
		if strings.ContainsAny(d, "\n\r\t\x00\x1b\u202e\u200b") || !utf8.ValidString(d) ||
			len(d) > 12*web.MaxDetail {
			t.Errorf("%q: %q", text, d)
		}
	})
}
