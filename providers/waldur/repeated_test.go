package waldur

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// pending is a proxy whose pending entries a test may change. Other statuses have none.
type pending struct {
	entries []string
	source  [2]interface {
		List(context.Context, []planner.Status) ([]planner.Item, error)
	}
}

// newPending returns the proxy with two sources that read it: the first remembers, the second does
// not.
func newPending(t *testing.T) *pending {
	t.Helper()
	p := &pending{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		entries := p.entries
		if req.URL.Query().Get("status") != "pending" {
			entries = nil
		}
		page, _ := strconv.Atoi(req.URL.Query().Get("page"))
		from := min((page-1)*pageSize, len(entries))
		fmt.Fprintf(w, `{"status":"success","resources":[%s],"pagination":{"current":%d,"limit":%d,"total":%d}}`,
			strings.Join(entries[from:min(from+pageSize, len(entries))], " , "), page, pageSize, len(entries))
	}))
	t.Cleanup(server.Close)
	for i, memory := range []*Memory{{}, nil} {
		source, err := NewProxy(ProxyOptions{URL: server.URL + "/", Token: Static(testToken), Timeout: time.Minute,
			Transport: web.NewTransport(nil, nil), Clock: newFakeClock().clock(), Memory: memory})
		if err != nil {
			t.Fatal(err)
		}
		p.source[i] = source
	}
	return p
}

// list lists with both sources, and expects the same of both.
func (p *pending) list(t interface {
	Helper()
	Fatalf(string, ...any)
}) []planner.Item {
	t.Helper()
	statuses := []planner.Status{planner.StatusPending, planner.StatusError}
	got, err := p.source[0].List(context.Background(), statuses)
	want, err2 := p.source[1].List(context.Background(), statuses)
	if !reflect.DeepEqual(got, want) || fmt.Sprint(err) != fmt.Sprint(err2) {
		t.Fatalf("with memory: %v, %v\nwithout: %v, %v", got, err, want, err2)
	}
	return got
}

// TestMemoryChangesNoListing: whatever becomes of the entries from listing to listing, a source
// that remembers lists the same as one that does not.
func TestMemoryChangesNoListing(t *testing.T) {
	p := newPending(t)
	rapid.Check(t, func(t *rapid.T) {
		p.entries = nil
		next := 0
		fresh := func() string {
			next++
			return rapid.SampledFrom([]string{numbered(next), strings.Replace(numbered(next), "2770", "999", 1),
				"7", "{}", `{"itemId":7}`, "{"}).Draw(t, "entry")
		}
		for range rapid.IntRange(0, 30).Draw(t, "entries") {
			p.entries = append(p.entries, fresh())
		}
		for range rapid.IntRange(1, 6).Draw(t, "listings") {
			p.list(t)
			at := rapid.IntRange(0, len(p.entries)).Draw(t, "at")
			switch rapid.SampledFrom([]string{"nothing", "insert", "delete", "double", "reverse"}).Draw(t, "change") {
			case "insert":
				p.entries = slices.Insert(p.entries, at, fresh())
			case "delete":
				p.entries = slices.Delete(p.entries, at, min(at+rapid.IntRange(1, 2*lookAhead).Draw(t, "gone"), len(p.entries)))
			case "double":
				p.entries = append(p.entries, p.entries[at:]...)
			case "reverse":
				slices.Reverse(p.entries)
			}
		}
	})
}

// TestUnchangedEntriesAreNotParsed: an entry that has not changed has the same item as before, on
// whatever page it is, and memory for items that are gone is given back.
func TestUnchangedEntriesAreNotParsed(t *testing.T) {
	p := newPending(t)
	for i := range 1200 {
		p.entries = append(p.entries, numbered(i))
	}
	memory := p.source[0].(*proxy).options.Memory
	same := func(a, b []planner.Item) (n int) {
		of := map[*planner.ProxyQuotas]bool{}
		for i := range a {
			of[a[i].Quotas] = true
		}
		for i := range b {
			if of[b[i].Quotas] {
				n++
			}
		}
		return n
	}
	first := p.list(t)
	for name, change := range map[string]func(){
		"unchanged": func() {},
		"one more":  func() { p.entries = slices.Insert(p.entries, 3, numbered(5000)) },
		"one less":  func() { p.entries = slices.Delete(p.entries, 700, 701) },
	} {
		change()
		if n := same(first, p.list(t)); n < 1199 {
			t.Errorf("%s: %d items are the same", name, n)
		}
	}
	for i := range 5 {
		for j := range p.entries {
			p.entries[j] = numbered(10_000*(i+1) + j)
		}
		p.list(t)
	}
	if last := memory.entries.last[planner.StatusPending]; last.parsed > 4*len(p.entries) || len(last.items) != len(p.entries) {
		t.Errorf("%d entries are remembered, and %d were parsed since", len(last.items), last.parsed)
	}
}

// TestMemoryIsBounded: what does not fit is parsed again.
func TestMemoryIsBounded(t *testing.T) {
	r := &repeats{}
	text := bytes.Repeat([]byte("x"), maxRemembered/3)
	r.differ()
	for range 5 {
		r.add(text, &planner.Item{})
	}
	if len(r.now.texts) != 3 {
		t.Errorf("%d texts are kept", len(r.now.texts))
	}
	if (&Memory{}).of("") != nil || (*Memory)(nil).of(planner.StatusError) != nil {
		t.Error("a listing of everything, or without a memory, is remembered")
	}
}
