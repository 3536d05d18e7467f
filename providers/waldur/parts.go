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

// leastPages is from how many pages on a whole listing is read by system. Each page costs the proxy a reading of all that is
// asked for: with a third of the resources a page costs a third, and there are no more pages in all.
const leastPages = 3

// restAfterParts is how many whole listings follow one that could not be put together from parts: what was in the way, such
// as a system that is not configured, stays for long.
const restAfterParts = 20

// Memory is what the listings of a process remember of the proxy. The zero value knows nothing. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	rest int
}

// mayFilter reports whether this listing may try parts.
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

func (m *Memory) inVain() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest = restAfterParts
}

// filter is what a listing is narrowed to; the zero value is everything.
type filter struct {
	status planner.Status
	system string
}

// errNotFiltered reports that the proxy does not know a system by any of its names, or does not say that it narrowed the listing.
var errNotFiltered = errors.New("the proxy does not list by system")

// readParts reads the whole listing, of which first is the first page, system by system. It returns false where that gives
// less or more than everything: then the listing is read whole. Only the totals tell: what is of no configured system stands
// in the whole and in no part, and what is absent from a part may have come since.
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
			options.Memory.inVain()
			l.parser.kept = kept
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("system %q: %w", options.Systems[i].Name, err)
		}
	}
	if len(parts.items) != first.Total {
		options.Memory.inVain()
		l.parser.kept = kept
		return false, nil
	}
	l.items = parts.items
	return true, nil
}

// readSystem reads all pages of a system, which the proxy may know by its label or by one of its slugs.
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
