package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// node is a folder with a configuration and a state.
type node struct {
	*testing.T
	dir     string
	process Process
	// told are the warnings, and shown the diagnostics.
	told  []string
	shown hcl.Diagnostics
}

const configuration = `
proxy {
  url   = "http://127.0.0.1:1/"
  token = env("TOKEN")
}
waldur {
  url   = "http://127.0.0.1:1/api/"
  token = env("TOKEN")
}
storage { root = "DIR/mnt" }
system "capstor" {
  directory  = "capstor"
  filesystem = "any"
  quota "none" {}
}
state { path = "DIR/state" }
`

func newNode(t *testing.T, more string) *node {
	n := &node{T: t, dir: t.TempDir()}
	t.Setenv("TOKEN", "secret")
	n.write("cscs-sync.hcl", strings.ReplaceAll(configuration, "DIR", n.dir)+more)
	n.must(os.MkdirAll(filepath.Join(n.dir, "mnt/capstor"), 0o755))
	n.process = Process{Who: "anna", Host: "node1.example.com", Version: "1", Transport: http.DefaultTransport,
		Now: func() time.Time { return time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC) },
		Warn: func(format string, args ...any) {
			n.told = append(n.told, fmt.Sprintf(format, args...))
		},
		Diagnostics: func(d hcl.Diagnostics, _ map[string]*hcl.File) { n.shown = append(n.shown, d...) },
		Log:         slog.New(slog.DiscardHandler), MountTimeout: time.Second, CallbackTimeout: time.Second,
		Hooks: engine.Hooks{Progress: func(string, int, int) {}, Waits: func(string) func() { return func() {} }}}
	return n
}

func (n *node) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

func (n *node) write(name, text string) {
	n.Helper()
	n.must(os.WriteFile(n.path(name), []byte(text), 0o600))
}

func (n *node) open() *Session {
	n.Helper()
	s, err := Open(n.path("cscs-sync.hcl"), config.Skip, n.process)
	n.must(err)
	return s
}

func TestOpenInvalid(t *testing.T) {
	n := newNode(t, "nonsense = 1\n")
	_, err := Open(n.path("cscs-sync.hcl"), config.Skip, n.process)
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "nonsense") || len(invalid.Files) == 0 {
		t.Errorf("%v", err)
	}
}

func TestFind(t *testing.T) {
	if path, err := Find("some.hcl"); path != "some.hcl" || err != nil {
		t.Errorf("%s %v", path, err)
	}
	t.Chdir(t.TempDir())
	if _, err := os.Stat("/etc/cscs-sync"); errors.Is(err, fs.ErrNotExist) {
		if _, err := Find(""); err == nil || !strings.Contains(err.Error(), "cscs-sync init") {
			t.Errorf("without any: %v", err)
		}
	}
	if err := os.WriteFile("cscs-sync.hcl", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := Find(""); path != "cscs-sync.hcl" || err != nil {
		t.Errorf("%s %v", path, err)
	}
}

// TestChangeTakesTheLock: what changes the state waits for no apply, and keeps who did it.
func TestChangeTakesTheLock(t *testing.T) {
	n := newNode(t, "")
	s := n.open()
	err := s.Change(t.Context(), func(tx ledger.Tx, by ledger.Person) error {
		if by.Who != "anna" || by.Host != "node1.example.com" {
			t.Errorf("by %+v", by)
		}
		return by.Notes(tx, "note", "text")
	})
	n.must(err)
	lock, err := s.Store.Lock(t.Context(), ledger.Holder{Who: "bea"}, 0)
	n.must(err)
	defer func() { n.must(lock.Release()) }()
	err = s.Change(t.Context(), func(ledger.Tx, ledger.Person) error { t.Error("it ran"); return nil })
	var busy *ledger.LockedError
	if !errors.As(err, &busy) {
		t.Errorf("%v", err)
	}
}

// TestRules: lines of allowed_signers that cannot be used are named, and a key that nobody has made yet is no error.
func TestRules(t *testing.T) {
	n := newNode(t, "")
	n.write("cscs-sync.hcl", strings.ReplaceAll(configuration, "DIR", n.dir)+
		"approval {\n  required = 2\n  allowed_signers = \""+n.path("signers")+"\"\n}\n")
	s := n.open()
	if _, err := s.Rules(); err == nil || !strings.Contains(err.Error(), "read allowed signers") {
		t.Errorf("without the file: %v", err)
	}
	n.write("signers", "anna@example.com ssh-dss AAAA\n")
	rules, err := s.Rules()
	if err != nil || rules.Required != 2 || rules.Signers == nil || len(n.told) != 1 || !strings.Contains(n.told[0], "signers") {
		t.Errorf("%v %+v %q", err, rules, n.told)
	}
}

// TestPlanFile: a plan is read from its file and, where that is the copy of a held plan, from the state.
func TestPlanFile(t *testing.T) {
	n := newNode(t, "")
	s := n.open()
	opened := 0
	at := func(path string) PlanFile {
		return PlanFileAt(path, func() (*Session, error) { opened++; return s, nil })
	}
	data, err := planfile.Marshal(plantest.Dangers(), render.Options{})
	n.must(err)
	n.write("some.plan", string(data))
	file, err := at(n.path("some.plan")).Read()
	if err != nil || len(file.Plan.Core.Actions) == 0 || opened != 0 {
		t.Errorf("%v, the configuration was opened %d times", err, opened)
	}
	if _, err := at(n.path("none.plan")).Read(); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("%v", err)
	}
	held := filepath.Join(s.Store.Dir(), "pending", "p.plan")
	n.must(s.Store.Files().Write(held, data, nil))
	n.must(os.MkdirAll(filepath.Dir(held), 0o700))
	n.must(os.WriteFile(held, []byte("edited"), 0o600))
	if _, err := at(held).Read(); err != nil || opened != 1 {
		t.Errorf("%v, the configuration was opened %d times", err, opened)
	}
	elsewhere := filepath.Join(n.dir, "pending", "p.plan")
	n.must(os.MkdirAll(filepath.Dir(elsewhere), 0o700))
	n.must(os.WriteFile(elsewhere, []byte("edited"), 0o600))
	if _, err := at(elsewhere).Read(); err == nil {
		t.Error("a file in another folder of that name is taken for a held plan")
	}
}

