package waldursim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every listing of the eighteen resources by the real proxy, and every refusal of a query, is
// reproduced exactly.
func TestRecordedListings(t *testing.T) {
	_, srv := miniServer(t, Options{WaldurURL: waldurInResponses})
	var index []struct {
		File, Request string
		Status        int
		ContentType   *string `json:"content_type"`
		Headers       map[string]string
	}
	if err := json.Unmarshal(recorded(t, "INDEX.json"), &index); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, c := range index {
		if strings.HasPrefix(c.File, "err_50") || strings.HasPrefix(c.File, "auth_401") || c.File == "empty.json" {
			continue // not about the query: other tests
		}
		ran++
		t.Run(c.File, func(t *testing.T) {
			method, path, _ := strings.Cut(c.Request, " ")
			got := send(t, method, srv.URL+path, "Bearer "+DefaultProxyToken, "")
			if got.status != c.Status {
				t.Fatalf("status %d, want %d: %s", got.status, c.Status, got.body)
			}
			if allow := c.Headers["allow"]; got.header.Get("Allow") != allow {
				t.Errorf("Allow %q, want %q", got.header.Get("Allow"), allow)
			}
			if c.ContentType == nil {
				if got.header.Get("Content-Type") != "" || len(got.body) != 0 ||
					got.header.Get("Location") != srv.URL+listPath {
					t.Errorf("redirect: %v %q", got.header, got.body)
				}
				return
			}
			if got.header.Get("Content-Type") != *c.ContentType {
				t.Errorf("content type %q", got.header.Get("Content-Type"))
			}
			if diff := cmp.Diff(value(t, recorded(t, c.File)), value(t, got.body)); diff != "" {
				t.Errorf("-recorded +simulated\n%s", diff)
			}
		})
	}
	if ran < 30 {
		t.Errorf("only %d responses compared", ran)
	}
}

// The order of keys is the proxy's, too, where the proxy has a fixed one.
func TestListingText(t *testing.T) {
	_, srv := miniServer(t, Options{WaldurURL: waldurInResponses})
	want := strings.TrimSpace(string(recorded(t, "mini_page9.json")))
	if got := string(list(t, srv.URL, "?page=9&page_size=5").body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEmptyListing(t *testing.T) {
	_, srv := start(t, Options{})
	if diff := cmp.Diff(value(t, recorded(t, "empty.json")),
		value(t, list(t, srv.URL, "").body)); diff != "" {
		t.Error(diff)
	}
}

// One invalid resource breaks the listing for everybody until it is fixed.
func TestBadResource(t *testing.T) {
	s, srv := miniServer(t, Options{})
	id := "6c6e25d8b7e65fbc8dc0b3129954a53f"
	set := func(c ResourceChange) {
		t.Helper()
		if _, err := s.ChangeResource(id, c); err != nil {
			t.Fatal(err)
		}
	}
	set(ResourceChange{Limits: map[string]any{"storage": -1}})
	got := list(t, srv.URL, "")
	if got.status != http.StatusInternalServerError {
		t.Errorf("status %d", got.status)
	}
	if diff := cmp.Diff(value(t, recorded(t, "err_500_one_bad_resource.json")),
		value(t, got.body)); diff != "" {
		t.Error(diff)
	}
	good := map[string]any{"storage": 1}
	for _, options := range []map[string]any{{"hard_quota_space": ""}, {"permissions": "rwx"}} {
		set(ResourceChange{Limits: good, Options: options})
		if got := list(t, srv.URL, ""); got.status != http.StatusInternalServerError {
			t.Errorf("%v: status %d", options, got.status)
		}
	}
	set(ResourceChange{Limits: good, Options: map[string]any{}})
	if got := list(t, srv.URL, ""); got.status != http.StatusOK {
		t.Errorf("repaired: status %d %s", got.status, got.body)
	}
}
