package planner

import (
	"strings"
	"testing"
)

func TestCallbackURL(t *testing.T) {
	w := WaldurSettings{URL: "https://waldur.example.com/api/",
		Aliases: []string{"http://waldur-internal:8000/api/", "https://[2001:db8::1]/w"}}
	const rest = "marketplace-orders/03e5a2cc92824c9bad83781f0cc152f9/set_state_done/"
	for _, c := range []struct{ raw, want string }{
		{"https://waldur.example.com/api/" + rest, ""},
		{"https://waldur.example.com:443/api/" + rest, ""},
		{"https://WALDUR.example.com/api/" + rest, ""},
		{"http://waldur-internal:8000/api/" + rest, ""},
		{"https://[2001:db8::1]/w/" + rest, ""},
		{"http://waldur.example.com/api/" + rest,
			"its scheme is http, and that of waldur.url is https; nor does an alias match"},
		{"https://evil.example.com/api/" + rest,
			"its host is evil.example.com, and that of waldur.url is waldur.example.com"},
		{"https://waldur.example.com.evil.org/api/" + rest,
			"its host is waldur.example.com.evil.org"},
		{"https://waldur.example.com:8443/api/" + rest,
			"its port is 8443, and that of waldur.url is 443"},
		{"http://waldur-internal/api/" + rest, "its scheme is http"},
		{"https://waldur.example.com/apis/" + rest, "its path is not below /api/"},
		{"https://waldur.example.com/api/", "its path is not below /api/"},
		{"https://waldur.example.com/api", "its path is not below /api/"},
		{"https://waldur.example.com/api/../admin/" + rest, "its path is not clean"},
		{"https://waldur.example.com/api/./" + rest, "its path is not clean"},
		{"https://waldur.example.com/api//" + rest, "its path is not clean"},
		{"https://waldur.example.com/api/" + rest + "/", "its path is not clean"},
		{"https://waldur.example.com/api/%2e%2e/" + rest, `it contains "%"`},
		{"https://waldur.example.com/api/a%2fb/", `it contains "%"`},
		{`https://waldur.example.com/api/a\b/`, `it contains "\\"`},
		{"https://waldur.example.com/api/" + rest + "?x=1", `it contains "?"`},
		{"https://waldur.example.com/api/" + rest + "#x", `it contains "#"`},
		{"https://waldur.example.com/api/..;/" + rest, `it contains ";"`},
		{"https://waldur.example.com/api/a b/", `it contains " "`},
		{"https://waldur.example.com/api/a\nb/", `it contains "\n"`},
		{"https://waldur.example.com/api/é/", `it contains "é"`},
		{"https://waldur.example.com@evil.org/api/" + rest, "it contains a user name"},
		{"https://u:p@waldur.example.com/api/" + rest, "it contains a user name"},
		{"https:waldur.example.com/api/", "want http or https, and a host"},
		{"//waldur.example.com/api/" + rest, "want http or https, and a host"},
		{"file:///api/" + rest, "want http or https, and a host"},
		{"", "want http or https, and a host"},
		{"https://waldur.example.com/api/" + strings.Repeat("a", 2048),
			"it is longer than 2048 bytes"},
	} {
		got, err := callbackURL(w, c.raw)
		switch {
		case c.want == "" && (err != nil || got != w.URL+rest):
			t.Errorf("%s: %s, %v", c.raw, got, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %s", c.raw, err, c.want)
		case c.want != "" && strings.Contains(err.Error(), "u:p"):
			t.Errorf("%s: the error shows the password: %v", c.raw, err)
		}
	}
}

func TestCallbackURLWithoutWaldur(t *testing.T) {
	_, err := callbackURL(WaldurSettings{}, "https://waldur.example.com/api/x/")
	if err == nil || !strings.Contains(err.Error(), "no waldur block") {
		t.Error(err)
	}
}

// TestCallbackURLPorts: a base without a trailing slash, or with its scheme's default port, is the
// same base.
func TestCallbackURLPorts(t *testing.T) {
	got, err := callbackURL(WaldurSettings{URL: "http://127.0.0.1:80/api"},
		"http://127.0.0.1/api/x/")
	if err != nil || got != "http://127.0.0.1:80/api/x/" {
		t.Error(got, err)
	}
}

func TestOrderOf(t *testing.T) {
	const id = "03e5a2cc92824c9bad83781f0cc152f9"
	for _, c := range []struct {
		url, order string
	}{
		{"http://w/api/marketplace-orders/" + id + "/set_state_done/",
			"http://w/api/marketplace-orders/" + id + "/"},
		{"http://w/api/marketplace-orders/03E5A2CC-9282-4c9b-ad83-781f0cc152f9/approve_by_provider/",
			"http://w/api/marketplace-orders/03E5A2CC-9282-4c9b-ad83-781f0cc152f9/"},
		{"http://w/api/marketplace-provider-resources/" + id + "/set_backend_id/", ""},
		{"http://w/api/x-marketplace-orders/" + id + "/set_state_done/", ""},
		{"http://w/api/marketplace-orders/" + id + "/", ""},
		{"http://w/api/marketplace-orders/" + id + "/set_state_done", ""},
		{"http://w/api/marketplace-orders/" + id + "/../", ""},
		{"http://w/api/marketplace-orders/" + id[1:] + "/set_state_done/", ""},
		{"http://w/api/marketplace-orders//set_state_done/", ""},
		{"/", ""},
		{"", ""},
	} {
		got, order, ok := OrderOf(c.url)
		if ok != (c.order != "") || order != c.order || ok && got != id {
			t.Errorf("%s: %q, %q, %v", c.url, got, order, ok)
		}
	}
}

func TestUUID(t *testing.T) {
	const id = "a83ef7cc6b325fe79540979c3f27097c"
	for _, good := range []string{id, "a83ef7cc-6b32-5fe7-9540-979c3f27097c",
		"A83EF7CC-6B32-5FE7-9540-979C3F27097C"} {
		if got, ok := UUID(good); !ok || got != id {
			t.Errorf("%s: %s, %v", good, got, ok)
		}
	}
	for _, bad := range []string{"", id[1:], id + "0", "g" + id[1:],
		"a83ef7cc6-b32-5fe7-9540-979c3f27097c", "{" + id + "}",
		"a83ef7cc-6b32-5fe7-9540-979c3f27097-"} {
		if got, ok := UUID([]byte(bad)); ok {
			t.Errorf("%q: %s", bad, got)
		}
	}
}

// TestUUIDBytes: at each place, exactly the hex digits are accepted, and the dashes where they belong.
func TestUUIDBytes(t *testing.T) {
	const plain, dashed = "a83ef7cc6b325fe79540979c3f27097c", "a83ef7cc-6b32-5fe7-9540-979c3f27097c"
	for _, id := range []string{plain, dashed} {
		for at := range len(id) {
			for c := range 256 {
				b := []byte(id)
				b[at] = byte(c)
				want := strings.ReplaceAll(strings.ToLower(string(b)), "-", "")
				fits := id[at] != '-' && strings.Contains("0123456789abcdefABCDEF", string(rune(c))) ||
					id[at] == '-' && c == '-'
				if got, ok := UUID(b); ok != fits || ok && got != want {
					t.Errorf("%q: %q, %v", b, got, ok)
				}
			}
		}
	}
}

// FuzzCallbackURL: every accepted URL is below waldur.url, and has nothing that a server could read
// as another path.
func FuzzCallbackURL(f *testing.F) {
	w := WaldurSettings{URL: "https://waldur.example.com/api/",
		Aliases: []string{"http://waldur-internal:8000/api/"}}
	f.Add("http://waldur-internal:8000/api/marketplace-orders/03e5a2cc92824c9bad83781f0cc152f9/set_state_done/")
	f.Add("https://waldur.example.com/api/..;/x/")
	f.Add("https://u@waldur.example.com/api/%2e%2e/x?y#z")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := callbackURL(w, raw)
		if err != nil {
			return
		}
		rest, ok := strings.CutPrefix(got, w.URL)
		if !ok || rest == "" || strings.ContainsAny(rest, "%?#;\\ \n") ||
			strings.Contains("/"+rest, "/../") || strings.Contains(rest, "//") {
			t.Errorf("%q became %q", raw, got)
		}
		if again, err := callbackURL(w, got); err != nil || again != got {
			t.Errorf("%q became %q, %v", got, again, err)
		}
	})
}
