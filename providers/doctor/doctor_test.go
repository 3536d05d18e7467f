package doctor

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/providers/posix"
	"github.com/waldur/cscs-storage-sync/state"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newExamination returns an examination with an empty state, and a storage with one system.
func newExamination(t *testing.T) *examination {
	t.Helper()
	dir := t.TempDir()
	store, err := state.Open(filepath.Join(dir, "state"),
		state.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{Storage: config.Storage{Root: dir}}
	cfg.Settings.Systems = []planner.System{{Name: "capstor", Directory: "capstor",
		Archive: "capstor/.trash"}}
	if err := os.Mkdir(filepath.Join(dir, "capstor"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &examination{in: Input{Config: cfg, State: store, Files: store.Files(), Node: "a",
		Now: func() time.Time { return now }, Transport: http.DefaultTransport}}
}

// expect compares the findings with want, and clears them. Each of want is the verdict, the check,
// and a part of the text.
func (e *examination) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	ok := len(want) == len(e.findings)
	for i, f := range e.findings {
		ok = ok && strings.HasPrefix(string(f.Verdict)+" "+f.Check+": "+f.Text, want[i])
	}
	if !ok {
		t.Errorf("%s: found %+v, want %q", when, e.findings, want)
	}
	e.findings = nil
}

func TestRights(t *testing.T) {
	e := newExamination(t)
	status := filepath.Join(t.TempDir(), "status")
	for effective, want := range map[string]string{
		"00000000ffffffff": "PASS rights: may change",
		"0000000000000000": "WARN rights: this user lacks CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, " +
			"CAP_FSETID, CAP_SYS_ADMIN",
		"000000000000001b": "WARN rights: this user lacks CAP_SYS_ADMIN (to set quotas): plan works",
	} {
		e.in.Config.Settings.Systems[0].Quota.By = planner.ByGroup
		if err := os.WriteFile(status, []byte("Name:\tx\nCapEff:\t"+effective+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		e.rights(status)
		e.expect(t, effective, want)
	}
	e.rights(filepath.Join(t.TempDir(), "missing"))
	e.expect(t, "no /proc", "WARN rights: cannot read this")
}

func TestArchive(t *testing.T) {
	e := newExamination(t)
	sys := e.in.Config.Settings.Systems[0]
	check := func() { e.archive(sys, e.path(sys.Directory)) }
	check()
	e.expect(t, "missing", "PASS archive capstor: "+e.path(sys.Archive)+" will be created")
	if err := os.Mkdir(e.path(sys.Archive), 0o750); err != nil {
		t.Fatal(err)
	}
	check()
	e.expect(t, "open to a group", "FAIL archive capstor: "+e.path(sys.Archive)+" has mode drwxr-x---")
	if err := os.Chmod(e.path(sys.Archive), 0o700); err != nil {
		t.Fatal(err)
	}
	check()
	e.expect(t, "closed", "PASS archive capstor: "+e.path(sys.Archive)+" is closed to other users")
	e.archive(sys, "/proc")
	e.expect(t, "elsewhere", "FAIL archive capstor: "+e.path(sys.Archive)+" is not on the same "+
		"filesystem")
}

func TestMount(t *testing.T) {
	e := newExamination(t)
	sys := e.in.Config.Settings.Systems[0]
	seen := planner.Mount{Filesystem: "ext4", Inode: 7}
	roots := map[string]planner.RootIdentity{"capstor": {Filesystem: "ext4", Inode: 8}}
	for _, c := range []struct {
		when  string
		mount planner.Mount
		roots map[string]planner.RootIdentity
		more  bool
		want  string
	}{
		{"first look", seen, nil, true, "PASS system capstor: " + e.path("capstor") + ": ext4, inode 7"},
		{"another one", seen, roots, true, "FAIL system capstor: " + e.path("capstor") + " is ext4, " +
			"inode 7"},
		{"hangs", planner.Mount{Unknown: "it hangs"}, roots, false, "FAIL system capstor: it hangs"},
	} {
		if more := e.mount(sys, c.mount, c.roots); more != c.more {
			t.Errorf("%s: go on: %v", c.when, more)
		}
		e.expect(t, c.when, c.want)
	}
}

func TestTokenEnd(t *testing.T) {
	jwt := func(body string) string { return "x." + base64.RawURLEncoding.EncodeToString([]byte(body)) + ".y" }
	for token, want := range map[string]int64{
		jwt(`{"exp": 1800000000}`): 1800000000,
		jwt(`{"exp": 0}`):          0,
		jwt(`{"sub": "agent"}`):    0,
		jwt(`{`):                   0,
		"x.*.y":                    0,
		"secret":                   0,
		"":                         0,
	} {
		end, ok := tokenEnd(token)
		if ok != (want != 0) || ok && end.Unix() != want {
			t.Errorf("token %s ends %v, %v; want %d", token, end, ok, want)
		}
	}
}

func TestProxyTokenBeforeItExpires(t *testing.T) {
	e := newExamination(t)
	for left, want := range map[time.Duration]string{
		-time.Minute:    "FAIL proxy token: it expired 2026-03-01",
		time.Hour:       "WARN proxy token: it expires 2026-03-01",
		300 * time.Hour: "PASS proxy token: valid until 2026-03-14",
	} {
		claims := fmt.Appendf(nil, `{"exp": %d}`, now.Add(left).Unix())
		token := "x." + base64.RawURLEncoding.EncodeToString(claims) + ".y"
		e.proxyToken(t.Context(), &config.Proxy{Token: config.NewSecret(token)})
		for _, f := range e.findings {
			if strings.Contains(f.Text, token) {
				t.Errorf("the finding shows the token: %s", f.Text)
			}
		}
		e.expect(t, left.String(), want)
	}
}

func TestClock(t *testing.T) {
	e := newExamination(t)
	date := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Date"] = []string{date}
	}))
	defer server.Close()
	for off, want := range map[time.Duration]string{
		0:                          "PASS clock: agrees",
		-40 * time.Second:          "WARN clock: the clocks are 40s apart",
		approval.MaxAhead:          "FAIL clock: the clocks are 5m0s apart",
		-approval.MaxAhead - 1<<40: "FAIL clock: ",
	} {
		date = now.Add(off).Format(http.TimeFormat)
		e.clock(t.Context(), "clock", server.URL)
		e.expect(t, off.String(), want)
	}
	date = "tomorrow"
	e.clock(t.Context(), "clock", server.URL)
	e.expect(t, "no time", "WARN clock: its answer has no")
	server.Close()
	e.clock(t.Context(), "clock", server.URL)
	e.expect(t, "no answer") // another check reports it
}

// nodes is a state shared by several nodes.
type nodes struct {
	State
	held    kv.Holding
	members []kv.Member
	err     error
}

func (n *nodes) Holding() (kv.Holding, bool, error)           { return n.held, true, n.err }
func (n *nodes) Members(context.Context) ([]kv.Member, error) { return n.members, n.err }

func TestShared(t *testing.T) {
	e := newExamination(t)
	e.shared(t.Context())
	e.expect(t, "a state in a file")

	db, asked := Database{Name: "db", Version: "16", Standby: true, Encrypted: true}, error(nil)
	e.in.Database = func(context.Context) (Database, error) { return db, asked }
	e.in.Config.Shared = &config.SharedState{Group: "same"}
	n := &nodes{State: e.in.State}
	e.in.State = n
	e.shared(t.Context())
	e.expect(t, "well", "PASS database: db: PostgreSQL 16 with", "PASS lease: free")

	db = Database{Name: "db", Problem: "fsync is off"}
	n.held = kv.Holding{Claim: kv.Claim{Node: "b", Who: "root"}, Until: now, Expired: true}
	n.members = []kv.Member{
		{Claim: kv.Claim{Node: "a"}, Config: "same", Until: now},
		{Claim: kv.Claim{Node: "b"}, Config: "other", Leads: true, Expired: true, Until: now},
	}
	e.shared(t.Context())
	e.expect(t, "node b died", "FAIL database: db: fsync is off", "WARN database, TLS: ",
		"FAIL lease: node b held the state until 2026-03-01", "WARN fence: ",
		"FAIL loops: node b led until", "FAIL configuration of b: it differs",
		"WARN loops: no node leads")

	n.members[1].Expired, n.members[1].Config = false, "same"
	n.held, n.err = kv.Holding{}, errors.New("gone")
	db.Problem, db.Encrypted = "", true
	e.shared(t.Context())
	e.expect(t, "cannot be read", "WARN database: db: PostgreSQL  without a standby",
		"FAIL lease: gone", "FAIL loops: gone")

	asked = errors.New("refused")
	e.shared(t.Context())
	e.expect(t, "no database", "FAIL database: refused")
}

// others names the systems that other states manage, with the error of the check.
type others map[string]error

func (o others) Check(_ context.Context, system string) error { return o[system] }

func TestMarkers(t *testing.T) {
	e := newExamination(t)
	found := others{}
	e.in.Markers = func(string) (Markers, error) { return found, nil }
	e.markers(t.Context())
	e.expect(t, "ours")
	found["capstor"] = errors.New("it hangs") // the check of the system reports it
	e.markers(t.Context())
	e.expect(t, "unknown")
	found["capstor"] = &posix.OtherStateError{System: "capstor", Found: posix.Marker{State: "x",
		Node: "b"}}
	e.markers(t.Context())
	e.expect(t, "another state", "FAIL marker capstor: ")
}

func TestLeftOver(t *testing.T) {
	e := newExamination(t)
	e.leftOver()
	e.expect(t, "nothing is left")
	store := e.in.State
	const id = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	err := store.Update(func(tx ledger.Tx) error {
		_, err := tx.Begin(ledger.PlanStart{ID: id, Context: id, Made: now, Who: "root"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	e.leftOver()
	e.expect(t, "begun by a person",
		"WARN plans: plan 0123456789ab, started 2026-03-01 12:00 UTC, is not finished: apply its file "+
			"again")
	own := filepath.Join(store.Dir(), "begun", "0123456789ab.plan")
	if err := e.in.Files.Write(own, []byte("no plan"), nil); err != nil {
		t.Fatal(err)
	}
	e.leftOver()
	e.expect(t, "begun by the loop, which cannot use its file",
		"WARN plans: "+own+" is kept, but this version can't use it",
		"WARN plans: the loop's plan 0123456789ab, started")
}

func TestSigners(t *testing.T) {
	e := newExamination(t)
	e.in.Config.Approval.Required = 2
	e.approvals()
	e.expect(t, "local", "PASS approvals: local: anybody who can become root on this node may "+
		"approve; 2 approvals needed")
	e.in.Config.Approval.AllowedSigners = "signers"
	text := ""
	e.in.Signers = func(string) (*approval.Signers,
		error) {
		return approval.ParseSigners([]byte(text), time.UTC)
	}
	line := ` namespaces="cscs-sync-plan" ssh-ed25519 ` +
		"AAAAC3NzaC1lZDI1NTE5AAAAIFWJVBBgXZ3WuXxzLhgxZ5YwAfSv8J2CvMzwKJHv7a+D\n"
	for _, c := range []struct{ signers, want string }{
		{"a@example.com" + line, "FAIL signers: signers has 1 line that can be used, but 2 " +
			"different"},
		{"a@example.com" + line + "b@example.com" + line,
			"PASS signers: signers has 2 lines; 2 required"},
		{"a@example.com" + line + "b@example.com" + line + "c@example.com ssh-rsa x\n",
			"WARN signers: signers has 1 line that cannot be used"},
	} {
		text = c.signers
		e.approvals()
		e.expect(t, c.signers, c.want)
	}
}

// A user who may replace what root runs is found. So is a state on a disk that loses it.
func TestTrust(t *testing.T) {
	e := newExamination(t)
	e.in.UID = os.Geteuid()
	e.in.ConfigPath = e.path("cscs-sync.hcl")
	if err := os.WriteFile(e.in.ConfigPath, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(e.in.ConfigPath, 0o666); err != nil {
		t.Fatal(err)
	}
	e.trust()
	e.expect(t, "writable by all", "FAIL trust: others can write to "+e.in.ConfigPath)
}
