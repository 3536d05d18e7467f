package waldur

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/engine"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

const testToken = "s3cr3t-bearer-token"

// fakeClock moves only when somebody sleeps, and records the sleeps.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *fakeClock) clock() Clock {
	return Clock{
		Now: func() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.now, c.slept = c.now.Add(d), append(c.slept, d)
			return context.Cause(ctx)
		},
		Rand: func() float64 { return 0.5 },
	}
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Now()} }

// rig is a simulated proxy and a source that reads it.
type rig struct {
	source engine.Source
	clock  *fakeClock
	server *httptest.Server

	mu       sync.Mutex
	requests []string
}

func newRig(t *testing.T, timeout time.Duration, play http.HandlerFunc) *rig {
	t.Helper()
	r := &rig{clock: newFakeClock()}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.requests = append(r.requests, req.URL.RawQuery)
		r.mu.Unlock()
		play(w, req)
	}))
	t.Cleanup(r.server.Close)
	var err error
	r.source, err = NewProxy(ProxyOptions{URL: r.server.URL + "/api/storage-resources/",
		Token: Static(testToken), TokenFrom: "proxy.token",
		Timeout: timeout, Transport: web.NewTransport(nil, nil), Clock: r.clock.clock()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// queries returns the queries so far.
func (r *rig) queries() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func (r *rig) list(statuses ...planner.Status) ([]planner.Item, error) {
	return r.source.List(context.Background(), statuses)
}

// expectError expects List to fail with an error that contains all of these texts, and never the
// token.
func (r *rig) expectError(t *testing.T, says ...string) error {
	t.Helper()
	items, err := r.list()
	if err == nil {
		t.Fatalf("no error, %d items", len(items))
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %v\nwants %s", err, s)
		}
	}
	if strings.Contains(err.Error(), testToken) || items != nil {
		t.Errorf("%d items with the error %v", len(items), err)
	}
	return err
}

// numbered returns a different item for each n.
func numbered(n int) string {
	return strings.Replace(goodItem, "6c6e25d8-b7e6", fmt.Sprintf("%08x-b7e6", n), 1)
}

// servePage writes the requested page of a listing with total items, which are first, first+1, ….
func servePage(w http.ResponseWriter, req *http.Request, first, total int) {
	q := req.URL.Query()
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("page_size"))
	writePage(w, page, size, total, span(first+(page-1)*size, min(size, total-(page-1)*size)))
}

func span(first, n int) []int {
	var items []int
	for i := range max(n, 0) {
		items = append(items, first+i)
	}
	return items
}

func writePage(w io.Writer, page, size, total int, items []int) {
	var texts []string
	for _, n := range items {
		texts = append(texts, numbered(n))
	}
	fmt.Fprintf(w, `{"version":"dev","status":"success","resources":[%s],"pagination":{"current":%d,"limit":%d,"total":%d}}`,
		strings.Join(texts, ","), page, size, total)
}

func TestListPages(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
		if got := req.Header.Get("Authorization"); got != "Bearer "+testToken {
			t.Errorf("Authorization %q", got)
		}
		servePage(w, req, 0, 1203)
	})
	items, err := r.list()
	if err != nil || len(items) != 1203 || items[1202].Key.Item[:8] != "000004b2" {
		t.Fatalf("%d items, %v", len(items), err)
	}
	want := []string{"page=1&page_size=500", "page=2&page_size=500", "page=3&page_size=500"}
	if !slices.Equal(r.queries(), want) || r.clock.slept != nil {
		t.Errorf("requests %v, slept %v", r.queries(), r.clock.slept)
	}
	if !strings.HasSuffix(r.source.Name(), "/api/storage-resources/") ||
		strings.Contains(r.source.Name(), "http") {
		t.Error(r.source.Name())
	}
}

// TestListEmptyAnswer: the real answer of a proxy without resources is a listing.
func TestListEmptyAnswer(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter,
		_ *http.Request) {
		_, _ = w.Write(response(t, "empty.json"))
	})
	if items, err := r.list(); err != nil || len(items) != 0 {
		t.Errorf("%v, %v", items, err)
	}
}

