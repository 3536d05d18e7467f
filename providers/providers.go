package providers

import (
	"context"
	"encoding/json"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Progress hears how far long work is: what the work is, in words for people ("Looking at directories"), and how many of
// how many are done; a total of 0 is not known. Calls come one at a time.
type Progress func(work string, done, total int)

// Source lists what should exist: the proxy, or files with its saved answers.
type Source interface {
	// List returns every item of one consistent listing, or an error: never a part. Statuses limits the listing to
	// items in one of these states; empty means all. The answer's order means nothing.
	List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error)
	// Name says where the items come from, for people: a host or file names, without any secret.
	Name() string
}

// Orders asks Waldur about orders and reports to them. Targets are URLs that already match waldur.url.
type Orders interface {
	// Get asks for the order at url. [ErrUnreachable] tells that there was no answer at all, so that asking on is pointless.
	Get(ctx context.Context, url string) (planner.Order, error)
	// Resource asks for the resource at url.
	Resource(ctx context.Context, url string) (Resource, error)
	// Send makes one callback, once, without a retry: whether a second try is safe is decided from the order's state.
	// A URL that is not this callback's own is never called: the answer's error wraps [ErrNotOwn].
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
	// About is the order and the resource that the callback may be about; a URL of another is refused.
	About planner.Subject
	// URL is the target, already rewritten to waldur.url.
	URL string
	// Body is the JSON body; nil for none.
	Body []byte
}

// Answer is how Waldur answered a callback.
type Answer struct {
	// Status is the HTTP status; 0 when there was no answer, and it is not known whether the call took effect.
	Status int
	// Detail is what Waldur said, shortened, without any secret.
	Detail string
	// RetryAfter is how long Waldur asked us to wait; 0 if it did not.
	RetryAfter time.Duration
	// Err explains a Status of 0.
	Err error
}
