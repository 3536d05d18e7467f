package vast

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/strictjson"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

const (
	pageSize = 1000
	maxPages = 1000
	// tries is how often a listing is started if it changes while it is read.
	tries = 3
)

// errChanged means that a listing changed while it was read.
var errChanged = errors.New("the listing changed while it was read")

// List reads the tenant's quotas. The result is complete, or it is an error.
func (c *Client) List(ctx context.Context) ([]Quota, error) {
	tenant, err := c.tenant(ctx)
	if err != nil {
		return nil, err
	}
	query := ""
	if tenant != 0 {
		query = fmt.Sprintf("&tenant_id=%d", tenant)
	}
	for try := 1; ; try++ {
		all, err := c.listOnce(ctx, "quotas/", query)
		if errors.Is(err, errChanged) && try < tries {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list quotas: %w", err)
		}
		all = ofTenant(all, tenant)
		c.remember(all)
		return all, nil
	}
}

// remember stores the quotas' ids by path.
func (c *Client) remember(all []Quota) {
	seen := make(map[string]uint64, len(all))
	for _, q := range all {
		seen[q.Path] = q.ID
	}
	c.mu.Lock()
	c.seen = seen
	c.mu.Unlock()
}

func ofTenant(all []Quota, tenant uint64) []Quota {
	of := all[:0]
	for _, q := range all {
		if tenant == 0 || q.Tenant == 0 || q.Tenant == tenant {
			of = append(of, q)
		}
	}
	return of
}

// listOnce reads all pages. An item that occurs twice is used once, if the count says that nothing
// is missing.
func (c *Client) listOnce(ctx context.Context, target, query string) ([]Quota, error) {
	var all []Quota
	seen := map[uint64]bool{}
	counted := false
	for n := 1; n <= maxPages; n++ {
		p, err := c.page(ctx, fmt.Sprintf("%s?page=%d&page_size=%d%s", target, n, pageSize, query))
		if n > 1 && !counted && isMissing(err) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", n, err)
		}
		if n > 1 && p.counted != counted {
			return nil, fmt.Errorf("page %d has another format than page 1", n)
		}
		counted = p.counted
		repeated := 0
		for _, text := range p.items {
			q, err := parseQuota(text, c.o.Now())
			if err != nil {
				return nil, c.hidden("").Error(fmt.Errorf("page %d: %w", n, err))
			}
			if seen[q.ID] {
				repeated++
				continue
			}
			seen[q.ID] = true
			all = append(all, q)
		}
		switch {
		case p.counted && p.more:
		case p.counted && len(all) != p.count:
			return nil, fmt.Errorf("%w: %d quotas, but the count is %d", errChanged, len(all),
				p.count)
		case p.counted:
			return all, nil
		case repeated > 0 && repeated == len(p.items) && repeated == len(all): // an array without pages
			return all, nil
		case repeated > 0:
			return nil, fmt.Errorf("%w: a quota is listed twice", errChanged)
		case len(p.items) == 0: // only this ends an array: the server's pages may be smaller than requested
			return all, nil
		}
	}
	return nil, fmt.Errorf("more than %d pages", maxPages)
}

// isMissing reports whether an error means that there is no such page.
func isMissing(err error) bool {
	var s *web.StatusError
	return errors.As(err, &s) && s.Status == http.StatusNotFound
}

// page is one answer: an array, or an object with a count.
type page struct {
	items         []json.RawMessage
	counted, more bool
	count         int
}

func (c *Client) page(ctx context.Context, target string) (page, error) {
	r, err := c.ask(ctx, http.MethodGet, target, nil)
	if err != nil {
		return page{}, err
	}
	p, err := parsePage(r.body)
	if err != nil {
		return page{}, c.hidden("").Error(fmt.Errorf("%s: %w", c.place(target), err))
	}
	return p, nil
}

