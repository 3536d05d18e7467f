package waldur

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// endless is a proxy that always has another page. item creates the items by number.
func endless(item func(n int) string) http.HandlerFunc {
	n := 0
	return func(w http.ResponseWriter, req *http.Request) {
		texts := make([]string, pageSize)
		for i := range texts {
			n++
			texts[i] = item(n)
		}
		fmt.Fprintf(w, `{"status":"success","resources":[%s],"pagination":{"current":%s,"limit":%d,"total":%d}}`,
			strings.Join(texts, ","), req.URL.Query().Get("page"), pageSize, maxTotal)
	}
}

// oneOfMany returns the good item with its own id.
func oneOfMany(n int) string {
	return strings.Replace(goodItem, `"itemId":"`, fmt.Sprintf(`"itemId":"%032x","was":"`, n), 1)
}

// heap returns how many bytes are allocated and in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestEndlessListing: the size of a whole listing is limited, whatever its items contain, and the
// listing fails before it fills the memory.
func TestEndlessListing(t *testing.T) {
	const bound = 4 << 20
	long := strings.Repeat("a", 60<<10)
	for name, change := range map[string]func(string, int) string{
		"many": func(s string, _ int) string { return s },
		"long paths": func(s string, n int) string {
			return strings.Replace(s, "/cscs/mch", fmt.Sprintf("/%d/%s", n, long[:4000]), 1)
		},
		"paths of 60 kB": func(s string, n int) string {
			return strings.Replace(s, "/cscs/mch", fmt.Sprintf("/%d/%s", n, long), 1)
		},
		"systems": func(s string, n int) string {
			return strings.Replace(s, `"capstor"`, fmt.Sprintf(`"%d%s"`, n, long[:200]), 1)
		},
		"URLs": func(s string, n int) string {
			return strings.Replace(s, `"oldQuotas":null`,
				fmt.Sprintf(`"approve_by_provider_url":"https://w/%d/%s"`, n, long[:2000]), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newRig(t, time.Minute, endless(func(n int) string { return change(oneOfMany(n), n) })).source
			p.(*proxy).maxKept = bound
			before := heap()
			items, err := p.List(context.Background(), nil)
			if err == nil || !strings.Contains(err.Error(), "takes more than 4 MiB of memory") {
				t.Errorf("%d items, %v", len(items), err)
			}
			if after := heap(); after > before+8*bound {
				t.Errorf("%d MiB before, %d MiB after", before>>20, after>>20)
			}
		})
	}
}

// TestFieldBounds: a field that is too long is a problem of its item and is not kept.
func TestFieldBounds(t *testing.T) {
	for _, c := range []struct {
		old, new string
		most     int
	}{
		{`"/capstor/store/cscs/mch/msclim"`, `"%s"`,
			maxPath}, {`{"key":"capstor"}`, `{"key":"%s"}`, maxWord}, {`{"key":"store"}`, `{"key":"%s"}`, maxWord},
		{`"capstor-msclim-store"`, `"%s"`,
			maxWord}, {`"oldQuotas":null`, `"set_state_done_url":"%s"`, maxURL},
	} {
		for _, extra := range []int{0, 1} {
			it := only(t, with(t, c.old, fmt.Sprintf(c.new, strings.Repeat("x", c.most+extra))))
			if tooLong := strings.Contains(it.Problem,
				fmt.Sprintf("longer than %d bytes", c.most)); tooLong != (extra == 1) {
				t.Errorf("%s of %d bytes: %q", c.new, c.most+extra, it.Problem)
			}
			if kept := len(it.MountPath) + len(it.Name) + len(it.Key.System) + len(it.Key.DataType) +
				len(it.URLs[planner.SetStateDone]); extra == 1 && kept > 200 {
				t.Errorf("%s: %d bytes are kept", c.new, kept)
			}
		}
	}
}
