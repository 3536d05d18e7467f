package waldursim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const waldurInResponses = "http://127.0.0.1:8000/api/"

// recorded reads a recorded answer of the real proxy.
func recorded(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "providers", "waldur", "testdata", "responses", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func value(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := decode(text, &v); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return v
}

func miniServer(t *testing.T, o Options) (*Server, *httptest.Server) {
	t.Helper()
	text, err := os.ReadFile("testdata/mini_seed.json")
	if err != nil {
		t.Fatal(err)
	}
	var sc Scenario
	if err := decodeStrict(text, &sc); err != nil {
		t.Fatal(err)
	}
	s, srv := start(t, o)
	if err := s.Load(sc); err != nil {
		t.Fatal(err)
	}
	return s, srv
}

func start(t *testing.T, o Options) (*Server, *httptest.Server) {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Unix(1795385023, 0) }
	}
	s := New(o)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv
}

// answered is an answer as it was received.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func send(t *testing.T, method, url, auth, body string) answered {
	t.Helper()
	a, err := try(method, url, auth, body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(method, url, auth, body string) (answered, error) {
	req, err := http.NewRequest(method, url, bytes.NewBufferString(body))
	if err != nil {
		return answered{}, err
	}
	if auth != "" {
		req.Header.Set("Authorization", auth)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return roundTrip(req)
}

func do(t *testing.T, req *http.Request) answered {
	t.Helper()
	a, err := roundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// roundTrip uses its own connection, so that nothing is retried. It follows no redirect.
func roundTrip(req *http.Request) (answered, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answered{res.StatusCode, res.Header, text}, err
}

func list(t *testing.T, base, query string) answered {
	t.Helper()
	return send(t, http.MethodGet, base+listPath+query, "Bearer "+DefaultProxyToken, "")
}

func post(t *testing.T, base, path, body string) answered {
	t.Helper()
	return send(t, http.MethodPost, base+path, "Token "+DefaultWaldurToken, body)
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