func parsePage(text []byte) (page, error) {
	const most = 200_000
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		items, err := strictjson.Elements(text, most)
		return page{items: items}, err
	}
	m, err := strictjson.Members(text)
	if err != nil {
		return page{}, err
	}
	p := page{counted: true}
	next, ok := m["next"]
	p.more = string(next) != "null"
	if err := json.Unmarshal(m["count"], &p.count); err != nil || p.count < 0 || !ok {
		return page{}, errors.New("want count, next and results")
	}
	p.items, err = strictjson.Elements(m["results"], most)
	if err == nil && p.more && len(p.items) == 0 {
		err = errors.New("the page is empty, but says that there are more")
	}
	return p, err
}

// Get reads the quota of a directory. found reports whether there is one. What cannot be read is
// unknown.
func (c *Client) Get(ctx context.Context, dir string) (q Quota, found bool) {
	unknown := func(err error) (Quota, bool) {
		return Quota{State: quota.Unknown(via, err.Error())}, false
	}
	full, err := c.full(dir)
	if err != nil {
		return unknown(err)
	}
	q, found, err = c.find(ctx, full)
	if err != nil {
		return unknown(err)
	}
	if !found {
		q.State = noQuota()
	}
	return q, found
}

// readKnown reads a quota that was seen on this path before. It returns false if the quota is not
// there now, or could not be read.
func (c *Client) readKnown(ctx context.Context, full string) (Quota, bool) {
	c.mu.Lock()
	id, seen := c.seen[full]
	c.mu.Unlock()
	if !seen {
		return Quota{}, false
	}
	r, err := c.ask(ctx, http.MethodGet, fmt.Sprintf("quotas/%d/", id), nil)
	if err != nil {
		return Quota{}, false
	}
	q, err := parseQuota(r.body, c.o.Now())
	return q, err == nil && q.ID == id && q.Path == full
}

// noQuota returns the state of a directory without a quota: nothing limits it, and nothing counts
// its usage.
func noQuota() planner.QuotaState {
	s := planner.QuotaState{Source: via, Limits: planner.NoLimits()}
	const why = "no quota counts it"
	s.SetWhys(planner.Whys{Space: why, Inodes: why})
	return s
}

// find looks for the one quota on exactly this path. If it was seen before, find asks for it by its
// id, and searches all quotas only if it is no longer there.
func (c *Client) find(ctx context.Context, full string) (q Quota, found bool, err error) {
	if q, found = c.readKnown(ctx, full); found {
		return q, true, nil
	}
	all, err := c.List(ctx)
	if err != nil {
		return Quota{}, false, err
	}
	var on []Quota
	for _, candidate := range all {
		if candidate.Path == full {
			on = append(on, candidate)
		}
	}
	return one(on, full)
}

// one returns the quota on a path, of all quotas on it. It is an error if there are several.
func one(on []Quota, full string) (q Quota, found bool, err error) {
	switch len(on) {
	case 0:
		return Quota{}, false, nil
	case 1:
		return on[0], true, nil
	}
	return Quota{}, false, fmt.Errorf("quotas %d and %d are both on %s: set the tenant, or have one "+
		"of them removed", on[0].ID, on[1].ID, full)
}

// tenant returns the id of the tenant, or 0 without a tenant. It looks the id up once.
func (c *Client) tenant(ctx context.Context) (uint64, error) {
	if c.o.Tenant == "" {
		return 0, nil
	}
	select {
	case id := <-c.tenantID:
		c.tenantID <- id
		return id, nil
	default:
	}
	for n, more := 1, true; more && n <= maxPages; n++ {
		p, err := c.page(ctx, fmt.Sprintf("tenants/?page=%d&page_size=%d", n, pageSize))
		if err != nil {
			return 0, fmt.Errorf("look up tenant: %w", err)
		}
		for _, text := range p.items {
			m, err := strictjson.Members(text)
			var id uint64
			if err == nil && word(m["name"]) == c.o.Tenant && json.Unmarshal(m["id"], &id) == nil &&
				id != 0 {
				select {
				case c.tenantID <- id:
				default:
				}
				return id, nil
			}
		}
		more = p.more || !p.counted && len(p.items) == pageSize
	}
	return 0, fmt.Errorf("tenant %s does not exist, or the token may not see it",
		web.Printable(c.o.Tenant))
}
