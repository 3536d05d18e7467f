package apply

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Orders asks Waldur about orders and sends callbacks. URLs already match waldur.url, either whole
// or as [planner.KeptURL] returns them.
type Orders interface {
	// Get returns the order at url. The error is [ErrUnreachable] if there was no answer at all, so
	// that further questions are pointless.
	Get(ctx context.Context, url string) (planner.Order, error)
	// Resource returns the resource at url.
	Resource(ctx context.Context, url string) (Resource, error)
	// Send sends one callback once, without a retry, because the order's state decides whether a
	// second try is safe. Send refuses a URL that is not this callback's own; the answer's error is
	// then [ErrNotOwn].
	Send(ctx context.Context, call Call) Answer
}

// Resource holds the values of a Waldur resource that callbacks set.
type Resource struct {
	BackendID string
	// Options are JSON values by option name.
	Options map[string]json.RawMessage
}

// Call is one callback to send.
type Call struct {
	Callback planner.Callback
	// About is the order and the resource that the callback is about. A URL of any other is refused.
	About planner.About
	// URL is the target, already rewritten to waldur.url, or as it was kept.
	URL string
	// Body is the JSON body; nil for none.
	Body []byte
}

// Answer is Waldur's answer to a callback.
type Answer struct {
	// Status is the HTTP status. It is 0 if there was no answer; the call may have taken effect.
	Status int
	// Detail is Waldur's own message, shortened and without secrets.
	Detail string
	// RetryAfter is how long Waldur asked us to wait; 0 if it did not.
	RetryAfter time.Duration
	// Err explains a Status of 0.
	Err error
}

// ErrUnreachable means that the other side gave no answer at all. Further questions are pointless
// for now.
var ErrUnreachable = errors.New("no answer")

// ErrOrderGone means that there is no such order or that our token may not see it. Waldur answers
// 404 in both cases.
var ErrOrderGone = errors.New("there is no such order, or the token may not see it")

// ErrTokenRefused means that the other side answered 401 or 403. The token is the cause, and not
// what was asked.
var ErrTokenRefused = errors.New("the token is refused")

// ErrNotOwn means that a URL does not belong to the callback's own order or resource. It was not
// called.
var ErrNotOwn = errors.New("not called")