// TestListingChanges: quirk 30. Each change between pages is noticed, and the listing is read
// again. After three attempts, List gives up.
func TestListingChanges(t *testing.T) {
	races := []struct {
		name string
		page func(w io.Writer, page int)
		says string
	}{
		{"the total changes", func(w io.Writer,
			page int) {
			writePage(w, page, 500, 600+page, span((page-1)*500, 100))
		},
			"page 2 has total 602 in pages of 500, but page 1 had total 601 in pages of 500"},
		{"an item is on two pages", func(w io.Writer, page int) {
			if page == 1 {
				writePage(w, page, 500, 600, span(0, 500))
			} else {
				writePage(w, page, 500, 600, span(499, 100))
			}
		}, `item 000001f3b7e65fbc8dc0b3129954a53f (system "capstor", data type "store") is listed twice`},
		{"an item is missing", func(w io.Writer, page int) {
			if page == 1 {
				writePage(w, page, 500, 600, span(0, 500))
			} else {
				writePage(w, page, 500, 600, span(501, 99))
			}
		}, "599 items on 2 pages, but the total is 600"},
		{"a short page", func(w io.Writer, page int) { writePage(w, page, 500, 3, span(0, 2)) }, "2 items on 1 pages, but the total is 3"},
		{"another page", func(w io.Writer, _ int) { writePage(w, 7, 500, 3, span(0, 3)) }, "asked for page 1, got page 7"},
		{"the page size changes", func(w io.Writer,
			page int) {
			writePage(w, page, 500/page, 600, span((page-1)*500, 100))
		},
			"page 2 has total 600 in pages of 250, but page 1 had total 600 in pages of 500"},
	}
	for _, c := range races {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
				page, _ := strconv.Atoi(req.URL.Query().Get("page"))
				c.page(w, page)
			})
			err := r.expectError(t, c.says, "the listing changed while it was read, 3 "+
				"times", "try again later")
			var changed *ChangedError
			if !errors.As(err, &changed) || len(r.clock.slept) != 2 {
				t.Errorf("%T, slept %v", err, r.clock.slept)
			}
		})
	}
}

// TestListingSettles: the second attempt is complete and contains nothing of the first.
func TestListingSettles(t *testing.T) {
	var n int
	r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
		n++
		if n == 2 {
			servePage(w, req, 0, 600)
			return
		}
		servePage(w, req, 1000, 501)
	})
	items, err := r.list()
	if err != nil || len(items) != 501 || items[0].Key.Item[:8] != "000003e8" {
		t.Errorf("%d items, %v", len(items), err)
	}
	if len(r.queries()) != 4 || r.queries()[2] != "page=1&page_size=500" {
		t.Error(r.queries())
	}
}

// TestListStatuses: one listing for each status, and the real filtered answers are read.
func TestListStatuses(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
		_, _ = w.Write(response(t, "status_"+req.URL.Query().Get("status")+".json"))
	})
	items, err := r.list(planner.StatusPending, planner.StatusUpdating, planner.StatusRemoving,
		planner.StatusError)
	if err != nil || len(items) != 12 {
		t.Errorf("%d items, %v", len(items), err)
	}
	if len(r.queries()) != 4 || r.queries()[1] != "page=1&page_size=500&status=updating" {
		t.Error(r.queries())
	}
}

// TestListMoved: if an item is in two listings, they are read again. If it stays in two, the error
// names it.
func TestListMoved(t *testing.T) {
	for _, settles := range []bool{true, false} {
		var n int
		r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
			n++
			if settles && n > 2 && req.URL.Query().Get("status") == "pending" {
				writePage(w, 1, 500, 0, nil)
				return
			}
			writePage(w, 1, 500, 1, span(7, 1))
		})
		items, err := r.list(planner.StatusPending, planner.StatusUpdating)
		if settles {
			if err != nil || len(items) != 1 || n != 4 {
				t.Errorf("%d items after %d requests, %v", len(items), n, err)
			}
			continue
		}
		var moved *MovedError
		if !errors.As(err, &moved) || len(moved.Keys) != 1 || moved.Keys[0].Item != "00000007b7e65fbc8dc0b3129954a53f" || n != 6 {
			t.Errorf("%v after %d requests", err, n)
		}
	}
}

