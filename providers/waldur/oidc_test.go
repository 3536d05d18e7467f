package waldur

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/providers/web"
)

const testSecret = "cl13nt-s3cr3t+/%&"

func oidc(t *testing.T, clock *fakeClock, play http.HandlerFunc) TokenFunc {
	t.Helper()
	server := httptest.NewServer(play)
	t.Cleanup(server.Close)
	return ClientCredentials(OIDC{TokenURL: server.URL + "/token", ClientID: "cscs-sync",
		ClientSecret: testSecret, Scope: "openid storage"},
		web.NewTransport(nil, nil), clock.clock().Now)
}

// TestOIDCRenewal: a token is used until half a minute before its end. Then a new one is requested.
func TestOIDCRenewal(t *testing.T) {
	clock, n := newFakeClock(), 0
	token := oidc(t, clock, func(w http.ResponseWriter, req *http.Request) {
		n++
		if err := req.ParseForm(); err != nil || req.Method != http.MethodPost || req.PostForm.Get("grant_type") != "client_credentials" ||
			req.PostForm.Get("client_id") != "cscs-sync" ||
			req.PostForm.Get("client_secret") != testSecret ||
			req.PostForm.Get("scope") != "openid storage" {
			t.Errorf("%s %v %v", req.Method, req.PostForm, err)
		}
		fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":300,"more":[]}`, n)
	})
	for _, c := range []struct {
		pass time.Duration
		want string
	}{{0, "t1"}, {269 * time.Second, "t1"}, {time.Second, "t2"}, {100 * time.Second, "t2"}, {time.Hour, "t3"}} {
		clock.now = clock.now.Add(c.pass)
		if got, err := token(context.Background()); err != nil || got != c.want {
			t.Errorf("after %v: %q, %v", c.pass, got, err)
		}
	}
}

// TestOIDCLifetime: a lifetime is read in every form that providers write. An invalid one is
// unknown.
func TestOIDCLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`300`: 5 * time.Minute, `300.0`: 5 * time.Minute, `"300"`: 5 * time.Minute, `" 300 "`: 5 * time.Minute, `3e2`: 5 * time.Minute,
		`"300.0"`: 5 * time.Minute, `0.5`: time.Second / 2, `null`: 0, `""`: 0, `"soon"`: 0, `-1`: 0, `"-1"`: 0, `"NaN"`: 0, `"Inf"`: 0, `"0x10"`: 0,
		`[]`: 0, `{}`: 0, `true`: 0, `1e300`: longestLife, `"1e999"`: 0, `99999999999999999999`: longestLife,
	} {
		if got := life(json.RawMessage(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
		token := oidc(t, newFakeClock(), func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"access_token":"t","token_type":"Bearer","expires_in":`+text+`}`)
		})
		if got, err := token(context.Background()); err != nil || got != "t" {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestOIDCShortLives(t *testing.T) {
	for life, kept := range map[int]time.Duration{0: 0, 20: 10 * time.Second, -5: 0} {
		clock, n := newFakeClock(), 0
		token := oidc(t, clock, func(w http.ResponseWriter, _ *http.Request) {
			n++
			fmt.Fprintf(w, `{"access_token":"t%d","token_type":"bearer","expires_in":%d}`, n, life)
		})
		_, _ = token(context.Background())
		clock.now = clock.now.Add(kept)
		if got, err := token(context.Background()); err != nil || got != "t2" {
			t.Errorf("life %d: %q, %v", life, got, err)
		}
	}
}

func TestOIDCRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		says   string
		again  bool
	}{
		{"bad secret", 401, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`,
			"/token answered 401 (Unauthorized): unauthorized_client: Invalid client or Invalid client " +
				"credentials; check token_url, client_id and client_secret in proxy.oidc", false},
		{"echo", 400, `{"error":"bad","error_description":"what is ` + testSecret + `"}`, "bad: what is (secret)", false},
		{"HTML", 502, `<html>` + testSecret, "answered 502 (Bad Gateway); check", true},
		{"text", 200, `hello ` + testSecret, "the answer is not the JSON of a token: check that this " +
			"is the token URL", false},
		{"no token", 200, `{"token_type":"Bearer"}`, "the answer is not the JSON of a token", false},
		{"odd token", 200, `{"token_type":"Bearer","access_token":"a\nb"}`, "the token contains a " +
			"blank, a line break", false},
		{"other type", 200, `{"token_type":"mac","access_token":"a"}`,
			`want a bearer token, got the type "mac"`, false},
		{"too long", 200, `{"access_token":"` + strings.Repeat("a", maxTokenAnswer) + `"}`, "the answer is not the JSON of a token", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := oidc(t, newFakeClock(), func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			_, err := token(context.Background())
			if err == nil || !strings.Contains(err.Error(), c.says) ||
				strings.Contains(err.Error(), testSecret) || transient(err) != c.again {
				t.Errorf("%v\nwant %s", err, c.says)
			}
		})
	}
}

