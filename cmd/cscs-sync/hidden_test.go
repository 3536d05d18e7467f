package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// pathSecret is a part of proxy.url that comes from a file.
const pathSecret = "k3y-in-the-path-of-the-proxy"

// secretive makes a site whose proxy has a secret in its path, and whose Waldur refuses every callback with our token in the
// words. While broken, the proxy fails too, and repeats what it was asked.
func secretive(t *testing.T) (s *service, broken *string) {
	t.Helper()
	s = newService(t, "")
	broken = new(string)
	to, err := url.Parse(s.url)
	s.check(err)
	sim := httputil.NewSingleHostReverseProxy(to)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, asked := strings.CutPrefix(r.URL.Path, "/"+pathSecret)
		token := r.Header.Get("Authorization")
		_, secret, _ := strings.Cut(token, " ") // empty where there is no token
		switch {
		case asked && *broken == "location":
			w.Header().Set("Location", "https://other.example.com"+r.URL.Path+secret)
			w.WriteHeader(http.StatusFound)
		case asked && *broken == "malformed":
			fmt.Fprintf(w, `{"status":%q,"path":%q`, token, r.URL.Path)
		case asked && *broken == "words":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"detail":"%s %s"}`, r.URL.Path, token)
		case !asked && r.Method == http.MethodPost:
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"detail":"%s does not work with %s"}`, r.URL.Path, token)
		default:
			r.URL.Path = path
			r.Host = to.Host
			sim.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	s.check(os.WriteFile(filepath.Join(s.dir, "path.secret"), []byte(pathSecret), 0o600))
	s.edit(`"`+s.url+`/api/storage-resources/"`, `"`+front.URL+`/${file("path.secret")}/api/storage-resources/"`)
	s.edit(`"`+s.url+`/api/"`, `"`+front.URL+`/api/"`+"\n  aliases = [\""+s.url+"/api/\"]")
	return s, broken
}

// TestSecretsAreShownNowhere: neither a token nor what a URL takes from a file is in any output, plan, log or state,
// whatever the two sides answer.
func TestSecretsAreShownNowhere(t *testing.T) {
	s, broken := secretive(t)
	secrets := []string{pathSecret, waldursim.DefaultProxyToken, waldursim.DefaultWaldurToken}
	look := func(what, text string) {
		t.Helper()
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s shows a secret: %.300q", what, text[max(0, i-100):])
			}
		}
	}
	s.create("bio", 30500)
	commands := [][]string{{"doctor"}, {"plan", "--out", "a.plan"}, {"plan", "--json"}, {"show", "a.plan"}, {"show", "--json", "a.plan"}, {"apply", "--auto-approve"},
		{"callbacks", "list"}, {"callbacks", "list", "--json"}, {"callbacks", "retry"}, {"explain", "/capstor/store/cscs/uzh/bio"}, {"state", "pull"}, {"state", "history"},
		{"run", "--once"}, {"run", "--once", "--dry-run"}}
	outputs := ""
	for _, *broken = range []string{"", "location", "malformed", "words"} {
		for _, args := range commands {
			_, out := s.here(slices.Clone(args)...)
			look(fmt.Sprintf("%v (%q)", args, *broken), out)
			outputs += out
		}
	}
	for _, want := range []string{"(secret)", "does not work with"} {
		if !strings.Contains(outputs, want) {
			t.Errorf("no output says %q:\n%s", want, outputs)
		}
	}
	s.check(filepath.WalkDir(s.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasSuffix(path, ".token") || strings.HasSuffix(path, ".secret") {
			return err
		}
		text, err := os.ReadFile(path)
		look(path, string(text))
		return err
	}))
}
