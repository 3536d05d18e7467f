package site

import (
	"context"
	"errors"
	"net/http"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// sorted is a source whose errors say what kind of problem they are.
type sorted struct{ proxy engine.Source }

// List implements [engine.Source].
func (s sorted) List(ctx context.Context, statuses []planner.Status) ([]planner.Item, error) {
	items, err := s.proxy.List(ctx, statuses)
	return items, sort(err)
}

// Name implements [engine.Source].
func (s sorted) Name() string { return s.proxy.Name() }

// sort wraps an error of the proxy in its kind of problem. It returns other errors as they are.
func sort(err error) error {
	var changed *waldur.ChangedError
	var moved *waldur.MovedError
	var status *web.StatusError
	var late *waldur.LateError
	switch {
	case errors.As(err, &changed), errors.As(err, &moved):
		return &engine.SourceError{Problem: engine.SourceChanged, Err: err}
	case errors.As(err, &status) && status.Status == http.StatusInternalServerError:
		return &engine.SourceError{Problem: engine.SourceFails, RetryAfter: status.RetryAfter, Err: err}
	case status != nil:
		return &engine.SourceError{Problem: engine.SourceRefuses, RetryAfter: status.RetryAfter, Err: err}
	case errors.As(err, &late):
		return &engine.SourceError{Problem: engine.SourceSilent, Late: late.Within, Err: err}
	}
	return err
}
