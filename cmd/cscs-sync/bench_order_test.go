package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/index"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/state"
)

// benchOrdered is how many customers of a benchmark order storage. Only their directories exist.
const benchOrdered = 10

// benchOrders answers as the proxy and Waldur do while one create is open: it is listed before the
// customers, so that each page has other items than in a round without it.
type benchOrders struct {
	n         int
	customers [][]byte
	url       string
	mu        sync.Mutex
	// open is the number of the open order; 0 for none.
	open int
	// done is the number of the last order that is done.
	done int
}

func newBenchOrders(b *testing.B, n int) *benchOrders {
	o := &benchOrders{n: n}
	for i := 0; i < n; i += benchPerCustomer {
		var text bytes.Buffer
		benchResource(i).writeCustomer(&text)
		o.customers = append(o.customers, text.Bytes())
	}
	server := httptest.NewServer(o)
	b.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// place opens the next order.
func (o *benchOrders) place() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
}

func (o *benchOrders) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	q := r.URL.Query()
	switch path := r.URL.Path; {
	case path == "/api/storage-resources/" && q.Get("status") == "pending":
		page, _ := strconv.Atoi(q.Get("page"))
		o.writePage(w, page)
	case path == "/api/storage-resources/":
		fmt.Fprint(w, `{"status":"success","resources":[`)
		writePagination(w, 1, 0)
	case r.Method == http.MethodGet && strings.HasPrefix(path, "/api/marketplace-orders/"):
		fmt.Fprintf(w, `{"uuid":%q,"type":"Create","state":%q,"marketplace_resource_uuid":%q,"limits":{"storage":10}}`,
			strings.ReplaceAll(benchUUID(9, o.open), "-", ""), o.state(), strings.ReplaceAll(benchUUID(1, o.n+o.open), "-", ""))
	default:
		if strings.HasSuffix(path, "/set_state_done/") {
			o.done = o.open
		}
		fmt.Fprint(w, "{}")
	}
}

func (o *benchOrders) state() planner.OrderState {
	if o.done < o.open {
		return planner.OrderExecuting
	}
	return planner.OrderDone
}

func (o *benchOrders) writePage(w http.ResponseWriter, page int) {
	entries := o.customers
	if o.done < o.open {
		entries = append([][]byte{o.entry()}, o.customers...)
	}
	const size = 500
	from := (page - 1) * size
	fmt.Fprint(w, `{"status":"success","resources":[`)
	_, _ = w.Write(bytes.Join(entries[from:min(from+size, len(entries))], []byte(",")))
	writePagination(w, page, len(entries))
}

// entry is the open order's entry of the listing: a new resource of one of the first customers.
func (o *benchOrders) entry() []byte {
	var text bytes.Buffer
	r := benchResource(o.n + o.open)
	r.writeItem(&text)
	above := benchResource(o.open % benchOrdered * benchPerCustomer)
	s := strings.Replace(text.String(), `"status":"active","mountPoint"`, `"status":"pending","mountPoint"`, 1)
	s = strings.Replace(s, r.path(), filepath.Join(filepath.Dir(above.path()), filepath.Base(r.path())), 1)
	s = strings.Replace(s, benchUUID(3, int(r)/benchPerCustomer), benchUUID(3, int(above)/benchPerCustomer), 1)
	order, resource := o.url+"/api/marketplace-orders/"+benchUUID(9, o.open), o.url+"/api/marketplace-provider-resources/"+benchUUID(1, int(r))
	return fmt.Appendf(nil, `%s,"approve_by_provider_url":"%s/approve_by_provider/","reject_by_provider_url":"%s/reject_by_provider/",`+
		`"set_state_done_url":"%s/set_state_done/","set_state_erred_url":"%s/set_state_erred/","set_backend_id_url":"%s/set_backend_id/"}`,
		strings.TrimSuffix(s, "}"), order, order, order, order, resource)
}

