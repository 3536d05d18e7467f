package waldur

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// pageSize is the largest the proxy allows: each page costs it a full reading of Waldur, whatever the size.
const pageSize = 500

// tries is how often a page is asked for, and how often a listing that contradicts itself is begun again.
const tries = 3

// firstPause is the pause after the first failed try; it doubles, and a random half of it is cut.
const firstPause = 2 * time.Second

// Clock is the time and the chance that a client uses.
type Clock struct {
	Now func() time.Time
	// Sleep waits for d or until ctx is over; see [Sleep].
	Sleep func(ctx context.Context, d time.Duration) error
	// Rand gives numbers in [0,1).
	Rand func() float64
}

// ProxyOptions configure [NewProxy]. All but Hidden, Systems, Memory and Progress are needed.
type ProxyOptions struct {
	// URL is the listing's, with its trailing slash.
	URL   string
	Token TokenFunc
	// TokenFrom says where people set the token, for the message that it is refused: "proxy.token".
	TokenFrom string
	// Hidden is what no message may show.
	Hidden planner.Hidden
	// Timeout bounds a whole listing, with all its pages, tries and pauses.
	Timeout   time.Duration
	Transport http.RoundTripper
	Clock     Clock
	// Systems are those to read a long listing by; with fewer than two it is read whole.
	Systems []planner.System
	// Memory, if not nil, is shared by the sources of a process.
	Memory *Memory
	// Progress, if not nil, is told of each page.
	Progress providers.Progress
}

// proxy reads listings over HTTP.
type proxy struct {
	options ProxyOptions
	url     *url.URL
	client  client
	// place is host and path, for messages.
	place string
	// maxKept bounds the memory of one listing.
	maxKept int
}

// NewProxy is the Storage Proxy as a source. It is safe for concurrent use, but two listings at once take the proxy longer
// than one after the other.
func NewProxy(o ProxyOptions) (engine.Source, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("proxy.url: want http or https, a host and a path, got %s", web.Place(o.Hidden, o.URL))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("proxy.url: %s: a user, a query or a fragment does not belong there", web.Place(o.Hidden, o.URL))
	}
	return &proxy{options: o, url: u, place: web.Place(o.Hidden, o.URL), maxKept: maxKept, client: newClient(o.Transport, o.Token, "Bearer", o.Clock.Now, o.Hidden)}, nil
}

// Name implements [engine.Source].
func (p *proxy) Name() string { return p.place }

// ChangedError tells that the pages of a listing contradict each other: something changed in Waldur while they were read.
type ChangedError struct {
	// What differed.
	What string
}

func (e *ChangedError) Error() string { return e.What }

// LateError tells that a listing took too long. The proxy may still work on it: it does not notice who has given up.
type LateError struct{ Within time.Duration }

func (e *LateError) Error() string {
	return fmt.Sprintf("no complete listing within %v (proxy.timeout)", e.Within)
}

// MovedError names items that stood in the listings of two statuses: they changed their status in between.
type MovedError struct{ Keys []planner.Key }

func (e *MovedError) Error() string {
	return fmt.Sprintf("%s in the listings of two statuses, and %d more", keyText(e.Keys[0]), len(e.Keys)-1)
}

func keyText(k planner.Key) string {
	return fmt.Sprintf("item %s (system %.60q, data type %.60q)", k.Item, k.System, k.DataType)
}

// List implements [engine.Source]. With statuses it reads one listing for each, in their order. When an item stands on two
// pages, or in two of the listings, or a page has another total, all is read again; after 3 tries the error is a
// [ChangedError] or [MovedError]. Which of two places of an item is the newer one is never guessed.
func (p *proxy) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	items, err := p.list(ctx, statuses)
	return items, p.options.Hidden.Error(err)
}

func (p *proxy) list(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.options.Timeout, &LateError{p.options.Timeout})
	defer cancel()
	var err error
	for try := range tries {
		if try > 0 {
			if wait := p.pause(ctx, try, 0); wait != nil {
				return nil, fmt.Errorf("list resources: %s: %w; before: %w", p.place, wait, err)
			}
		}
		r := listing{proxy: p, parser: newParser(), seen: map[planner.Key]int{}}
		r.parser.maxKept = p.maxKept
		if err = r.readAll(ctx, statuses); err == nil {
			return r.items, nil
		}
		if !contradicts(err) {
			return nil, fmt.Errorf("list resources: %w", err)
		}
	}
	return nil, fmt.Errorf("list resources: %s: the listing changed while it was read, %d times; the last time: %w; try again later",
		p.place, tries, err)
}

func contradicts(err error) bool {
	var c *ChangedError
	var m *MovedError
	return errors.As(err, &c) || errors.As(err, &m)
}

// pause waits after a failed try, not less than was asked for. It gives up at once when that would pass the deadline.
func (p *proxy) pause(ctx context.Context, try int, asked time.Duration) error {
	d := backoff.Wait(firstPause, p.options.Timeout, try)
	d = max(d/2+time.Duration(p.options.Clock.Rand()*float64(d/2)), asked)
	if end, ok := ctx.Deadline(); ok && asked > 0 && p.options.Clock.Now().Add(d).After(end) {
		return fmt.Errorf("to wait %v, as asked, would pass proxy.timeout", d.Round(time.Second))
	}
	return p.options.Clock.Sleep(ctx, d)
}

func (p *proxy) pageURL(n int, to filter) string {
	q := url.Values{"page": {strconv.Itoa(n)}, "page_size": {strconv.Itoa(pageSize)}}
	if to.status != "" {
		q.Set("status", string(to.status))
	}
	if to.system != "" {
		q.Set("storage_system", to.system)
	}
	u := *p.url
	u.RawQuery = q.Encode()
	return u.String()
}

// refusal is the error of an answer other than 200, with the way out.
func (p *proxy) refusal(r reply) error {
	e := &web.StatusError{Place: p.place, Status: r.status, Detail: r.detail(), RetryAfter: r.retryAfter(p.options.Clock.Now())}
	if to, ok := r.redirect(); ok {
		e.Detail = "it redirects to " + to
		e.Hint = "redirects are not followed; use the URL with a trailing slash in proxy.url"
		return e
	}
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Hint = "the token is refused, it may have expired: renew what " + p.options.TokenFrom + " names"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		e.Hint = "is proxy.url the URL of the listing, …/api/storage-resources/?"
	case http.StatusUnprocessableEntity:
		e.Hint = "the proxy does not know this query; its version may not fit"
	case http.StatusInternalServerError:
		e.Hint = "one resource in Waldur that the proxy cannot read makes the whole listing fail; the words " +
			"above may name its field: fix it in Waldur"
	case http.StatusBadGateway:
		e.Hint = "the proxy could not read Waldur or the user directory, or its own token for them is refused; see the proxy's log"
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		e.Hint = "the proxy is busy or down; try again later"
	}
	return e
}