// TestItemsWithoutAKey: items without a key do not count as duplicates of each other.
func TestItemsWithoutAKey(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","resources":[{},{},3],"pagination":{"current":1,"limit":500,"total":3}}`)
	})
	items, err := r.list()
	if err != nil || len(items) != 3 || items[2].Problem != "entry 3: want an object, got a number" {
		t.Errorf("%+v, %v", items, err)
	}
}

// TestBackoff: the pauses double, and half of each is random.
func TestBackoff(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })
	r.expectError(t, "502")
	if want := []time.Duration{1500 * time.Millisecond, 3 * time.Second}; !slices.Equal(r.clock.slept,
		want) {
		t.Errorf("slept %v", r.clock.slept)
	}
}

func TestListRetriesAPage(t *testing.T) {
	failed := false
	r := newRig(t, time.Minute, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Get("page") == "2" && !failed {
			failed = true
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
			return
		}
		servePage(w, req, 0, 501)
	})
	items, err := r.list()
	if err != nil || len(items) != 501 || len(r.queries()) != 3 ||
		!slices.Equal(r.clock.slept, []time.Duration{7 * time.Second}) {
		t.Errorf("%d items, %v, %v, slept %v", len(items), err, r.queries(), r.clock.slept)
	}
}

func TestRetryAfterBeyondTheDeadline(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(503)
	})
	r.expectError(t, "503", "the proxy asks to wait 1h0m0s, which would exceed proxy.timeout")
	if len(r.queries()) != 1 || r.clock.slept != nil {
		t.Errorf("%d requests, slept %v", len(r.queries()), r.clock.slept)
	}
}

// TestDeadline: a proxy that hangs, or sends a byte now and then, blocks a listing no longer than
// its timeout.
func TestDeadline(t *testing.T) {
	release := make(chan struct{})
	for name, play := range map[string]http.HandlerFunc{
		"hangs": func(http.ResponseWriter, *http.Request) { <-release },
		"slow bytes": func(w http.ResponseWriter, req *http.Request) {
			for req.Context().Err() == nil {
				fmt.Fprint(w, " ")
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 300*time.Millisecond, play)
			start := time.Now()
			r.expectError(t, "no complete listing within 300ms (proxy.timeout)")
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
			if name == "hangs" {
				close(release)
			}
		})
	}
}

func TestListCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r := newRig(t, time.Minute, func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	})
	_, err := r.source.List(ctx, nil)
	if !errors.Is(err, context.Canceled) || len(r.queries()) != 1 {
		t.Error(err, r.queries())
	}
}

func TestNobodyListens(t *testing.T) {
	r := newRig(t, time.Minute, func(http.ResponseWriter, *http.Request) {})
	r.server.Close()
	err := r.expectError(t, "page 1: 127.0.0.1:", "/api/storage-resources/: no answer: "+
		"", "connection refused")
	if !errors.Is(err, apply.ErrUnreachable) || len(r.clock.slept) != 2 {
		t.Error(err, r.clock.slept)
	}
}

func TestNewProxyRefuses(t *testing.T) {
	for _, u := range []string{"", "proxy/api/", "ftp://proxy/", "https://u:" + testToken + "@proxy/",
		"https://proxy/?page=1", "https://proxy/#x", "http://a b/"} {
		_, err := NewProxy(ProxyOptions{URL: u})
		if err == nil || !strings.Contains(err.Error(), "proxy.url: ") ||
			strings.Contains(err.Error(), testToken) {
			t.Errorf("%q: %v", u, err)
		}
	}
}
