package waldur

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// maxAnswerBytes is how much is read of the answer to a callback.
const maxAnswerBytes = 64 << 10

// OrdersOptions configure [NewOrders]. All are required.
type OrdersOptions struct {
	// URL is waldur.url. Only URLs below it are called.
	URL   string
	Token TokenFunc
	// Hidden are secrets that no message may show.
	Hidden planner.Hidden
	// Timeout bounds one request.
	Timeout   time.Duration
	Transport http.RoundTripper
	Now       func() time.Time
}

// orders asks Waldur about orders and reports on them.
type orders struct {
	options OrdersOptions
	client  client
}

// NewOrders returns an [apply.Orders] that talks to Waldur. It is safe for concurrent use.
func NewOrders(o OrdersOptions) apply.Orders {
	return &orders{options: o, client: newClient(o.Transport, o.Token, "Token", o.Now, o.Hidden)}
}

// checkOwn returns an error if a URL is not a callback on its order or resource. Planning has
// checked that already, but the token must not depend on it, nor on an outbox that was restored
// from a backup.
func (o *orders) checkOwn(c planner.Callback, about planner.About, target string) error {
	same, err := about.Target(planner.WaldurSettings{URL: o.options.URL, Hidden: o.options.Hidden}, c,
		target)
	if err == nil && same != target {
		err = fmt.Errorf("callback %s: not rewritten to waldur.url",
			web.Place(o.options.Hidden, target))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", apply.ErrNotOwn, err)
	}
	return nil
}

// fullURL returns the full URL of a target below waldur.url. The outbox stores only the rest of the
// URL.
func (o *orders) fullURL(target string) (string, error) {
	target, err := planner.WholeURL(o.options.URL, target)
	if err != nil {
		return "", fmt.Errorf("%w: %w", apply.ErrNotOwn, err)
	}
	return target, nil
}

// The URL of an order or resource is its callback's URL without the last part.
const (
	doneVerb    = "set_state_done/"
	backendVerb = "set_backend_id/"
)

// Get implements [apply.Orders]. A 404 wraps [apply.ErrOrderGone].
func (o *orders) Get(ctx context.Context, target string) (planner.Order, error) {
	whole, err := o.fullURL(target)
	if err != nil {
		return planner.Order{}, fmt.Errorf("ask for an order: %w", err)
	}
	order, err := o.get(ctx, whole)
	if err != nil {
		err = fmt.Errorf("ask for order %s: %w", web.Place(o.options.Hidden, whole), err)
		return planner.Order{}, o.options.Hidden.Error(err)
	}
	return order, nil
}

func (o *orders) get(ctx context.Context, target string) (planner.Order, error) {
	id, _, _ := planner.OrderOf(target + doneVerb)
	if err := o.checkOwn(planner.SetStateDone, planner.About{Order: id}, target+doneVerb); err != nil {
		return planner.Order{}, err
	}
	body, err := o.read(ctx, target)
	if err != nil {
		return planner.Order{}, err
	}
	order, err := parseOrder(body)
	if err != nil {
		return planner.Order{}, fmt.Errorf("read the answer: %w", err)
	}
	if id != order.ID {
		return planner.Order{}, fmt.Errorf("the answer is about another order, %s", order.ID)
	}
	return order, nil
}

// Resource implements [apply.Orders]. A 404 wraps [apply.ErrOrderGone].
func (o *orders) Resource(ctx context.Context, target string) (apply.Resource, error) {
	whole, err := o.fullURL(target)
	if err != nil {
		return apply.Resource{}, fmt.Errorf("ask for a resource: %w", err)
	}
	r, err := o.resource(ctx, whole)
	if err != nil {
		err = fmt.Errorf("ask for resource %s: %w", web.Place(o.options.Hidden, whole), err)
		return apply.Resource{}, o.options.Hidden.Error(err)
	}
	return r, nil
}

