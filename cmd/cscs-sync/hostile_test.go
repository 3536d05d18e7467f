package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

// mostMemory is what a command may take against a hostile listing: little more than one page of it.
const mostMemory = 160 << 20

// against runs a plan against another proxy; it must fail, say why, and be quick and small about it.
func (s *service) against(t *testing.T, proxy string, says ...string) {
	t.Helper()
	s.edit(`url   = "`+s.url+`/api/storage-resources/"`, `url   = "`+proxy+`/api/storage-resources/"`+"\n  timeout = \"3s\"")
	cmd := s.fixed(nil, "plan", "--out", "p.plan")
	hung := time.AfterFunc(60*time.Second, func() { _ = cmd.Process.Kill() })
	out, err := cmd.CombinedOutput()
	if !hung.Stop() {
		t.Fatalf("it hangs\n%.2000s", out)
	}
	if code := exitOf(t, err); code != exitError {
		t.Errorf("exit %d", code)
	}
	for _, want := range says {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%.2000s", want, out)
		}
	}
	if len(out) > 4000 || strings.Contains(string(out), waldursim.DefaultProxyToken) {
		t.Errorf("it says too much:\n%.2000s", out)
	}
	checkMemory(t, cmd)
	if _, err := os.Lstat(filepath.Join(s.dir, "p.plan")); err == nil {
		t.Error("a plan was written")
	}
}

// checkMemory looks at the most that a process had; the race detector takes many times as much.
func checkMemory(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; peak > mostMemory && slowdown == 1 {
		t.Errorf("it took %d MiB", peak>>20)
	}
}

// page is a listing of one page that claims a total, with these items.
func page(total int, items string) string {
	return fmt.Sprintf(`{"status":"success","resources":[%s],"pagination":{"current":1,"limit":500,"offset":0,"pages":%d,"total":%d}}`, items, (total+499)/500, total)
}

// longPaths is one page after another, each within its bounds: 480 paths of 60 KiB. None may be kept.
func longPaths(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	fmt.Fprint(w, `{"status":"success","resources":[`)
	long := strings.Repeat("a", 60<<10)
	for i := range 480 {
		comma := ","
		if i == 0 {
			comma = ""
		}
		fmt.Fprintf(w, `%s{"itemId":"%032x","status":"active","mountPoint":{"default":"/capstor/%s"},"storageSystem":{"key":"capstor"}}`, comma, n*500+i, long)
	}
	fmt.Fprintf(w, `],"pagination":{"current":%d,"limit":480,"total":1000000}}`, n)
}

// TestHostileListings: a listing without end, with deep nesting, huge numbers, duplicate members or slow bytes is refused,
// within bounds of time and memory.
func TestHostileListings(t *testing.T) {
	bomb() // takes longer to make than to refuse
	endless := func(w io.Writer, first, again string) {
		if _, err := io.WriteString(w, first); err != nil {
			return
		}
		block := strings.Repeat(again, 1+(64<<10)/len(again))
		for {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
	}
	for _, c := range []struct {
		name string
		play http.HandlerFunc
		says string
		// waits means that the case ends by a timeout, and costs little until then.
		waits bool
	}{
		{"without end", func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"status":"success","resources":[`, `{},`) }, "32 MiB", false},
		{"one endless string", func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"status":"`, `x`) }, "32 MiB", false},
		{"one endless error", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			endless(w, `{"detail":"`, `x`)
		}, "400", false},
		{"an endless head", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				endless(conn, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n")
				conn.Close()
			}
		}, "no answer", false},
		{"compressed", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb())
		}, "32 MiB", false},
		{"pages without end", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page(1<<40, `{"itemId":"x"}`)) }, "list resources", false},
		{"pages of long paths", longPaths, "no complete listing within 3s", true},
		{"deep nesting", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, page(1, strings.Repeat(`{"a":`, 1<<20)+"1"+strings.Repeat("}", 1<<20)))
		}, "nesting is deeper", false},
		{"deep arrays", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("[", 30<<20)) }, "list resources", false},
		{"a number of a million digits", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(page(1, ""), `"total":1`, `"total":`+strings.Repeat("9", 1<<20), 1))
		}, "total", false},
		{"a number like 1e999999999", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(page(1, ""), `"total":1`, `"total":1e999999999`, 1))
		}, "total", false},
		{"duplicate members", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Replace(page(0, ""), `"status"`, `"status":"error","status"`, 1))
		}, "duplicate member", false},
		{"slow bytes", func(w http.ResponseWriter, r *http.Request) {
			for _, b := range page(0, "") {
				fmt.Fprint(w, string(b))
				w.(http.Flusher).Flush()
				time.Sleep(100 * time.Millisecond)
				if r.Context().Err() != nil {
					return
				}
			}
		}, "no complete listing within 3s", true},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no complete listing within 3s", true},
		{"too many items", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, page(100_000, strings.TrimSuffix(strings.Repeat(`{},`, 100_000), ",")))
		}, "500", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.waits {
				t.Parallel()
			}
			server := httptest.NewServer(c.play)
			defer server.Close()
			defer server.CloseClientConnections()
			newService(t, "").against(t, server.URL, c.says)
		})
	}
}

// bomb is 1 GiB of blanks, compressed: 16 members of 64 MiB. A reader that keeps its bound does not
// get through the first one.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	blanks := bytes.Repeat([]byte(" "), 1<<20)
	for range 64 {
		_, _ = w.Write(blanks)
	}
	_ = w.Close()
	return bytes.Repeat(b.Bytes(), 16)
})

