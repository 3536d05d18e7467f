package waldur

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// bySystem is a proxy with items on three systems, which it knows by these names. One of them is
// not in the configuration.
type bySystem struct {
	// items is the number of items of each system, by the proxy's name for it.
	items map[string]int
	// A deaf proxy ignores the filter. A liar says that it uses it.
	deaf, liar bool
	// fail is the status of the answers for one system, and times is how often.
	fail  string
	times int
	// changes adds another item to each system after so many requests.
	changes int
	asked   int
}

var systemOrder = []string{"capstor", "iopsstor", "vast"}

func (b *bySystem) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if b.asked++; b.asked == b.changes {
		b.items["vast"]++
	}
	q := req.URL.Query()
	page, _ := strconv.Atoi(q.Get("page"))
	size, _ := strconv.Atoi(q.Get("page_size"))
	system := q.Get("storage_system")
	if _, known := b.items[system]; system != "" && !known {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"detail":[{"loc":["query","storage_system"],"msg":"Input should be 'capstor', 'vast' or 'iopsstor'"}]}`)
		return
	}
	if system != "" && system == b.fail && b.times > 0 {
		b.times--
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var texts []string
	for i, name := range systemOrder {
		for n := range b.items[name] {
			if system == "" || system == name || b.deaf {
				texts = append(texts, strings.Replace(numbered(i*100_000+n), `{"key":"capstor"}`,
					`{"key":"slug-`+name+`"}`, 1))
			}
		}
	}
	total, from := len(texts), min((page-1)*size, len(texts))
	echo := fmt.Sprintf(`{"storage_system":%q,"page":%d}`, system, page)
	if system == "" || b.deaf && !b.liar {
		echo = fmt.Sprintf(`{"page":%d}`, page)
	}
	fmt.Fprintf(w, `{"status":"success","resources":[%s],"pagination":{"current":%d,"limit":%d,"total":%d},"filters_applied":%s}`,
		strings.Join(texts[from:min(from+size, total)], ","), page, size, total, echo)
}

// TestListBySystem: a long listing is read by system if that gives everything, and as a whole
// otherwise. It is never only a part.
func TestListBySystem(t *testing.T) {
	three := []planner.System{{Name: "capstor"}, {Name: "fast", Slugs: []string{"slug-iopsstor", "iopsstor"}}, {Name: "vast"}}
	const parts, whole = 1 + 2 + 1 + 1, 3
	for name, c := range map[string]struct {
		proxy    bySystem
		systems  []planner.System
		requests int
		fails    string
	}{
		// and two names that the proxy does not know
		"by system":              {bySystem{}, three, parts + 2, ""},
		"one system":             {bySystem{}, three[:1], whole, ""},
		"one is not configured":  {bySystem{}, three[:2], whole + 5, ""},
		"none is known":          {bySystem{}, []planner.System{{Name: "a"}, {Name: "b"}}, whole + 1, ""},
		"the filter is ignored":  {bySystem{deaf: true}, three, whole + 1, ""},
		"a lie":                  {bySystem{deaf: true, liar: true}, three, whole + 8, ""},
		"one part fails a while": {bySystem{fail: "vast", times: 2}, three, parts + 4, ""},
		"one part fails":         {bySystem{fail: "vast", times: 9}, three, parts + 4, `system "vast": page 1: `},
		"one more in between":    {bySystem{changes: 6}, three, parts + 2 + 3 + 4, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.proxy.items = map[string]int{"capstor": 800, "iopsstor": 400, "vast": 300}
			r := newRig(t, time.Minute, c.proxy.ServeHTTP)
			r.source.(*proxy).options.Systems = c.systems
			items, err := r.list()
			if c.fails != "" {
				if err == nil || len(items) > 0 || !strings.Contains(err.Error(), c.fails) {
					t.Errorf("%d items, %v", len(items), err)
				}
				return
			}
			total := c.proxy.items["capstor"] + c.proxy.items["iopsstor"] + c.proxy.items["vast"]
			keys := map[planner.Key]bool{}
			for _, it := range items {
				keys[it.Key] = true
			}
			if err != nil || len(items) != total || len(keys) != total {
				t.Errorf("%d items, %d keys of %d, %v", len(items), len(keys), total, err)
			}
			if c.proxy.changes == 0 && c.proxy.asked != c.requests {
				t.Errorf("%d requests, want %d: %q", c.proxy.asked, c.requests, r.requests)
			}
		})
	}
}

// TestListBySystemRests: a listing that could not be put together from parts is read as a whole for
// a while. Then parts are tried again.
func TestListBySystemRests(t *testing.T) {
	b := bySystem{items: map[string]int{"capstor": 800, "iopsstor": 400, "vast": 300}}
	r := newRig(t, time.Minute, b.ServeHTTP)
	options := &r.source.(*proxy).options
	options.Systems, options.Memory = []planner.System{{Name: "capstor"},
		{Name: "iopsstor"}}, &Memory{}
	narrowed := 0
	for range restAfterParts + 2 {
		before := len(r.requests)
		if items, err := r.list(); err != nil || len(items) != 1500 {
			t.Fatal(len(items), err)
		}
		if strings.Contains(strings.Join(r.requests[before:], " "), "storage_system") {
			narrowed++
		}
	}
	if narrowed != 2 {
		t.Errorf("%d listings tried parts, want the first and the last", narrowed)
	}
}

// TestNarrowedUnasked: a listing that the proxy calls that of one system is not the whole listing.
func TestNarrowedUnasked(t *testing.T) {
	r := newRig(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"success","resources":[%s],"pagination":{"current":1,"limit":500,"total":1},"filters_applied":{"storage_system":"vast"}}`, goodItem)
	})
	if items, err := r.source.List(context.Background(), nil); err == nil || len(items) > 0 ||
		!strings.Contains(err.Error(), "which was not requested") {
		t.Error(items, err)
	}
}
