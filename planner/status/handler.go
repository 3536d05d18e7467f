package status

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/page"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// ErrNotThere means that there is no such plan, or no report yet.
var ErrNotThere = errors.New("there is no such page")

// Source provides the pages. Several goroutines may call its methods at any time.
type Source interface {
	Snapshot() (*Snapshot, error)
	// HeldPlan returns the plan with this short id that waits for a person.
	HeldPlan(short string) (*planner.Plan, error)
	// Report returns the page of the last report.
	Report() ([]byte, error)
}

// Handler serves the status page at "/", the report at "/report", and held plans below "/plans/".
// It answers only requests that name this host: by an address, as localhost, or by one of the
// names. So no page elsewhere can read it through a name of its own that leads here.
func Handler(s Source, names []string, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string, content func(*http.Request) ([]byte, error)) {
		mux.HandleFunc(pattern,
			func(w http.ResponseWriter, r *http.Request) { answer(w, r, log, content) })
	}
	serve("GET /{$}", func(*http.Request) ([]byte, error) {
		snapshot, err := s.Snapshot()
		if err != nil {
			return nil, err
		}
		return snapshot.HTML()
	})
	serve("GET /report", func(*http.Request) ([]byte, error) { return s.Report() })
	serve("GET /plans/{id}", func(r *http.Request) ([]byte, error) {
		plan, err := s.HeldPlan(r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return render.HTML(plan, render.Options{}), nil
	})
	return onlyHere(mux, names)
}

// answer writes one page, with headers that allow nothing but reading it.
func answer(w http.ResponseWriter, r *http.Request, log *slog.Logger,
	content func(*http.Request) ([]byte, error)) {
	body, err := content(r)
	switch {
	case errors.Is(err, ErrNotThere):
		http.Error(w, ErrNotThere.Error(), http.StatusNotFound)
		return
	case err != nil:
		log.Warn("A status page could not be made", "path", render.Escape(r.URL.Path), "error", err)
		http.Error(w, "the page could not be made; the log says why",
			http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", page.ContentSecurityPolicy()+"; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the reader notices what is missing
}

// onlyHere refuses requests that name another host.
func onlyHere(next http.Handler, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isHere(r.Host, names) {
			http.Error(w, "this is not the host that was asked for", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isHere reports whether a request's Host means this host: an address, localhost, or one of its
// names.
func isHere(host string, names []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if net.ParseIP(strings.Trim(name, "[]")) != nil || name == "localhost" {
		return true
	}
	return slices.ContainsFunc(names,
		func(n string) bool { return n != "" && strings.EqualFold(n, name) })
}
