package waldursim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// FaultKind says how an answer goes wrong.
type FaultKind string

// The kinds of fault.
const (
	FaultStatus   FaultKind = "status"   // answer with a status and body, do nothing
	FaultHTML     FaultKind = "html"     // answer 200 with a page of HTML, do nothing
	FaultSlow     FaultKind = "slow"     // wait, then answer as usual
	FaultDrop     FaultKind = "drop"     // close the connection, do nothing
	FaultLost     FaultKind = "lost"     // do what was asked, then close the connection unanswered
	FaultTruncate FaultKind = "truncate" // do what was asked, answer half of the body
	FaultCancel   FaultKind = "cancel"   // before the callback of an order, its customer cancels that
)

// Fault is what happens to the next requests that match it.
type Fault struct {
	Kind   FaultKind `json:"kind"`
	Method string    `json:"method,omitempty"` // empty: any
	// Path is a part of the path with its query; empty matches any.
	Path   string `json:"path,omitempty"`
	Count  int    `json:"count,omitempty"`  // times; 0 is once, -1 until cleared
	Status int    `json:"status,omitempty"` // of a status fault
	// Body is the body of a status fault. It is sent as JSON if it is valid JSON.
	Body       string            `json:"body,omitempty"`
	RetryAfter string            `json:"retry_after,omitempty"` // header of a status fault
	Headers    map[string]string `json:"headers,omitempty"`     // more headers of a status fault
	Delay      Duration          `json:"delay,omitempty"`       // of a slow fault
}

// Duration is a [time.Duration] that is text ("250ms") in JSON.
type Duration time.Duration

// MarshalText formats the duration like Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText parses what [time.ParseDuration] parses.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// Inject adds a fault. If several faults match a request, the oldest applies.
func (s *Server) Inject(f Fault) error {
	switch f.Kind {
	case FaultStatus:
		if f.Status < 100 || f.Status > 999 {
			return fmt.Errorf("inject fault: status %d: want one of three digits", f.Status)
		}
	case FaultHTML, FaultSlow, FaultDrop, FaultLost, FaultTruncate, FaultCancel:
	default:
		return fmt.Errorf("inject fault: kind %q: want status, html, slow, drop, lost, truncate or "+
			"cancel", f.Kind)
	}
	if f.Count == 0 {
		f.Count = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return nil
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault uses the first fault that matches, once.
func (s *Server) takeFault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := s.faults[i]
		if f.Method != "" && !strings.EqualFold(f.Method, r.Method) ||
			!strings.Contains(r.URL.RequestURI(), f.Path) {
			continue
		}
		if f.Count > 0 {
			s.faults[i].Count--
		}
		if s.faults[i].Count == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return &f
	}
	return nil
}

// answer returns the answer of a fault that replaces the request.
func (f *Fault) answer() (reply, bool) {
	switch f.Kind {
	case FaultStatus:
		rep := reply{status: f.Status, html: f.Body, header: map[string]string{}}
		if json.Valid([]byte(f.Body)) {
			rep.raw, rep.html = []byte(f.Body), ""
		}
		for name, value := range f.Headers {
			rep.header[name] = value
		}
		if f.RetryAfter != "" {
			rep.header["Retry-After"] = f.RetryAfter
		}
		return rep, true
	case FaultHTML:
		return reply{status: http.StatusOK, html: "<!doctype html>\n<html><body><h1>Maintenance</h1></body></html>\n"}, true
	}
	return reply{}, false
}

// wait delays a request. It continues even if the client has disconnected, like the real proxy.
func (s *Server) wait(f *Fault) {
	if f.Kind != FaultSlow {
		return
	}
	select {
	case <-time.After(time.Duration(f.Delay)):
	case <-s.done:
	}
}

// cancel cancels the order of a request, as its customer can at any moment.
func (s *Server) cancel(r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	if i := slices.Index(parts, "marketplace-orders"); i >= 0 && i+1 < len(parts) {
		if o, err := s.model.findOrder(parts[i+1]); err == nil {
			s.model.enter(o, Canceled)
		}
	}
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		conn.Close()
		return
	}
	w.WriteHeader(http.StatusBadGateway) // HTTP/2 and recorders cannot be hung up on
}
