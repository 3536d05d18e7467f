package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
)

// StatusError is an answer with a status that refuses the request.
type StatusError struct {
	// Place is the URL's host and path.
	Place  string
	Status int
	// Detail is what the answer said, shortened. Hint says what to do.
	Detail, Hint string
	// RetryAfter is how long the server asked us to wait; 0 if it did not.
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

// Is makes a 401 or 403 match [apply.ErrTokenRefused].
func (e *StatusError) Is(target error) bool {
	return target == apply.ErrTokenRefused &&
		(e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}
