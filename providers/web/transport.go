// Package web holds what the clients of web services share: transports that verify TLS and never
// follow a redirect, texts from outside that are fit for an error, and secrets that are never
// shown.
package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/planner"
)

// NewTransport returns a transport that verifies TLS (1.2 or newer) against roots, or the system's
// roots if nil. It uses the forward proxy that proxy names, or none if nil.
func NewTransport(proxy func(*http.Request) (*url.URL, error),
	roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  proxy,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    15 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        90 * time.Second,
		ForceAttemptHTTP2:      true,
	}
}

// WithoutRedirects returns a client that treats a redirect as an answer. To follow a redirect would
// send the token to another place.
func WithoutRedirects(rt http.RoundTripper) *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: rt, CheckRedirect: stay}
}

// NoAnswer returns the error of a request without an answer. It drops the URL that net/http adds,
// because callers name the place.
func NoAnswer(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", apply.ErrUnreachable, context.Cause(ctx))
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return fmt.Errorf("%w: %w", apply.ErrUnreachable, err)
}

// Place returns a URL's host and path. It leaves out user, query and fragment, which could hold a
// secret.
func Place(h planner.Hidden, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	return Printable(h.Text(u.Host + u.EscapedPath()))
}