// TestOIDCRedirect: the client's secret is not sent to where a redirect leads.
func TestOIDCRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter,
		req *http.Request) {
		t.Errorf("%s was called", req.URL)
	}))
	defer elsewhere.Close()
	token := oidc(t, newFakeClock(), func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	if _, err := token(context.Background()); err == nil || !strings.Contains(err.Error(), "it redirects to 127.0.0.1:") {
		t.Error(err)
	}
}

// TestOIDCBrokenOff: an answer that ends too early is no answer, and another attempt may succeed.
func TestOIDCBrokenOff(t *testing.T) {
	token := oidc(t, newFakeClock(), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "500")
		fmt.Fprint(w, `{"access_token":"`+testSecret)
	})
	_, err := token(context.Background())
	if !transient(err) || !strings.Contains(err.Error(), "the answer ended early") ||
		strings.Contains(err.Error(), testSecret) {
		t.Error(err)
	}
}

func TestOIDCUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	token := ClientCredentials(OIDC{TokenURL: server.URL, ClientSecret: testSecret},
		web.NewTransport(nil, nil), time.Now)
	if _, err := token(context.Background()); !errors.Is(err, apply.ErrUnreachable) ||
		strings.Contains(err.Error(), testSecret) {
		t.Error(err)
	}
}

// TestListWithOIDC: the proxy gets the token, and neither side gets the other side's secrets.
func TestListWithOIDC(t *testing.T) {
	clock := newFakeClock()
	token := oidc(t, clock, func(w http.ResponseWriter, req *http.Request) {
		if a := req.Header.Get("Authorization"); a != "" {
			t.Errorf("the token URL was sent %q", a)
		}
		fmt.Fprint(w, `{"access_token":"granted","token_type":"Bearer","expires_in":300}`)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if a := req.Header.Get("Authorization"); a != "Bearer granted" {
			t.Errorf("the proxy was sent %q", a)
		}
		_, _ = w.Write(response(t, "mini.json"))
	}))
	defer server.Close()
	source, err := NewProxy(ProxyOptions{URL: server.URL + "/", Token: token, TokenFrom: "proxy.oidc",
		Timeout:   time.Minute,
		Transport: web.NewTransport(nil, nil), Clock: clock.clock()})
	if err != nil {
		t.Fatal(err)
	}
	if items, err := source.List(context.Background(), nil); err != nil || len(items) != 41 {
		t.Errorf("%d items, %v", len(items), err)
	}
}

func TestSecretHides(t *testing.T) {
	s := web.Secret(testSecret)
	text := fmt.Sprintf("%v %s %q %#v %x %+v", s, s, s, s, s, OIDC{ClientSecret: s})
	b, err := json.Marshal(OIDC{ClientSecret: s})
	if err != nil || strings.Contains(text+string(b), "cl13nt") ||
		strings.Contains(text, fmt.Sprintf("%x", testSecret)) ||
		!strings.Contains(string(b), "(secret)") {
		t.Error(text, string(b), err)
	}
}

func TestStaticToken(t *testing.T) {
	if got, err := Static(testToken)(context.Background()); err != nil || got != testToken {
		t.Error(got, err)
	}
	for _, bad := range []web.Secret{"", "abc\n", "x y", "ä", "a\x00"} {
		if _, err := Static(bad)(context.Background()); err == nil || bad != "" &&
			strings.Contains(err.Error(), string(bad)) {
			t.Errorf("%d bytes: %v", len(string(bad)), err)
		}
	}
}
