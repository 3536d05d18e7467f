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

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// client makes requests with one token to one side.
type client struct {
	http  *http.Client
	token TokenFunc
	// scheme goes before the token: Bearer for the proxy, Token for Waldur.
	scheme string
	now    func() time.Time
	// hidden is what no message may show.
	hidden planner.Hidden
}

func newClient(rt http.RoundTripper, token TokenFunc, scheme string, now func() time.Time, hidden planner.Hidden) client {
	return client{http: web.WithoutRedirects(rt), token: token, scheme: scheme, now: now, hidden: hidden}
}

// reply is an answer of which the head, at least, has come.
type reply struct {
	status int
	header http.Header
	body   []byte
	// cut tells that the body is longer than the limit, broken that it ended too early.
	cut    bool
	broken error
	// secret is the token that was sent, hidden is that and what else no message may show.
	secret string
	hidden planner.Hidden
}

// do makes one request and reads at most limit bytes of the answer into buf, and of a refusal at most maxAnswerBytes. Its
// error tells that there was no answer (apply.ErrUnreachable), no token, or that ctx is over.
func (c client) do(ctx context.Context, method, target string, body []byte, limit int64, buf *bytes.Buffer) (reply, error) {
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
	r := reply{status: resp.StatusCode, header: resp.Header, secret: token, hidden: c.hidden.With(token)}
	if r.status/100 != 2 {
		limit = min(limit, maxAnswerBytes) // of a refusal only the first words are shown
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

func (c client) request(ctx context.Context, method, target string, body []byte) (*http.Request, error) {
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, from)
	if err != nil {
		return nil, fmt.Errorf("not a URL to ask: %s", web.Place(c.hidden, target))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "cscs-sync")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// detail is what the answer says, without our token.
func (r reply) detail() string {
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		return "HTML answer"
	}
	return web.Detail(r.hidden, r.body)
}

// errEcho reports an answer that repeats our token: what sends it back may show it elsewhere too.
var errEcho = errors.New("the answer repeats our token: nothing of it is used. Have that server checked, and renew the token")

// echoes reports whether the answer repeats our token.
func (r reply) echoes() bool { return web.Echoes(r.body, r.secret) }

// redirect is where the answer sends us, which we do not go.
func (r reply) redirect() (string, bool) {
	if r.status < 300 || r.status > 399 {
		return "", false
	}
	return web.Place(r.hidden, r.header.Get("Location")), true
}

// maxRetryAfter bounds what an answer may ask us to wait.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header of that name: seconds or a date. 0: none.
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

// transient tells whether the same request may go well a little later.
func transient(err error) bool {
	var s *web.StatusError
	if errors.As(err, &s) {
		return s.Status == http.StatusRequestTimeout || s.Status == http.StatusTooManyRequests || s.Status >= 500
	}
	var untrusted *tls.CertificateVerificationError
	return errors.Is(err, apply.ErrUnreachable) && !errors.As(err, &untrusted)
}

// Sleep waits for d or until ctx is over.
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
