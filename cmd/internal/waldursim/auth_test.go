package waldursim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The proxy refuses as recorded.
func TestProxyRefusals(t *testing.T) {
	_, srv := start(t, Options{})
	for file, header := range map[string]string{
		"auth_401_no_header.json":     "",
		"auth_401_basic.json":         "Basic eDp5",
		"auth_401_empty_bearer.json":  "Bearer ",
		"auth_401_garbage_token.json": "Bearer garbage",
		"auth_401_other_key.json":     "Bearer a.b.c",
		"auth_401_bad_signature.json": "Bearer eyJ.eyJ.xx",
	} {
		got := send(t, http.MethodGet, srv.URL+listPath, header, "")
		if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: status %d, %v", file, got.status, got.header)
		}
		if diff := cmp.Diff(value(t, recorded(t, file)), value(t, got.body)); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

func TestProxyTokenExpired(t *testing.T) {
	s, srv := start(t, Options{})
	if err := s.SetToken("proxy", DefaultProxyToken, Expired); err != nil {
		t.Fatal(err)
	}
	got := list(t, srv.URL, "")
	if diff := cmp.Diff(value(t, recorded(t, "auth_401_expired.json")),
		value(t, got.body)); got.status != 401 || diff != "" {
		t.Errorf("status %d %s", got.status, diff)
	}
	if s.SetToken("proxy", "x", Denied) == nil || s.SetToken("waldur", "x", Valid) == nil ||
		s.SetToken("other", "x", Valid) == nil {
		t.Error("an account that the service does not have was taken")
	}
}

// Tokens of the token endpoint are valid until they expire, and no longer.
func TestTokenEndpoint(t *testing.T) {
	now := time.Unix(1795385023, 0)
	_, srv := start(t, Options{TokenLifetime: time.Minute, Now: func() time.Time { return now }})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"cscs-sync"}, "client_secret": {"sim-secret"}}
	var issued struct {
		Token     string `json:"access_token"`
		Type      string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
	}
	got := postForm(t, srv.URL, form, nil)
	if err := json.Unmarshal(got.body, &issued); err != nil || got.status != 200 || issued.Type != "Bearer" || issued.ExpiresIn != 60 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	ask := func() int { return send(t, http.MethodGet, srv.URL+listPath, "Bearer "+issued.Token, "").status }
	if status := ask(); status != 200 {
		t.Errorf("fresh token: %d", status)
	}
	now = now.Add(time.Minute)
	if status := ask(); status != 401 {
		t.Errorf("token at its end: %d", status)
	}
	basic := url.UserPassword("cscs-sync", "sim-secret")
	if got := postForm(t, srv.URL, url.Values{"grant_type": {"client_credentials"}},
		basic); got.status != 200 {
		t.Errorf("basic: %d %s", got.status, got.body)
	}
	form.Set("client_secret", "wrong")
	if got := postForm(t, srv.URL, form, nil); got.status != 401 ||
		!strings.Contains(string(got.body), `"unauthorized_client"`) {
		t.Errorf("wrong secret: %d %s", got.status, got.body)
	}
	form.Set("grant_type", "password")
	if got := postForm(t, srv.URL, form, nil); got.status != 400 {
		t.Errorf("wrong grant: %d %s", got.status, got.body)
	}
	if got := send(t, http.MethodGet, srv.URL+tokenPath, "", ""); got.status != 405 {
		t.Errorf("GET: %d", got.status)
	}
}

func postForm(t *testing.T, base string, form url.Values, user *url.Userinfo) answered {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+tokenPath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return do(t, req)
}

// Waldur also accepts the token in the query, and its scheme in upper or lower case.
func TestWaldurTokenPlaces(t *testing.T) {
	s, srv := start(t, Options{})
	r, err := s.AddResource(spec(&OrderSpec{}))
	if err != nil {
		t.Fatal(err)
	}
	path := srv.URL + "/api/marketplace-orders/" + r.Orders[0].UUID + "/"
	for auth, want := range map[string]int{"token " + DefaultWaldurToken: 200, "Bearer " +
		DefaultWaldurToken: 401, "Token x": 401} {
		if got := send(t, http.MethodGet, path, auth, ""); got.status != want {
			t.Errorf("%s: %d, want %d", auth, got.status, want)
		}
	}
	if got := send(t, http.MethodGet, path+"?x-auth-token="+DefaultWaldurToken, "",
		""); got.status != 200 {
		t.Errorf("query: %d", got.status)
	}
	for _, entry := range s.Requests() {
		if strings.Contains(entry.Path, DefaultWaldurToken) {
			t.Errorf("token in the log: %+v", entry)
		}
	}
}