// index stores the last complete listing, as an audit does.
func (s *benchSite) index(b testing.TB, ses *session.Session) {
	b.Helper()
	var items []planner.Item
	for i := range s.n {
		if i%benchPerCustomer == 0 {
			items = append(items, benchResource(i).customerItem())
		}
		items = append(items, benchResource(i).item())
	}
	chunks := index.Make(&ses.Config.Settings, items, nil)
	err := ses.Store.Update(func(tx ledger.Tx) error { return tx.SetIndex(time.Now(), tx.Written(), chunks) })
	if err != nil {
		b.Fatal(err)
	}
}

func (r benchResource) item() planner.Item {
	rec := r.record()
	decimal := func(n uint64) planner.Decimal {
		d, err := planner.ParseDecimal(fmt.Sprintf("%d.0", n))
		if err != nil {
			panic(err)
		}
		return d
	}
	tera := benchTera(r.gid())
	return planner.Item{Key: rec.Key, Status: planner.StatusActive, MountPath: r.path(), Permission: "2770", Target: planner.TargetProject,
		Name: fmt.Sprintf("project-%07d", int(r)), Parent: strings.ReplaceAll(benchUUID(3, int(r)/benchPerCustomer), "-", ""),
		GID: int64(r.gid()), HasGID: true,
		Quotas: &planner.ProxyQuotas{planner.SpaceSoft: decimal(tera / 2), planner.SpaceHard: decimal(tera),
			planner.InodesSoft: decimal(tera * 500000), planner.InodesHard: decimal(tera * 1000000)}}
}

func (r benchResource) customerItem() planner.Item {
	return planner.Item{Key: planner.Key{Item: strings.ReplaceAll(benchUUID(3, int(r)/benchPerCustomer), "-", ""), System: "capstor", DataType: "store"},
		Status: planner.StatusPending, MountPath: filepath.Dir(r.path()), Permission: "775", Target: planner.TargetCustomer, Name: r.customer(),
		Parent: strings.ReplaceAll(benchUUID(4, 0), "-", "")}
}

// trust makes the state one on which a person has approved a plan, so that the policy may approve others.
func trust(b testing.TB, store *state.Store) {
	b.Helper()
	id := "sha256:" + strings.Repeat("cd", 32)
	err := store.Update(func(tx ledger.Tx) error {
		_, err := tx.Begin(ledger.PlanStart{ID: id, Who: "bench", Made: tx.Now(), Context: strings.Repeat("ab", 32), Keys: []planner.Key{benchResource(0).record().Key}, Approvals: []ledger.Approval{{Name: "bench", Kind: "local", Digest: strings.Repeat("ef", 32)}}})
		if err != nil {
			return err
		}
		return tx.Finish(id, ledger.Done, "bench", nil)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOrdersOne is the processor time of a round of the orders lane in which one create is carried out, among n recorded
// and listed resources: all of it, the simulated proxy and Waldur too. CSCS_BENCH_RESOURCES names other sizes than 100,000.
func BenchmarkOrdersOne(b *testing.B) {
	for _, n := range benchSizes(b, 100_000) {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			site := newBenchLoop(b, n)
			orders := newBenchOrders(b, n)
			site.serveFrom(b, orders.url)
			site.allow(b)
			for i := range benchOrdered * benchPerCustomer {
				site.makeDirectory(b, benchResource(i))
			}
			l, ses := site.loop(b)
			site.record(b, ses.Store)
			site.index(b, ses)
			trust(b, ses.Store)
			round := func(want loop.Reason) {
				if why := l.Round(context.Background(), loop.LaneOrders); why != want {
					b.Fatalf("the round ended with %s", why)
				}
			}
			round(loop.NoChanges) // the state file is checked as a whole once
			best := time.Hour
			for b.Loop() {
				for range 3 {
					orders.place()
					start := processorTime()
					round(loop.Applied)
					best = min(best, processorTime()-start)
					round(loop.NoChanges)
				}
			}
			b.ReportMetric(float64(best.Microseconds())/1000, "cpu-ms/round")
		})
	}
}

// allow lets the policy create what orders ask for.
func (s *benchSite) allow(b *testing.B) {
	b.Helper()
	f, err := os.OpenFile(s.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	fmt.Fprint(f, "auto_approve {\n  allow = [\"create\"]\n  max_changes = 100\n}\n")
}

// processorTime is how much processor time this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
