package apply

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Orders asks Waldur about orders and reports to them. Targets are URLs that already match
// waldur.url, whole or as [planner.KeptURL] returns them.
type Orders interface {
	// Get asks for the order at url. [ErrUnreachable] tells that there was no answer at all, so
	// that asking on is pointless.
	Get(ctx context.Context, url string) (planner.Order, error)
	// Resource asks for the resource at url.
	Resource(ctx context.Context, url string) (Resource, error)
	// Send makes one callback, once, without a retry: whether a second try is safe is decided from
	// the order's state. A URL that is not this callback's own is never called: the answer's error
	// wraps [ErrNotOwn].
	Send(ctx context.Context, call Call) Answer
}

// Resource is what Waldur says of a resource when asked: the values that callbacks set.
type Resource struct {
	BackendID string
	// Options are JSON values by name.
	Options map[string]json.RawMessage
}

// Call is one callback to be sent.
type Call struct {
	Callback planner.Callback
	// About is the order and the resource that the callback may be about; a URL of another is
	// refused.
	About planner.About
	// URL is the target, already rewritten to waldur.url, or kept.
	URL string
	// Body is the JSON body; nil for none.
	Body []byte
}

// Answer is how Waldur answered a callback.
type Answer struct {
	// Status is the HTTP status; 0 when there was no answer, and it is not known whether the call
	// took effect.
	Status int
	// Detail is what Waldur said, shortened, without any secret.
	Detail string
	// RetryAfter is how long Waldur asked us to wait; 0 if it did not.
	RetryAfter time.Duration
	// Err explains a Status of 0.
	Err error
}

// ErrUnreachable reports that the other side gave no answer at all: asking it for more is pointless
// for now.
var ErrUnreachable = errors.New("no answer")

// ErrOrderGone reports that Waldur knows no such order, or that our token may not see it: Waldur
// answers 404 to both.
var ErrOrderGone = errors.New("there is no such order, or the token may not see it")

// ErrTokenRefused reports that the other side answered 401 or 403: what was asked does not matter,
// the token does.
var ErrTokenRefused = errors.New("the token is refused")

// ErrNotOwn reports that a URL is not that of a callback about its own order or resource: it was
// not called.
var ErrNotOwn = errors.New("not called")
