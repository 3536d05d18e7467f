package waldur

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/providers/web"
)

// TestRefusals: quirks 35, 36, 40 and 42. For every answer that is not a listing, the error says
// where, what, and what to do. If another attempt cannot help, there is none.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		file   string
		status int
		tries  int
		says   []string
	}{
		{"auth_401_expired.json", 401, 1, []string{"answered 401 (Unauthorized): Error while " +
			"validating access token: Expired at 1795384963", "renew the one in proxy.token"}},
		{"auth_401_bad_signature.json", 401, 1, []string{"Verification failed for all signatures"}},
		{"err_404.json", 404, 1, []string{"404 (Not Found): Not Found; check that proxy.url is the URL " +
			"of the listing"}},
		{"err_405_post.json", 405, 1, []string{"Method Not Allowed", "check that proxy.url"}},
		{"err_422_status.json", 422, 1, []string{"query.status: Input should be 'pending', " +
			"'active'", "check its version"}},
		{"err_500_one_bad_resource.json", 500, 3, []string{"500 (Internal Server Error): An error " +
			"occurred: 1 validation error for ResourceLimits", "one resource in Waldur"}},
		{"err_502_waldur_401.json", 502, 3, []string{"502 (Bad Gateway): Failed to fetch all resources " +
			"for offerings ['capstor'", "its own token"}},
		{"err_502_gid_api_down.json", 502, 3, []string{"Failed to fetch projects from"}},
		{"err_307_no_slash.txt", 429, 3, []string{"429 (Too Many Requests); the proxy is busy"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = w.Write(response(t, c.file))
			})
			err := r.expectError(t, append(c.says, "list resources: page 1: "+
				"127.0.0.1:", "/api/storage-resources/ answered")...)
			var s *web.StatusError
			if !errors.As(err, &s) || s.Status != c.status || len(r.queries()) != c.tries ||
				len(r.clock.slept) != c.tries-1 {
				t.Errorf("%v after %d requests, slept %v", err, len(r.queries()), r.clock.slept)
			}
		})
	}
}

// TestRedirect: quirk 42. The token does not follow a redirect, wherever it leads.
func TestRedirect(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("%s was called with %q", req.URL, req.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, strings.Replace(elsewhere.URL, "http://", "http://user:"+testToken+"@",
			1)+"/x/?"+testToken, http.StatusTemporaryRedirect)
	})
	r.expectError(t, "answered 307 (Temporary Redirect): it redirects to "+
		"127.0.0.1:", "use the URL with a trailing slash in proxy.url")
	if len(r.queries()) != 1 {
		t.Error(r.queries())
	}
}

func TestNotJSON(t *testing.T) {
	for _, c := range []struct{ name, body, says string }{
		{"HTML", "\n<!DOCTYPE html><form>", "an HTML page instead of JSON: check that proxy.url is the " +
			"URL of the listing"},
		{"text", "hello", "byte 0: 'h' where the JSON object of a page should be"},
		{"nothing", "", "the text ends"},
		{"cut JSON", pageOf(goodItem)[:700], "the text ends"},
		{"duplicate", `{"status":"success","status":"success"}`, `duplicate member "status"`},
		{"error with 200", `{"detail":"no \u202e\u0007 luck"}`,
			`this is an error answer, not a listing: no \u202e\u0007 luck`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, time.Minute, func(w http.ResponseWriter,
				_ *http.Request) {
				fmt.Fprint(w, c.body)
			})
			r.expectError(t, c.says)
			if len(r.queries()) != 1 {
				t.Error(r.queries())
			}
		})
	}
}

// TestAnswerBreaksOff: an answer that is shorter than announced is no answer, and is requested
// again.
func TestAnswerBreaksOff(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		fmt.Fprint(w, pageOf(goodItem))
	})
	err := r.expectError(t, "the answer ended early, after", "unexpected EOF")
	if !errors.Is(err, apply.ErrUnreachable) || len(r.queries()) != 3 {
		t.Error(err, len(r.queries()))
	}
}

func TestAnswerTooLong(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		blank := strings.Repeat(" ", 1<<20)
		for range 33 {
			if _, err := io.WriteString(w, blank); err != nil {
				return
			}
		}
	})
	r.expectError(t, "the page is longer than 32 MiB")
}

// TestTLSIsVerified: a certificate by an unknown authority is refused.
func TestTLSIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter,
		req *http.Request) {
		t.Errorf("%s was called", req.URL)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	clock := newFakeClock()
	source, err := NewProxy(ProxyOptions{URL: server.URL + "/", Token: Static(testToken),
		TokenFrom: "proxy.token", Timeout: time.Minute,
		Transport: web.NewTransport(nil, nil), Clock: clock.clock()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = source.List(context.Background(), nil); err == nil ||
		!strings.Contains(err.Error(), "certificate") || clock.slept != nil {
		t.Error(err, clock.slept)
	}
}

// TestOldTLS: a server that supports only TLS 1.1 gets no request, even if its certificate is
// valid.
func TestOldTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter,
		req *http.Request) {
		t.Errorf("%s was called", req.URL)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	source, err := NewProxy(ProxyOptions{URL: server.URL + "/", Token: Static(testToken),
		TokenFrom: "proxy.token", Timeout: time.Minute,
		Transport: web.NewTransport(nil, roots), Clock: newFakeClock().clock()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = source.List(context.Background(), nil); err == nil ||
		!strings.Contains(err.Error(), "protocol version") {
		t.Error(err)
	}
}

// TestTokenInTheAnswer: if the proxy repeats the token, the error does not show it.
func TestTokenInTheAnswer(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(401)
		fmt.Fprintf(w, `{"detail":"bad header %s"}`, req.Header.Get("Authorization"))
	})
	r.expectError(t, "bad header Bearer (secret)")
}