func (o *orders) resource(ctx context.Context, target string) (apply.Resource, error) {
	want, _, _ := planner.ResourceOf(target + backendVerb)
	if err := o.checkOwn(planner.SetBackendID, planner.About{Resource: want},
		target+backendVerb); err != nil {
		return apply.Resource{}, err
	}
	body, err := o.read(ctx, target)
	if err != nil {
		return apply.Resource{}, err
	}
	var answer struct {
		UUID      string                     `json:"uuid"`
		BackendID *string                    `json:"backend_id"`
		Options   map[string]json.RawMessage `json:"options"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return apply.Resource{}, errors.New("read the answer: it is not the JSON of a resource")
	}
	if got, ok := planner.UUID(answer.UUID); !ok || got != want {
		return apply.Resource{}, errors.New("the answer is about another resource")
	}
	if answer.BackendID == nil {
		return apply.Resource{}, errors.New("the answer has no backend_id")
	}
	return apply.Resource{BackendID: *answer.BackendID, Options: answer.Options}, nil
}

// read returns the body of Waldur's answer to a GET request.
func (o *orders) read(ctx context.Context, target string) ([]byte, error) {
	ctx, cancel := o.withTimeout(ctx)
	defer cancel()
	var buf bytes.Buffer
	r, err := o.client.do(ctx, http.MethodGet, target, nil, maxOrderBytes, &buf)
	switch {
	case err != nil:
		return nil, err
	case r.status == http.StatusNotFound:
		return nil, fmt.Errorf("%w (404: %s)", apply.ErrOrderGone, r.detail())
	case r.status != http.StatusOK:
		return nil, o.refusal(target, r)
	case r.broken != nil:
		return nil, fmt.Errorf("the answer ended early: %w", r.broken)
	case r.echoes():
		return nil, errEcho
	case web.IsHTML(bytes.TrimSpace(r.body)):
		return nil, errors.New("an HTML page instead of JSON: check that waldur.url is the URL of the " +
			"API")
	}
	return r.body, nil
}

// checkFromWaldur returns an error for a success that did not come from Waldur. A server in front
// of it may answer 200 with its own page, and an answer may end early. Waldur answers a callback
// with JSON or with nothing.
func (r reply) checkFromWaldur() error {
	switch {
	case r.status < 200 || r.status > 299:
		return nil
	case r.broken != nil:
		return fmt.Errorf("the answer, %d, ended early: %w", r.status, r.broken)
	case len(bytes.TrimSpace(r.body)) > 0 && !json.Valid(r.body):
		return fmt.Errorf("the answer, %d, is not Waldur's (%s), so it is unknown whether the request "+
			"took effect",
			r.status, r.detail())
	}
	return nil
}

func (o *orders) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, o.options.Timeout,
		fmt.Errorf("none within %v", o.options.Timeout))
}

func (o *orders) refusal(target string, r reply) error {
	e := &web.StatusError{Place: web.Place(o.options.Hidden, target), Status: r.status,
		Detail: r.detail(), RetryAfter: r.retryAfter(o.options.Now())}
	if to, ok := r.redirectTarget(); ok {
		e.Detail, e.Hint = "it redirects to "+to, "redirects are not followed; check waldur.url"
	}
	switch r.status {
	case http.StatusUnauthorized:
		e.Hint = "the token is refused: renew the one in waldur.token"
	case http.StatusForbidden:
		e.Hint = "give the user of waldur.token the missing permission on the offering"
	}
	return e
}

// Send implements [apply.Orders].
func (o *orders) Send(ctx context.Context, call apply.Call) apply.Answer {
	a := o.send(ctx, call)
	a.Err = o.options.Hidden.Error(a.Err)
	return a
}

func (o *orders) send(ctx context.Context, call apply.Call) apply.Answer {
	url, err := o.fullURL(call.URL)
	if err == nil {
		err = o.checkOwn(call.Callback, call.About, url)
	}
	if err != nil {
		return apply.Answer{Err: err}
	}
	ctx, cancel := o.withTimeout(ctx)
	defer cancel()
	var buf bytes.Buffer
	r, err := o.client.do(ctx, http.MethodPost, url, call.Body, maxAnswerBytes, &buf)
	if err != nil {
		return apply.Answer{Err: fmt.Errorf("%s: %s: %w", call.Callback, web.Place(o.options.Hidden, url),
			err)}
	}
	if err := r.checkFromWaldur(); err != nil {
		return apply.Answer{Err: fmt.Errorf("%s: %s: %w", call.Callback, web.Place(o.options.Hidden, url),
			err)}
	}
	a := apply.Answer{Status: r.status, Detail: r.detail(), RetryAfter: r.retryAfter(o.options.Now())}
	if to, ok := r.redirectTarget(); ok {
		a.Detail = "it redirects to " + to + ", and redirects are not followed"
	}
	return a
}
