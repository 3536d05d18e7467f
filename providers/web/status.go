package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
)

// StatusError is an answer that refuses.
type StatusError struct {
	// Place is host and path.
	Place  string
	Status int
	// Detail is what the other side said, shortened; Hint is the way out.
	Detail, Hint string
	// RetryAfter is how long it asked us to wait; 0 if it did not.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s answered %d", e.Place, e.Status)
	if text := http.StatusText(e.Status); text != "" {
		s += " (" + text + ")"
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// Is tells that a 401 or 403 is [apply.ErrTokenRefused].
func (e *StatusError) Is(target error) bool {
	return target == apply.ErrTokenRefused && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}