// TestHeldPlanForPages: a held plan is found by the first digits of its id, and never by a path.
func TestHeldPlanForPages(t *testing.T) {
	s := newNode(t, "").open()
	v := s.statusView()
	if len(v.Systems) != 1 || v.Systems[0] != "capstor" {
		t.Errorf("%q", v.Systems)
	}
	for _, short := range []string{"", "../state", "0123456789ab"} {
		if p, err := v.Plan(short); p != nil || err == nil {
			t.Errorf("%q: %v", short, err)
		}
	}
}

// TestBadReloadInJSON: what is wrong with a new configuration stands in the log as entries, and nothing stands between
// them; the loop keeps what it has.
func TestBadReloadInJSON(t *testing.T) {
	n := newNode(t, "")
	s := n.open()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, nil))
	find := func() (string, error) { return n.path("cscs-sync.hcl"), nil }
	before := s.Config
	n.write("cscs-sync.hcl", "proxy {\n  nonsense = 1\n")
	err := s.reload(find, log)
	if err == nil || !strings.Contains(err.Error(), "is not valid") || s.Config != before {
		t.Errorf("%v", err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("this is no JSON: %s", line)
		}
	}
	if !strings.Contains(lines[0], "cscs-sync.hcl:") || len(n.shown) != 0 {
		t.Errorf("the fault is not named:\n%s", out.String())
	}
}

// TestReload: a configuration without a proxy is refused, and a good one taken over.
func TestReload(t *testing.T) {
	n := newNode(t, "")
	s := n.open()
	log := slog.New(slog.DiscardHandler)
	find := func() (string, error) { return n.path("cscs-sync.hcl"), nil }
	whole := strings.ReplaceAll(configuration, "DIR", n.dir)
	_, offline, _ := strings.Cut(whole, "storage {")
	n.write("cscs-sync.hcl", "storage {"+offline)
	if err := s.reload(find, log); err == nil || !strings.Contains(err.Error(), "no proxy or no waldur block any more") {
		t.Errorf("%v", err)
	}
	n.write("cscs-sync.hcl", whole+"run {\n  interval = \"7m\"\n}\n")
	if err := s.reload(find, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil ||
		s.loopConfig().Interval != 7*time.Minute {
		t.Errorf("%v, interval %s", err, s.loopConfig().Interval)
	}
}

// TestNames: a status page is asked for by the host's names and that of run.listen.
func TestNames(t *testing.T) {
	s := newNode(t, "run { listen = \"127.0.0.1:9811\" }\n").open()
	if got := fmt.Sprint(s.names()); got != "[node1.example.com node1 127.0.0.1]" {
		t.Error(got)
	}
}

// TestCheckHold: a glob that matches nothing known is refused, unless nothing is known yet.
func TestCheckHold(t *testing.T) {
	s := newNode(t, "").open()
	warning, err := s.CheckHold("/capstor/nothing/**")
	if err != nil || !strings.Contains(warning, "matches nothing that is recorded or listed so far") {
		t.Errorf("%q %v", warning, err)
	}
	r := planner.Record{Key: planner.Key{Item: "1", System: "capstor", DataType: "store"},
		Address: "/capstor/x", System: "capstor", Storage: "capstor/x", Target: planner.TargetProject,
		Plan: "sha256:" + strings.Repeat("ab", 32), At: s.Process.Now()}
	if err := s.Store.Update(func(tx ledger.Tx) error { return tx.PutRecord(r) }); err != nil {
		t.Fatal(err)
	}
	for glob, refused := range map[string]bool{"/capstor/nothing/**": true, "/capstor/*": false} {
		if warning, err := s.CheckHold(glob); warning != "" || engine.IsRefused(err) != refused {
			t.Errorf("%s: %q %v", glob, warning, err)
		}
	}
}
