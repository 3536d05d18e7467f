// Package web is what the clients of web services share: transports that verify and never follow a redirect, texts from the
// other side made fit for an error, and secrets that do not show.
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

// NewTransport is a transport that verifies TLS (1.2 or newer) against roots, or the system's when nil, and goes through
// the forward proxy that proxy names, or none when nil.
func NewTransport(proxy func(*http.Request) (*url.URL, error), roots *x509.CertPool) *http.Transport {
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

// WithoutRedirects is a client that gives a redirect as an answer: to follow one would carry the token elsewhere.
func WithoutRedirects(rt http.RoundTripper) *http.Client {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{Transport: rt, CheckRedirect: stay}
}

// NoAnswer is the error of a request without an answer. The URL that net/http puts into it is dropped: callers say where.
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

// Place shows a URL as host and path, without what could hold a secret: user, query and fragment.
func Place(h planner.Hidden, raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable URL)"
	}
	return Printable(h.Text(u.Host + u.EscapedPath()))
}
