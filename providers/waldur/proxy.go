package waldur

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/backoff"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// pageSize is the largest size that the proxy allows. The proxy reads Waldur completely for each
// page, whatever its size.
const pageSize = 500

// tries is how often a page is requested, and how often a listing is started over if it contradicts
// itself.
const tries = 3

// firstPause is the pause after the first failure. It doubles each time, and is then cut by up to a
// half at random.
const firstPause = 2 * time.Second

// Clock is the time and the randomness that a client uses.
type Clock struct {
	Now func() time.Time
	// Sleep waits for d, or until ctx ends; see [Sleep].
	Sleep func(ctx context.Context, d time.Duration) error
	// Rand returns random numbers in [0,1).
	Rand func() float64
}

// ProxyOptions configure [NewProxy]. All but Hidden, Systems, Memory and Progress are required.
type ProxyOptions struct {
	// URL is the URL of the listing, with its trailing slash.
	URL   string
	Token TokenFunc
	// TokenFrom names the setting with the token, such as "proxy.token", for the error when the token
	// is refused.
	TokenFrom string
	// Hidden are secrets that no message may show.
	Hidden planner.Hidden
	// Timeout bounds a whole listing, with all its pages, retries and pauses.
	Timeout   time.Duration
	Transport http.RoundTripper
	Clock     Clock
	// Systems are the systems by which a long listing is read. With fewer than two, it is read as a
	// whole.
	Systems []planner.System
	// Memory, if not nil, is shared by the sources of a process.
	Memory *Memory
	// Progress, if not nil, is called after each page.
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

// NewProxy returns the Storage Proxy as a source. It is safe for concurrent use, but two listings
// at the same time take the proxy longer than one after the other.
func NewProxy(o ProxyOptions) (engine.Source, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("proxy.url: want http or https, a host and a path, got %s",
			web.Place(o.Hidden, o.URL))
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("proxy.url: %s: must not have a user, a query or a fragment",
			web.Place(o.Hidden, o.URL))
	}
	return &proxy{options: o, url: u, place: web.Place(o.Hidden, o.URL), maxKept: maxKept,
		client: newClient(o.Transport, o.Token, "Bearer", o.Clock.Now, o.Hidden)}, nil
}

// Name implements [engine.Source].
func (p *proxy) Name() string { return p.place }

// ChangedError means that the pages of a listing contradict each other, because something changed
// in Waldur while they were read.
type ChangedError struct {
	// What says what differs.
	What string
}

func (e *ChangedError) Error() string { return e.What }

// LateError means that a listing took too long. The proxy may still be working on it, because it
// does not notice when a client gives up.
type LateError struct{ Within time.Duration }

func (e *LateError) Error() string {
	return fmt.Sprintf("no complete listing within %v (proxy.timeout)", e.Within)
}

// MovedError names items that were in the listings of two statuses, because their status changed in
// between.
type MovedError struct{ Keys []planner.Key }

func (e *MovedError) Error() string {
	return fmt.Sprintf("%s is in the listings of two statuses, and so are %d more", keyText(e.Keys[0]),
		len(e.Keys)-1)
}

func keyText(k planner.Key) string {
	return fmt.Sprintf("item %s (system %.60q, data type %.60q)", k.Item, k.System, k.DataType)
}

// List implements [engine.Source]. With statuses it reads one listing for each, in their order. If
// an item is on two pages or in two of the listings, or if a page has another total, List reads
// everything again. After 3 attempts it returns a [ChangedError] or [MovedError]. It never guesses
// which of two places of an item is the newer one.
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
		r := listing{proxy: p, parser: newParser()}
		r.parser.maxKept = p.maxKept
		if err = r.readAll(ctx, statuses); err == nil {
			return r.items, nil
		}
		if !contradicts(err) {
			return nil, fmt.Errorf("list resources: %w", err)
		}
	}
	return nil, fmt.Errorf("list resources: %s: the listing changed while it was read, %d times; "+
		"the last time: %w; try again later", p.place, tries, err)
}

func contradicts(err error) bool {
	var c *ChangedError
	var m *MovedError
	return errors.As(err, &c) || errors.As(err, &m)
}

// pause waits after a failed attempt, at least as long as the proxy asked for. It gives up
// immediately if that would exceed the deadline.
func (p *proxy) pause(ctx context.Context, try int, asked time.Duration) error {
	d := backoff.Wait(firstPause, p.options.Timeout, try)
	d = max(d/2+time.Duration(p.options.Clock.Rand()*float64(d/2)), asked)
	if end, ok := ctx.Deadline(); ok && asked > 0 && p.options.Clock.Now().Add(d).After(end) {
		return fmt.Errorf("the proxy asks to wait %v, which would exceed proxy.timeout",
			d.Round(time.Second))
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

// refusal returns the error of an answer other than 200. It says what to do.
func (p *proxy) refusal(r reply) error {
	e := &web.StatusError{Place: p.place, Status: r.status, Detail: r.detail(),
		RetryAfter: r.retryAfter(p.options.Clock.Now())}
	if to, ok := r.redirectTarget(); ok {
		e.Detail = "it redirects to " + to
		e.Hint = "redirects are not followed; use the URL with a trailing slash in proxy.url"
		return e
	}
	switch r.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Hint = "the token is refused; it may have expired: renew the one in " + p.options.TokenFrom
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		e.Hint = "check that proxy.url is the URL of the listing, …/api/storage-resources/"
	case http.StatusUnprocessableEntity:
		e.Hint = "the proxy does not know this query: check its version"
	case http.StatusInternalServerError:
		e.Hint = "one resource in Waldur that the proxy cannot read makes the whole listing fail: fix " +
			"it in Waldur; the text above may name its field"
	case http.StatusBadGateway:
		e.Hint = "the proxy could not read Waldur or the user directory, or its own token for them is " +
			"refused: read the proxy's log"
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
		e.Hint = "the proxy is busy or down: try again later"
	}
	return e
}
