package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/state"
)

// benchProxy answers a listing by status as the proxy does when there is no order: the customers of n resources are
// pending for ever, and nothing else is listed. Pages are made once, so that their cost is not ours.
func benchProxy(b *testing.B, n int) *httptest.Server {
	b.Helper()
	const pageSize = 500
	customers := (n + benchPerCustomer - 1) / benchPerCustomer
	var pages [][]byte
	for from := 0; from < customers; from += pageSize {
		var text bytes.Buffer
		w := bufio.NewWriter(&text)
		fmt.Fprint(w, `{"status":"success","resources":[`)
		for i := from; i < min(from+pageSize, customers); i++ {
			if i > from {
				fmt.Fprint(w, ",")
			}
			benchResource(i * benchPerCustomer).writeCustomer(w)
		}
		writePagination(w, from/pageSize+1, customers)
		w.Flush()
		pages = append(pages, text.Bytes())
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if r.URL.Query().Get("status") != "pending" {
			fmt.Fprint(w, `{"status":"success","resources":[`)
			writePagination(w, page, 0)
			return
		}
		_, _ = w.Write(pages[page-1])
	}))
	b.Cleanup(server.Close)
	return server
}

func writePagination(w io.Writer, page, total int) {
	fmt.Fprintf(w, `],"pagination":{"current":%d,"limit":500,"offset":%d,"pages":%d,"total":%d,"has_next":%t}}`,
		page, (page-1)*500, (total+499)/500, total, page*500 < total)
}

// record writes records of all resources, as an audit that found them as wanted.
func (s *benchSite) record(b testing.TB, store *state.Store) {
	b.Helper()
	const batch = 10_000
	for from := 0; from < s.n; from += batch {
		err := store.Update(func(tx ledger.Tx) error {
			for i := from; i < min(from+batch, s.n); i++ {
				r := benchResource(i).record()
				var st unix.Statx_t
				err := unix.Statx(unix.AT_FDCWD, filepath.Join(s.root, r.Storage), 0, unix.STATX_INO|unix.STATX_BTIME, &st)
				if err == nil { // else no directory was made: what is recorded is gone
					r.Inode, r.Born = st.Ino, st.Btime.Sec*1e9+int64(st.Btime.Nsec)
				}
				if err := tx.PutRecord(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func (r benchResource) record() planner.Record {
	tera := planner.Bytes(benchTera(r.gid())) << 40
	inodes := planner.Inodes(benchTera(r.gid())) * 1_000_000
	quota := planner.Limits{planner.SpaceSoft: planner.LimitOf(tera / 2), planner.SpaceHard: planner.LimitOf(tera), planner.InodesSoft: planner.LimitOf(inodes / 2), planner.InodesHard: planner.LimitOf(inodes)}
	return planner.Record{Key: planner.Key{Item: strings.ReplaceAll(benchUUID(1, int(r)), "-", ""), System: "capstor", DataType: "store"},
		Address: r.path(), System: "capstor", Storage: r.path()[1:], Target: planner.TargetProject, Inode: uint64(r) + 10, Group: planner.GID(r.gid()), Mode: 0o2770,
		QuotaBy: planner.ByGroup, QuotaID: r.gid(), Claim: quota, Plan: "sha256:" + strings.Repeat("ab", 32), At: time.Unix(1_790_000_000, 0).UTC()}
}

// serveFrom has the site's configuration name a proxy and a Waldur.
func (s *benchSite) serveFrom(b *testing.B, url string) {
	b.Helper()
	for _, name := range []string{"proxy.token", "waldur.token"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte("secret"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	f, err := os.OpenFile(s.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	fmt.Fprintf(f, "proxy {\n  url = %q\n  token = file(%q)\n}\nwaldur {\n  url = %q\n  token = file(%q)\n}\n",
		url+"/api/storage-resources/", filepath.Join(s.dir, "proxy.token"), url+"/api/", filepath.Join(s.dir, "waldur.token"))
}

// loop is the unattended loop, in this process, and its session.
func (s *benchSite) loop(b *testing.B) (*loop.Loop, *session.Session) {
	b.Helper()
	a := system()
	a.configPath, a.term.Color, a.kernel = s.config, "never", benchKernel
	a.term.Out, a.term.Err = io.Discard, io.Discard
	a.log, a.quietLog = slog.New(slog.DiscardHandler), true
	ses, err := a.open(config.Read)
	if err != nil {
		b.Fatal(err)
	}
	l, ended := a.loop(ses, loop.Options{})
	b.Cleanup(ended)
	if leader := ses.Leader(); leader != nil {
		if err := leader.Lead(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = leader.Release() })
	}
	return l, ses
}

// BenchmarkOrdersIdle is a round of the orders lane in which nobody has ordered anything: all of it,
// the loopback HTTP and the proxy's side too. CSCS_BENCH_RESOURCES names other sizes than 100,000.
func BenchmarkOrdersIdle(b *testing.B) {
	for _, n := range benchSizes(b, 100_000) {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			site := newBenchLoop(b, n)
			site.serveFrom(b, benchProxy(b, n).URL)
			l, ses := site.loop(b)
			site.record(b, ses.Store)
			reportIdle(b, l)
		})
	}
}

// benchSizes are the sizes that CSCS_BENCH_RESOURCES names, or else the usual one.
func benchSizes(b *testing.B, usual int) (sizes []int) {
	b.Helper()
	for word := range strings.FieldsSeq(os.Getenv("CSCS_BENCH_RESOURCES")) {
		if n, err := strconv.Atoi(word); err == nil { // others are for other benchmarks
			sizes = append(sizes, n)
		}
	}
	if sizes == nil {
		return []int{usual}
	}
	return sizes
}

// reportIdle measures rounds of the orders lane without orders. It reports the shortest of several.
func reportIdle(b *testing.B, l *loop.Loop) {
	b.Helper()
	round := func() {
		if why := l.Round(context.Background(), loop.LaneOrders); why != loop.NoChanges {
			b.Fatalf("the round ended with %s", why)
		}
	}
	round() // the state file is checked as a whole once
	b.ResetTimer()
	best := time.Hour
	for b.Loop() {
		for range 10 {
			start := time.Now()
			round()
			best = min(best, time.Since(start))
		}
	}
	b.ReportMetric(float64(best.Microseconds())/1000, "ms/round")
}
