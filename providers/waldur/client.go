package waldur

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// client makes requests to the proxy or to Waldur, with one source of tokens.
type client struct {
	http  *http.Client
	token TokenFunc
	// scheme precedes the token: Bearer for the proxy, Token for Waldur.
	scheme string
	now    func() time.Time
	// hidden are secrets that no message may show.
	hidden planner.Hidden
}

func newClient(rt http.RoundTripper, token TokenFunc, scheme string, now func() time.Time,
	hidden planner.Hidden) client {
	return client{http: web.WithoutRedirects(rt), token: token, scheme: scheme, now: now,
		hidden: hidden}
}

// reply is an answer. Its body may be incomplete.
type reply struct {
	status int
	header http.Header
	body   []byte
	// cut reports whether the body is longer than the limit. broken says why it ended too early.
	cut    bool
	broken error
	// secret is the token that was sent. hidden is that token and more secrets that no message may
	// show.
	secret string
	hidden planner.Hidden
}

// do makes one request. It reads at most limit bytes of the answer into buf, and at most
// maxAnswerBytes of a refusal. An error means that there was no answer (apply.ErrUnreachable), that
// there is no token, or that ctx has ended.
func (c client) do(ctx context.Context, method, target string, body []byte, limit int64,
	buf *bytes.Buffer) (reply, error) {
	token, err := c.token(ctx)
	if err != nil {
		return reply{}, err
	}
	req, err := c.request(ctx, method, target, body)
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", c.scheme+" "+token)
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, web.NoAnswer(ctx, err)
	}
	defer resp.Body.Close()
	r := reply{status: resp.StatusCode, header: resp.Header, secret: token,
		hidden: c.hidden.With(token)}
	if r.status/100 != 2 {
		limit = min(limit, maxAnswerBytes) // messages show only the beginning of a refusal
	}
	buf.Reset()
	_, err = buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	r.body = buf.Bytes()
	if err != nil {
		r.broken = web.NoAnswer(ctx, err)
	}
	if int64(len(r.body)) > limit {
		r.cut, r.body = true, r.body[:limit]
	}
	return r, nil
}

func (c client) request(ctx context.Context, method, target string,
	body []byte) (*http.Request, error) {
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, from)
	if err != nil {
		return nil, fmt.Errorf("not a valid URL: %s", web.Place(c.hidden, target))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "cscs-sync")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// detail returns what the answer says, without secrets.
func (r reply) detail() string {
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		return "HTML answer"
	}
	return web.Detail(r.hidden, r.body)
}

// errEcho means that an answer repeats our token. A server that sends it back may show it
// elsewhere, too.
var errEcho = errors.New("the answer repeats our token, so it is not used: have that server " +
	"checked, and renew the token")

// echoes reports whether the answer repeats our token.
func (r reply) echoes() bool { return web.Echoes(r.body, r.secret) }

// redirectTarget returns where the answer redirects us to. The client never follows a redirect.
func (r reply) redirectTarget() (string, bool) {
	if r.status < 300 || r.status > 399 {
		return "", false
	}
	return web.Place(r.hidden, r.header.Get("Location")), true
}

// maxRetryAfter is the longest wait that an answer may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter parses the Retry-After header: seconds or a date. It returns 0 if there is none.
func (r reply) retryAfter(now time.Time) time.Duration {
	h := strings.TrimSpace(r.header.Get("Retry-After"))
	if h == "" {
		return 0
	}
	if n, err := strconv.ParseUint(h, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if t, err := http.ParseTime(h); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

// transient reports whether the same request may succeed a little later.
func transient(err error) bool {
	var s *web.StatusError
	if errors.As(err, &s) {
		return s.Status == http.StatusRequestTimeout || s.Status == http.StatusTooManyRequests ||
			s.Status >= 500
	}
	var untrusted *tls.CertificateVerificationError
	return errors.Is(err, apply.ErrUnreachable) && !errors.As(err, &untrusted)
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
