package strictjson

import (
	"encoding/json"
	"testing"
)

func TestMembersRefuses(t *testing.T) {
	for _, text := range []string{``, `[]`, `{"a":1,"a":2}`, `{"a":1} {}`, `{"a":1}x`, `{"a":1`,
		"{\"a\":\"\xff\"}", `{"a":01}`, `null`, `{"a"}`} {
		if got, err := Members([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	got, err := Members([]byte(` {"a":{"b":[1]},"A":null} `))
	if err != nil || string(got["a"]) != `{"b":[1]}` || string(got["A"]) != "null" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestElementsIsBounded(t *testing.T) {
	if got, err := Elements([]byte(`[1,{"a":2}]`), 2); err != nil || len(got) != 2 {
		t.Errorf("%s, %v", got, err)
	}
	for _, text := range []string{`[1,2,3]`, `[1] 2`, `[1`, `{}`} {
		if got, err := Elements([]byte(text), 2); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := Members(text); err == nil && !json.Valid(text) {
			t.Errorf("%q is taken", text)
		}
		if _, err := Elements(text, 1000); err == nil && !json.Valid(text) {
			t.Errorf("%q is taken", text)
		}
	})
}