// TestNoTokenElsewhere: neither a redirect nor a certificate that nobody vouches for gets a request, let alone a token.
func TestNoTokenElsewhere(t *testing.T) {
	var asked atomic.Int32
	thief := func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		t.Errorf("%s %s was asked with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}
	plain := httptest.NewServer(http.HandlerFunc(thief))
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(thief))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			redirects := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL+r.URL.Path, status) }))
			defer redirects.Close()
			newService(t, "").against(t, redirects.URL, fmt.Sprint(status), "redirects to")
		})
	}
	t.Run("TLS", func(t *testing.T) { newService(t, "").against(t, secure.URL, "certificate") })
	t.Run("callbacks", func(t *testing.T) {
		s := newService(t, "")
		s.withoutQuotas()
		s.create("bio", 30500)
		s.ok("plan", "--out", "p.plan")
		s.ok("approve", "p.plan")
		s.check(s.sim.Inject(waldursim.Fault{Method: "POST", Path: "approve_by_provider", Kind: waldursim.FaultStatus, Status: 307, Count: -1,
			Headers: map[string]string{"Location": plain.URL + "/api/"}}))
		if code, out := s.here("apply", "p.plan"); code != exitPartial || !strings.Contains(out, "redirects are not followed") {
			t.Errorf("exit %d\n%s", code, out)
		}
	})
	t.Run("webhook", func(t *testing.T) {
		redirects := httptest.NewServer(http.RedirectHandler(plain.URL, http.StatusTemporaryRedirect))
		defer redirects.Close()
		for _, webhook := range []string{redirects.URL, secure.URL} {
			to := &config.Notify{Webhook: webhook + "/path-that-is-a-secret", Token: config.NewSecret("webhook-token")}
			if err := tellBy(t, to); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "token") {
				t.Errorf("%s: %v", webhook, err)
			}
		}
	})
	if n := asked.Load(); n != 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

// tellBy sends a notice to a webhook.
func tellBy(t *testing.T, to *config.Notify) error {
	ses := newService(t, "").inProcess(time.Now).s
	ses.Config.Run.Notify = to
	return ses.Site().Tell(t.Context(), "webhook", []byte("{}"))
}

// TestHostileCallbacks: what answers a callback without end keeps neither memory nor the rest.
func TestHostileCallbacks(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.check(s.sim.Inject(waldursim.Fault{Path: "set_backend_id", Kind: waldursim.FaultStatus, Status: 400, Count: -1,
		Body: `{"detail":"` + strings.Repeat(`\u202e\u0007no `, 1<<16) + `"}`}))
	cmd := s.fixed(nil, "apply", "p.plan")
	out, err := cmd.CombinedOutput()
	if code := exitOf(t, err); code != exitPartial || len(out) > 4000 || strings.ContainsAny(string(out), "\u202e\u0007") {
		t.Errorf("exit %d\n%.4000q", code, out)
	}
	checkMemory(t, cmd)
}

// TestKeysThatCannotBeRecorded: a key that the state cannot hold blocks its resource, and the tenants and customers that have
// it, with its id and the member that is wrong. Everything else is planned, applied and audited.
func TestKeysThatCannotBeRecorded(t *testing.T) {
	for name, c := range map[string]struct{ key, says string }{
		"NUL":           {`st\u0000re`, `its storageDataType.key ("st\x00re") has control characters`},
		"40 KiB":        {strings.Repeat("x", 40<<10), "storageDataType.key: longer than 255 bytes"},
		"a new line":    {`st\nre`, "has control characters"},
		"256 bytes":     {strings.Repeat("x", 256), "storageDataType.key: longer than 255 bytes"},
		"not only once": {`store\u0000`, "has control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, "")
			s.withoutQuotas()
			s.create("bad", 31000)
			_, err := s.sim.AddResource(waldursim.ResourceSpec{Offering: "capstor", Customer: "uzh", Project: "good", DataType: "scratch", GID: 31001, Limits: map[string]any{"storage": 1}})
			s.check(err)
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				s.sim.ServeHTTP(rec, r)
				for k, v := range rec.Header() {
					w.Header()[k] = v
				}
				w.Header().Del("Content-Length")
				w.WriteHeader(rec.Code)
				_, _ = w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte(`"key":"store"`), []byte(`"key":"`+c.key+`"`)))
			}))
			defer proxy.Close()
			s.edit(`url   = "`+s.url+`/api/storage-resources/"`, `url   = "`+proxy.URL+`/api/storage-resources/"`)
			out := s.ok("plan", "--out", "p.plan")
			if said := strings.ReplaceAll(strings.Join(strings.Fields(out), " "), " | ", " "); !strings.Contains(said, "cannot be") || !strings.Contains(said, strings.Join(strings.Fields(c.says), " ")) {
				t.Errorf("the plan does not say %q:\n%.4000s", c.says, out)
			}
			s.ok("show", "p.plan")
			s.ok("approve", "p.plan")
			s.ok("apply", "p.plan")
			if !s.exists("capstor/scratch/cscs/uzh/good")() || s.exists("capstor/store/cscs/eth/bad")() {
				t.Errorf("made was\n%s", s.tree())
			}
			if code, out := s.here("run", "--once"); code != 0 {
				t.Errorf("a round: exit %d\n%s", code, out)
			}
			if list := s.ok("state", "list"); !strings.Contains(list, "good") || strings.Contains(list, "bad") {
				t.Errorf("recorded are\n%s", list)
			}
		})
	}
}
