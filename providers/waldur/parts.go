package waldur

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// leastPages is the least number of pages for which a whole listing is read by system. For each
// page, the proxy reads everything that the request covers. If a request covers a third of the
// resources, a page costs a third, and there are no more pages overall.
const leastPages = 3

// restAfterParts is how many whole listings follow a listing that could not be put together from
// parts. The reason, such as a system that is not configured, usually lasts.
const restAfterParts = 20

// Memory is what the listings of a process remember about the proxy. The zero value is ready to
// use. It is safe for concurrent use.
type Memory struct {
	mu      sync.Mutex
	rest    int
	entries remembered
}

// mayFilter reports whether this listing may be read in parts.
func (m *Memory) mayFilter() bool {
	if m == nil {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rest > 0 {
		m.rest--
		return false
	}
	return true
}

func (m *Memory) filterFailed() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest = restAfterParts
}

// filter is what a listing is restricted to. The zero value means everything.
type filter struct {
	status planner.Status
	system string
}

// errNotFiltered means that the proxy does not know a system by any of its names, or did not
// restrict the listing.
var errNotFiltered = errors.New("the proxy does not list by system")

// readParts reads the whole listing system by system. first is the first page of the whole. If the
// parts have fewer or more items than the whole, it returns false, and the caller reads the listing
// as a whole. Only the totals can show that: an item of no configured system is in the whole and in
// no part, and an item that is missing from the first page may be new.
func (l *listing) readParts(ctx context.Context, first listingPage) (bool, error) {
	options := &l.proxy.options
	if len(options.Systems) < 2 || first.Pages() < leastPages || !options.Memory.mayFilter() {
		return false, nil
	}
	kept := l.parser.kept
	parts := listing{proxy: l.proxy, parser: l.parser, of: first.Total}
	for i := range options.Systems {
		err := parts.readSystem(ctx, &options.Systems[i])
		if errors.Is(err, errNotFiltered) || err == nil && len(parts.items) > first.Total {
			options.Memory.filterFailed()
			l.parser.kept = kept
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("system %q: %w", options.Systems[i].Name, err)
		}
	}
	if len(parts.items) != first.Total {
		options.Memory.filterFailed()
		l.parser.kept = kept
		return false, nil
	}
	l.items = parts.items
	return true, nil
}

// readSystem reads all pages of a system. The proxy may know the system by its label or by one of
// its slugs.
func (l *listing) readSystem(ctx context.Context, s *planner.System) error {
	for _, name := range append([]string{s.Name}, s.Slugs...) {
		err := l.read(ctx, filter{system: name})
		var status *web.StatusError
		if !errors.As(err, &status) || status.Status != http.StatusUnprocessableEntity {
			return err
		}
	}
	return errNotFiltered
}
