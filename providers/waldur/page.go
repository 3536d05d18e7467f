package waldur

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// Bounds of a page.
const (
	maxPageBytes = 32 << 20
	maxPageItems = 500
)

// listingPage is one page of a listing.
type listingPage struct {
	Items []planner.Item
	// Current counts from 1; Limit is the page size; Total counts the items of all pages.
	Current, Limit, Total int
	// System is the system to which the proxy says that it restricted the listing; empty if it did
	// not.
	System string
}

// Pages returns how many pages the whole listing has.
func (p listingPage) Pages() int { return (p.Total + p.Limit - 1) / p.Limit }

// page parses one answer of the proxy and appends its items to items. The error is about the page
// as a whole. A problem with one item is that item's Problem.
func (p *parser) page(items []planner.Item, text []byte) (listingPage, error) {
	if len(text) > maxPageBytes {
		return listingPage{}, fmt.Errorf("page is longer than %d MiB", maxPageBytes>>20)
	}
	p.start(text)
	page := listingPage{Items: items}
	if p.in.peek() != '{' {
		return listingPage{}, p.notAPage()
	}
	f := p.in.open()
	for name, ok := p.in.member(&f); ok; name, ok = p.in.member(&f) {
		to := fieldOf(inPage, name)
		if to == pageResources && p.in.peek() == '[' {
			p.got[to] = value{kind: kindArray}
			page.Items = p.items(page.Items, maxPageItems)
			continue
		}
		p.store(to)
	}
	if err := p.in.finish(); err != nil {
		return listingPage{}, err
	}
	return page, p.envelope(&page)
}

func (p *parser) notAPage() error {
	if p.in.err == nil {
		p.in.unexpected("the JSON object of a page")
	}
	return p.in.err
}

// items parses the array at peek. More than limit entries are an error.
func (p *parser) items(to []planner.Item, limit int) []planner.Item {
	f := p.in.open()
	for p.in.element(&f, ']') {
		if f.count > limit {
			p.in.fail("more than %d resources in one page", limit)
			break
		}
		to = append(to, planner.Item{})
		it := &to[len(to)-1]
		p.entry(it, f.count)
		p.keep(it)
	}
	return to
}

// array parses a bare array of items. It has no pagination, and only its size in bytes is limited.
func (p *parser) array(text []byte) ([]planner.Item, error) {
	p.start(text)
	if p.in.peek() != '[' {
		p.in.unexpected("an array of resources")
		return nil, p.in.err
	}
	items := p.items(nil, maxTotal)
	if err := p.in.finish(); err != nil {
		return nil, err
	}
	return items, nil
}

// pagesIn returns the entries of an array of pages. It returns none if the first entry is not a
// page.
func (p *parser) pagesIn(text []byte) ([][]byte, error) {
	p.start(text)
	p.in.peek()
	var pages [][]byte
	f := p.in.open()
	for p.in.element(&f, ']') {
		p.in.peek()
		start := p.in.pos
		p.in.skip()
		pages = append(pages, text[start:p.in.pos])
		if f.count == 1 && !isPage(pages[0]) {
			return nil, p.in.err
		}
	}
	if err := p.in.finish(); err != nil {
		return nil, err
	}
	return pages, nil
}

// isPage reports whether a JSON text looks like a page: an object with resources and a pagination.
func isPage(text []byte) bool {
	var has struct {
		Resources, Pagination *json.RawMessage
	}
	return json.Unmarshal(text, &has) == nil && has.Resources != nil && has.Pagination != nil
}

// envelope checks the members of a page besides the items.
func (p *parser) envelope(page *listingPage) error {
	p.problem = ""
	if p.got[pageResources].kind == kindMissing && p.got[pageDetail].kind != kindMissing {
		return errors.New("this is an error answer, not a listing: " +
			web.Detail(planner.Hidden{}, p.in.text))
	}
	if s := string(p.str(pageStatus)); p.problem == "" && s != "success" {
		return fmt.Errorf("status is %.40q, want \"success\"", s)
	}
	if k := p.got[pageResources].kind; k != kindArray {
		p.bad(pageResources, "want an array, got %v", k)
	}
	if k := p.got[pagination].kind; k != kindObject {
		p.bad(pagination, "want an object, got %v", k)
	}
	page.Current = p.count(pageCurrent, 1)
	page.Limit = p.count(pageLimit, 1)
	page.Total = p.count(pageTotal, 0)
	if v := p.got[filterSystem]; v.kind == kindString {
		page.System = string(p.shortString(filterSystem, maxWord))
	}
	if p.problem != "" {
		return errors.New(p.problem)
	}
	return nil
}

// count parses a whole number that is at least least.
func (p *parser) count(at field, least int) int {
	n, err := strconv.Atoi(string(p.got[at].raw))
	if p.got[at].kind != kindNumber || err != nil || n < least || n > maxTotal {
		p.bad(at, "want a whole number from %d to %d", least, maxTotal)
	}
	return n
}
