package vastsim_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
	"github.com/waldur/cscs-storage-sync/providers/quota/vast"
)

// Quotas and usage are there again after the simulator was restarted.
func TestFileIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vast.json")
	for run := range 2 {
		sim, err := vastsim.New(file)
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(sim)
		c, err := vast.New(vast.Options{URL: server.URL + "/api/latest/", Token: vastsim.Token})
		if err != nil {
			t.Fatal(err)
		}
		q, found := c.Get(t.Context(), "/a")
		switch {
		case run == 0 && !found:
			sim.Use(vastsim.Usage{Path: "/a", Capacity: 7, Effective: 9, Limited: 8, Inodes: 2})
			if _, err := c.Set(t.Context(), "/a", hard(5)); err != nil {
				t.Fatal(err)
			}
		case !found || q.State.Limits != hard(5) || q.State.Space.N() != 9 || q.State.Inodes.N() != 2:
			t.Errorf("run %d: %+v", run, q)
		}
		server.Close()
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `"/a"`) {
			t.Fatalf("%s, %v", text, err)
		}
	}
}

// Certificates are checked against ca_file, and nothing is sent to a server with another
// certificate.
func TestCAFile(t *testing.T) {
	sim, err := vastsim.New("")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(sim)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for ca, ok := range map[string]bool{file: true, "": false} {
		c, err := vast.New(vast.Options{URL: server.URL + "/api/v5/", Token: vastsim.Token,
			CAFile: ca})
		if err != nil {
			t.Fatal(err)
		}
		before := len(sim.Requests())
		if _, err := c.List(t.Context()); (err == nil) != ok || !ok &&
			len(sim.Requests()) != before {
			t.Errorf("ca_file %q: %v", ca, err)
		}
	}
	if _, err := vast.New(vast.Options{URL: server.URL, Token: vastsim.Token,
		CAFile: "more_test.go"}); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("%v", err)
	}
}

// An answer that does not end is an error, and is not kept in memory.
func TestAnswersAreBounded(t *testing.T) {
	for _, status := range []int{200, 500} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			for block := []byte(strings.Repeat(" ", 1<<16)); r.Context().Err() == nil; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}))
		c, err := vast.New(vast.Options{URL: server.URL + "/api/v5/", Token: vastsim.Token})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.List(t.Context()); err == nil || status == 200 &&
			!strings.Contains(err.Error(), "longer than") {
			t.Errorf("%d: %v", status, err)
		}
		server.Close()
	}
}
