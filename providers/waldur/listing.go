package waldur

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// maxReserved is the largest number of items for which memory is reserved before they arrive.
const maxReserved = 1 << 18

// listing is one attempt to read all pages.
type listing struct {
	proxy  *proxy
	parser *parser
	buf    bytes.Buffer
	// items are the items of all pages so far.
	items []planner.Item
	// of is the total of the whole listing of which this is a part, or 0 if it is not a part.
	of int
}

func (l *listing) readAll(ctx context.Context, statuses []planner.Status) error {
	if len(statuses) == 0 {
		statuses = []planner.Status{""}
	}
	var moved []planner.Key
	var same doubles
	for _, status := range statuses {
		before := len(l.items)
		l.parser.repeats = l.proxy.options.Memory.of(status)
		if err := l.read(ctx, filter{status: status}); err != nil {
			return err
		}
		l.proxy.options.Memory.keep(status, l.parser.repeats)
		for i := before; i < len(l.items); i++ {
			key := l.items[i].Key
			if key.Item == "" {
				continue
			}
			switch first := same.first(l.items, i); {
			case first == i:
			case first >= before:
				return &ChangedError{keyText(key) + " is listed twice"}
			default:
				moved = append(moved, key)
			}
		}
	}
	if len(moved) > 0 {
		return &MovedError{moved}
	}
	return nil
}

// read reads the pages of one listing. If it is the listing of everything and has many pages, read
// lists each system separately, where the proxy supports that.
func (l *listing) read(ctx context.Context, to filter) error {
	before := len(l.items)
	l.report(0, 0)
	first, err := l.page(ctx, 1, to)
	if err != nil {
		return err
	}
	if to == (filter{}) {
		if done, err := l.readParts(ctx, first); done || err != nil {
			return err
		}
	}
	l.report(len(first.Items)-before, first.Total)
	l.items = slices.Grow(first.Items, min(max(first.Total-len(first.Items)+before, 0), maxReserved))
	for n := 2; n <= first.Pages(); n++ {
		page, err := l.page(ctx, n, to)
		if err != nil {
			return err
		}
		if page.Total != first.Total || page.Limit != first.Limit {
			return &ChangedError{fmt.Sprintf("page %d has total %d in pages of %d, but page 1 had total "+
				"%d in pages of %d", n, page.Total, page.Limit, first.Total, first.Limit)}
		}
		l.items = page.Items
		l.report(len(l.items)-before, first.Total)
	}
	if got := len(l.items) - before; got != first.Total {
		return &ChangedError{fmt.Sprintf("%d items on %d pages, but the total is %d", got, first.Pages(),
			first.Total)}
	}
	return nil
}

// listingWork names a source's work for people.
const listingWork = "Listing resources"

func (l *listing) report(done, total int) {
	if l.of > 0 { // this is a part, so report on the whole
		done, total = len(l.items), l.of
	}
	if l.proxy.options.Progress != nil {
		l.proxy.options.Progress(listingWork, done, total)
	}
}

// page requests a page, and retries as long as that may help.
func (l *listing) page(ctx context.Context, n int, to filter) (listingPage, error) {
	for try := 1; ; try++ {
		page, err := l.fetch(ctx, n, to)
		if err == nil {
			if page.Current != n {
				return page, &ChangedError{fmt.Sprintf("asked for page %d, got page %d", n, page.Current)}
			}
			if page.System != to.system && to.system != "" {
				return page, errNotFiltered
			}
			if page.System != to.system {
				return page, fmt.Errorf("the proxy restricted the listing to system %.60q, which was not "+
					"requested",
					page.System)
			}
			return page, nil
		}
		if try == tries || !transient(err) || ctx.Err() != nil {
			return page, fmt.Errorf("page %d: %w", n, err)
		}
		var s *web.StatusError
		var asked time.Duration
		if errors.As(err, &s) {
			asked = s.RetryAfter
		}
		if wait := l.proxy.pause(ctx, try, asked); wait != nil {
			return page, fmt.Errorf("page %d: %w; %w", n, err, wait)
		}
	}
}

// fetch requests a page once. The page's items are the items of the listing so far, followed by its
// own.
func (l *listing) fetch(ctx context.Context, n int, to filter) (listingPage, error) {
	p := l.proxy
	r, err := p.client.do(ctx, http.MethodGet, p.pageURL(n, to), nil, maxPageBytes, &l.buf)
	switch {
	case err != nil:
		return listingPage{}, fmt.Errorf("%s: %w", p.place, err)
	case r.status != http.StatusOK:
		return listingPage{}, p.refusal(r)
	case r.broken != nil:
		return listingPage{}, fmt.Errorf("%s: the answer ended early, after %d bytes: %w", p.place,
			len(r.body),
			r.broken)
	case r.echoes():
		return listingPage{}, fmt.Errorf("%s: %w", p.place, errEcho)
	case r.cut:
		return listingPage{}, fmt.Errorf("%s: the page is longer than %d MiB", p.place, maxPageBytes>>20)
	case web.IsHTML(bytes.TrimSpace(r.body)):
		return listingPage{}, fmt.Errorf("%s: an HTML page instead of JSON: check that proxy.url is "+
			"the URL of the listing", p.place)
	}
	page, err := l.parser.page(l.items, r.body)
	if err != nil {
		return listingPage{}, fmt.Errorf("%s: %w", p.place, err)
	}
	return page, nil
}
