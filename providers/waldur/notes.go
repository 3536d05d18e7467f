package waldur

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/feedback"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// Notes reports to Waldur what is used and what orders wait for.
type Notes struct{ orders *orders }

// NewNotes returns Notes that use Waldur's set_usage and set_provider_info.
func NewNotes(o OrdersOptions) *Notes {
	return &Notes{&orders{options: o,
		client: newClient(o.Transport, o.Token, "Token", o.Now, o.Hidden)}}
}

// Tell sends one note, once, and waits for the answer. It is safe to send a note again: Waldur
// keeps one amount for each resource and month, and one message for each order.
func (w *Notes) Tell(ctx context.Context, n feedback.Note) error {
	return w.orders.options.Hidden.Error(w.tell(ctx, n))
}

func (w *Notes) tell(ctx context.Context, n feedback.Note) error {
	target, err := noteURL(w.orders.options.URL, n)
	if err != nil {
		return err
	}
	ctx, cancel := w.orders.withTimeout(ctx)
	defer cancel()
	var buf bytes.Buffer
	place := web.Place(w.orders.options.Hidden, target)
	r, err := w.orders.client.do(ctx, http.MethodPost, target, n.Body(), maxAnswerBytes, &buf)
	if err == nil {
		err = r.checkFromWaldur()
	}
	if err != nil {
		return fmt.Errorf("tell Waldur: %s: %w", place, err)
	}
	if r.status/100 == 2 {
		return nil
	}
	err = w.orders.refusal(target, r)
	if transient(err) || r.status/100 == 3 {
		return fmt.Errorf("tell Waldur: %w", err)
	}
	return &feedback.NotTaken{All: r.status == http.StatusUnauthorized,
		RetryAfter: r.retryAfter(w.orders.options.Now()), Err: fmt.Errorf("tell Waldur: %w", err)}
}

// noteURL returns the URL for a note. It is always below waldur.url, and never taken from an answer
// or a listing.
func noteURL(base string, n feedback.Note) (string, error) {
	id, ok := planner.UUID(n.ID)
	switch {
	case !ok:
		return "", fmt.Errorf("tell Waldur: %.40q is not an id", n.ID)
	case n.Kind == feedback.Usage:
		return base + "marketplace-component-usages/set_usage/", nil
	case n.Kind == feedback.Message:
		return base + "marketplace-orders/" + id + "/set_provider_info/", nil
	}
	return "", errors.New("tell Waldur: a note of an unknown kind")
}
