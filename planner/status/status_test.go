package status

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/page/pagetest"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// fake is a source with one held plan and no report.
type fake struct{ snapshot Snapshot }

func (f fake) Snapshot() (*Snapshot, error) { return &f.snapshot, nil }

func (f fake) HeldPlan(short string) (*planner.Plan, error) {
	if short != "587be404d007" {
		return nil, ErrNotThere
	}
	return plantest.Mixed(), nil
}

func (f fake) Report() ([]byte, error) { return nil, ErrNotThere }

func busy() Snapshot {
	now := plantest.Made()
	return Snapshot{Now: now, Host: "mgmt01", Version: "0.1.0",
		Systems: []string{"capstor", "iopsstor"}, Hung: []string{"iopsstor"},
		Rounds: []Round{{At: now, Lane: "orders", Reason: "as wanted", Took: 1500000000}},
		Held: []Held{{ID: "sha256:587be404d007ffff", Since: now, Summary: "1 to archive",
			Dangers: "Dangerous: 1 [ARCHIVES DATA].", Because: []string{"it archives"},
			Approvals: 1}},
		Begun: []ledger.Plan{{ID: "sha256:aaaabbbbccccdddd", Begun: now, By: "root", Resources: 3,
			Steps: 2}},
		Outbox: []ledger.Delivery{{Address: "/capstor/x", Callback: planner.SetStateDone,
			Since: now, Parked: true, URL: "waldur://secret-path", Body: []byte("secret-body")}},
		Failed: []Failed{{Address: "/capstor/y", Error: "setquota: EIO", Count: 5, Until: now,
			Quarantined: true}},
		Holds: []planner.Hold{{Glob: "/capstor/**", Reason: "maintenance", By: "anna"}},
		History: []ledger.Entry{{Time: now, Event: ledger.EventFinish, Who: "root",
			Plan: "sha256:aaaabbbbccccdddd", Approvals: []ledger.Approval{{Name: "anna"}}}},
	}
}

func get(t *testing.T, s Source, method, host, path string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest(method, "http://"+host+path, nil)
	w := httptest.NewRecorder()
	Handler(s, []string{"mgmt01", "mgmt01.example.com"}, slog.New(slog.DiscardHandler)).ServeHTTP(w,
		r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestPageShowsWhatWaits(t *testing.T) {
	for _, s := range []Snapshot{busy(), {HasReport: true}} {
		pagetest.Check(t, statusTemplate, s.page())
	}
	res, body := get(t, fake{busy()}, "GET", "mgmt01:9400", "/")
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	for _, want := range []string{"iopsstor does not answer", `href="/plans/587be404d007"`,
		"cscs-sync held approve 587be404d007", "Dangerous: 1 [ARCHIVES DATA].",
		"in quarantine, failed 5 times: setquota: EIO", "aaaabbbbcccc", "set_state_done, parked",
		"maintenance, by anna", "approved by anna",
		"as wanted, 1.5s"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "secret") {
		t.Error("the page shows what is sent to Waldur")
	}
}

// TestPagesCanOnlyBeRead: only GET and HEAD are allowed, and headers let a page do nothing.
func TestPagesCanOnlyBeRead(t *testing.T) {
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if res, _ := get(t, fake{busy()}, method, "localhost",
			"/"); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %s", method, res.Status)
		}
	}
	for _, path := range []string{"/", "/plans/587be404d007"} {
		res, _ := get(t, fake{busy()}, "GET", "127.0.0.1:9400", path)
		policy := res.Header.Get("Content-Security-Policy")
		if res.StatusCode != http.StatusOK || !strings.Contains(policy, "default-src 'none'") ||
			!strings.Contains(policy, "frame-ancestors 'none'") ||
			strings.Contains(policy, "unsafe") ||
			res.Header.Get("X-Content-Type-Options") != "nosniff" ||
			res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, %v", path, res.Status, res.Header)
		}
	}
	for _, path := range []string{"/report", "/plans/000000000000", "/plans/..%2f..%2fetc",
		"/other"} {
		if res, _ := get(t, fake{busy()}, "GET", "localhost",
			path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

// TestOtherHostsAreRefused: a name that somebody else points to this host gets nothing.
func TestOtherHostsAreRefused(t *testing.T) {
	for host, want := range map[string]int{"mgmt01": 200, "MGMT01.example.com:9400": 200,
		"localhost:9400": 200, "127.0.0.1": 200, "[::1]:9400": 200, "mgmt01.": 200,
		"evil.example.com": 421, "mgmt01.evil.example.com": 421, "localhost.evil.example.com": 421,
		"127.0.0.1.evil.example.com": 421} {
		if res, body := get(t, fake{busy()}, "GET", host, "/"); res.StatusCode != want ||
			want != 200 && strings.Contains(body, "587be") {
			t.Errorf("%s: %s", host, res.Status)
		}
	}
}

func TestHostileTextsStayText(t *testing.T) {
	s := busy()
	for _, text := range plantest.HostileTexts() {
		s.Systems = append(s.Systems, text)
		s.Rounds = append(s.Rounds, Round{Lane: text, Reason: text})
		s.Outbox = append(s.Outbox, ledger.Delivery{Address: text, Problem: text})
		s.Holds = append(s.Holds, planner.Hold{Glob: text, Reason: text, By: text})
		s.History = append(s.History, ledger.Entry{Event: text, Who: text, Text: text, Plan: text,
			Approvals: []ledger.Approval{{Name: text}}})
		s.Failed = append(s.Failed, Failed{Address: text, Error: text})
		s.Begun = append(s.Begun, ledger.Plan{ID: text, By: text})
		s.Held = append(s.Held, Held{ID: text, Because: []string{text}})
	}
	pagetest.Check(t, statusTemplate, s.page())
	_, body := get(t, fake{s}, "GET", "localhost", "/")
	for _, bad := range []string{"<script", "<b>", "\x1b", "\u202e", "javascript:"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
}
