package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/policy"
)

// base is a valid configuration for the tests to add to.
const base = "storage {\n  root = \"/mnt/lustre\"\n}\nsystem \"capstor\" {\n  directory = \"capstor\"\n  filesystem = \"lustre\"\n  quota \"lustre\" {}\n}\n"

func TestDefaults(t *testing.T) {
	c := mustLoad(t, base)
	want := planner.Settings{
		Tera: 1 << 40, MinGID: 1000, MaxMode: 0o2775, Parents: planner.ParentsCreate,
		Fingerprint: c.Settings.Fingerprint, Parts: c.Settings.Parts,
		Systems: []planner.System{{
			Name: "capstor", Directory: "capstor", Filesystem: "lustre", Archive: "capstor/.trash",
			ArchiveRetention: 90 * 24 * time.Hour,
			Quota: planner.QuotaSettings{Kind: "lustre", By: planner.ByGroup, Client: "auto",
				LFS: "/usr/bin/lfs", Shared: planner.SharedRefuse, OnRemove: "keep"},
			Traits: config.Traits("lustre", "lustre"),
		}},
	}
	if d := cmp.Diff(want, c.Settings); d != "" {
		t.Error(d)
	}
	if c.Proxy != nil || c.Waldur != nil || c.State != "/var/lib/cscs-sync" || len(c.Overrides) != 0 {
		t.Errorf("got %+v", c)
	}
	if d := cmp.Diff(config.Approval{Required: 1, ValidFor: 7 * 24 * time.Hour}, c.Approval); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(policy.Policy{Allow: []string{"create", "quota_raise", "report"}, MaxChanges: 50},
		c.AutoApprove); d != "" {
		t.Error(d)
	}
	if c.Run != (config.Run{Interval: time.Minute, AuditInterval: time.Hour}) {
		t.Errorf("run %+v", c.Run)
	}
}

func TestPolicyByUse(t *testing.T) {
	a := mustLoad(t, base+"auto_approve {\n min_used = 80\n max_raise = 2\n}\n").AutoApprove
	if a.MinUsed != 80 || a.MaxRaise != 2 {
		t.Errorf("got %+v", a)
	}
	for _, bad := range []string{"min_used = 101", "min_used = -1", "max_raise = -2",
		"max_raise = 1.5"} {
		if _, diags := load(t, newWorld(), base+"auto_approve {\n "+bad+"\n}\n"); !diags.HasErrors() {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestExamples(t *testing.T) {
	read := func(name string) string {
		src, err := os.ReadFile("../../examples/configs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		formatted, diags := config.Format(src, name)
		if diags.HasErrors() || string(formatted) != string(src) {
			t.Errorf("%s is not in canonical layout", name)
		}
		return string(src)
	}
	if c := mustLoad(t, read("minimal.hcl")); len(c.Settings.Systems) != 1 {
		t.Errorf("systems %+v", c.Settings.Systems)
	}
	c := mustLoad(t, read("cscs.hcl"))
	day := 24 * time.Hour
	want := []planner.System{
		{Name: "capstor", Slugs: []string{"cscs-capstor-offering"}, Directory: "capstor",
			Filesystem: "lustre", Archive: "capstor/.trash", ArchiveRetention: 90 * day,
			Paths: []planner.PathMapping{{Prefix: "/scratch", Folder: "capstor/legacy"}},
			Quota: planner.QuotaSettings{Kind: "lustre", By: "group", Client: "auto", LFS: "/usr/bin/lfs",
				Shared: "sum", OnRemove: "keep"}, Traits: config.Traits("lustre", "lustre")},
		{Name: "iopsstor", Directory: "iopsstor", Filesystem: "lustre", Archive: "iopsstor/.trash",
			ArchiveRetention: 14 * day,
			Quota: planner.QuotaSettings{Kind: "lustre", By: "project",
				ProjectIDs: planner.ProjectRange{First: 100000, Last: 199999}, Client: "auto",
				LFS: "/usr/bin/lfs", Shared: "refuse", OnRemove: "freeze"},
			Traits: config.Traits("lustre", "lustre")},
		{Name: "vast", Directory: "vast", Filesystem: "nfs", Archive: "vast/.trash",
			ArchiveRetention: 90 * day, Quota: planner.QuotaSettings{Kind: "vast", By: "directory",
				Shared: "refuse", OnRemove: "freeze", Tool: planner.ToolVAST,
				Server: planner.QuotaServer{URL: "https://vms.example.com/api/v5/", Tenant: "hpc",
					PathPrefix: "/vadret"}}, Traits: config.Traits("vast", "nfs")},
	}
	if d := cmp.Diff(want, c.Settings.Systems); d != "" {
		t.Error(d)
	}
	if c.Proxy.URL != "https://waldur-storage-proxy.example.com/api/storage-resources/" ||
		c.Proxy.OIDC.ClientSecret.Reveal() != marker+"-oidc" ||
		c.Waldur.Token.Reveal() != marker+"-waldur" ||
		c.Settings.Waldur.Aliases[0] != "http://waldur-internal:8000/api/" ||
		!c.Settings.Waldur.SetBackendID || c.Proxy.Token.IsSet() || c.Approval.Required != 2 ||
		c.State != "/var/lib/cscs-sync" {
		t.Errorf("got %+v %+v %+v", c.Proxy, c.Waldur, c.Settings.Waldur)
	}
	if len(c.Overrides) != 3 || c.Overrides[0].Source() != (planner.Provenance{From: "override",
		Override: "climate campaign", At: "cscs-sync.hcl:63"}) {
		t.Errorf("overrides %d, first %+v", len(c.Overrides), c.Overrides[0].Source())
	}
	if shown := fmt.Sprintf("%v %+v %#v", c, c, c.Proxy.OIDC); strings.Contains(shown, marker) {
		t.Error("printing the configuration shows a secret")
	}
}

// The template becomes valid with only its two tokens, wherever it is written.
func TestTemplate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("cscs-sync.hcl", config.Template(), 0o644)
	c, diags := config.Load(dir, config.OS(), config.Options{})
	if len(diags) != 2 || !strings.Contains(rendered(t, c, diags), "proxy.token does not exist") {
		t.Errorf("without tokens:\n%s", rendered(t, c, diags))
	}
	write("proxy.token", marker+"\r\n", 0o600)
	write("waldur.token", marker+"2", 0o600)
	c, diags = config.Load(dir, config.OS(), config.Options{})
	if len(diags) > 0 || c.Proxy.Token.Reveal() != marker {
		t.Fatalf("with tokens: %q\n%s", c.Proxy.Token.Reveal(), rendered(t, c, diags))
	}
	if formatted, _ := config.Format([]byte(config.Template()),
		"x"); string(formatted) != config.Template() {
		t.Error("the template is not in canonical layout")
	}
	c, diags = config.Load(dir, config.OS(), config.Options{Secrets: config.CheckOnly})
	if len(diags) > 0 || c.Proxy.Token.IsSet() {
		t.Errorf("checking only: %q\n%s", c.Proxy.Token.Reveal(), rendered(t, c, diags))
	}
	if err := os.Remove(filepath.Join(dir, "proxy.token")); err != nil {
		t.Fatal(err)
	}
	if c, diags := config.Load(dir, config.OS(),
		config.Options{Secrets: config.Skip}); len(diags) > 0 || c.Settings.Fingerprint == "" {
		t.Errorf("skipping secrets: %s", rendered(t, c, diags))
	}
}

// What the template proposes in comments is valid, too.
func TestTemplateProposals(t *testing.T) {
	dir := t.TempDir()
	proposal := regexp.MustCompile(`(?m)^( *)# ([a-z_]+ +=|[a-z_]+ (?:"[^"]+" )?\{|  |\})`)
	text := proposal.ReplaceAllString(config.Template(), "$1$2")
	text = regexp.MustCompile(`(?m)^  token   = .*\n`).ReplaceAllString(text, "") // or an oidc block
	// which project_ids wants
	text = strings.Replace(text, `by = "group"`, `by = "project"`, 1)
	for name, data := range map[string]string{"cscs-sync.hcl": text, "oidc.secret": marker,
		"waldur.token": marker, "vast.token": marker, "allowed_signers": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, diags := config.Load(dir, config.OS(), config.Options{})
	if len(diags) > 0 {
		t.Fatalf("%s\n%s", rendered(t, c, diags), text)
	}
	if c.Run.Listen == "" || c.Run.Notify == nil || len(c.AutoApprove.Windows) != 1 ||
		c.AutoApprove.MaxSpace == 0 || len(c.Overrides) != 1 ||
		len(c.Settings.Systems) != 4 || c.Proxy.OIDC == nil ||
		!c.Settings.Systems[0].Quota.ProjectIDs.IsSet() {
		t.Errorf("something is still a comment:\n%s", text)
	}
}

func TestProtection(t *testing.T) {
	const tokens = "waldur {\n url = \"https://w.example.com/\"\n token = file(\"waldur.token\")\n}\napproval { allowed_signers = \"allowed_signers\" }\n"
	for name, c := range map[string]struct {
		file string
		mode os.FileMode
		uid  int
		want string
	}{
		"as it should be":         {"waldur.token", 0o400, 0, ""},
		"readable secret":         {"waldur.token", 0o640, 0, "chmod 600"},
		"writable secret":         {"waldur.token", 0o620, 0, "chmod go-w"},
		"somebody else's secret":  {"waldur.token", 0o600, 12345, "belongs to user 12345"},
		"writable configuration":  {"cscs-sync.hcl", 0o664, 0, "chmod go-w"},
		"foreign configuration":   {"cscs-sync.hcl", 0o644, 12345, "belongs to user 12345"},
		"foreign second file":     {"other.hcl", 0o644, 12345, "belongs to user 12345"},
		"writable signers":        {"allowed_signers", 0o666, 0, "chmod go-w"},
		"somebody else's signers": {"allowed_signers", 0o644, 12345, "belongs to user 12345"},
		"writable folder":         {".", 0o777, 0, "chmod go-w"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, data := range map[string]string{"cscs-sync.hcl": base + tokens,
				"other.hcl": "# nothing", "waldur.token": marker, "allowed_signers": "x"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p := filepath.Join(dir, c.file)
			if err := os.Chmod(p, c.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(p, c.uid, 0); err != nil {
				t.Fatal(err)
			}
			cfg, diags := config.Load(dir, config.OS(), config.Options{Secrets: config.CheckOnly})
			got := rendered(t, cfg, diags)
			if (c.want == "") != (got == "") || !strings.Contains(strings.Join(strings.Fields(got), " "),
				c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The target of a link is checked. A fifo or a folder in place of a secret neither hangs nor
// passes.
func TestProtectionOfOddFiles(t *testing.T) {
	dir := t.TempDir()
	src := base + "waldur {\n url = \"https://w.example.com/\"\n token = file(\"waldur.token\")\n}\n"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(filepath.Join(dir, "cscs-sync.hcl"), []byte(src), 0o600))
	token, real := filepath.Join(dir, "waldur.token"), filepath.Join(dir, "real")
	check := func(want string) {
		t.Helper()
		c, diags := config.Load(dir, config.OS(), config.Options{})
		if got := strings.Join(strings.Fields(rendered(t, c, diags)), " "); (want == "") != (got == "") ||
			!strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		must(os.Remove(token))
	}
	must(os.WriteFile(real, []byte(marker), 0o600))
	must(os.Symlink(real, token))
	check("")
	must(os.Chmod(real, 0o644))
	must(os.Symlink(real, token))
	check("others can read")
	must(os.Mkdir(token, 0o700))
	check("not a regular file")
	must(mkfifo(token))
	check("not a regular file")
	must(os.WriteFile(token, []byte("\n"), 0o600))
	check("is empty")
	must(os.WriteFile(token, []byte("a\nb\n"), 0o600))
	check("more than one line")
	must(os.WriteFile(token, bytes.Repeat([]byte("a"), 70000), 0o600))
	check("more than 65536 bytes")
}

func TestStateFolderIsChecked(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.hcl")
	if err := os.WriteFile(path, []byte(base+"state { path = \""+dir+"\" }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := config.Load(path, config.OS(), config.Options{})
	if !strings.Contains(rendered(t, c, diags), "Unsafe state folder") {
		t.Errorf("a world-writable state passes: %s", rendered(t, c, diags))
	}
}

func TestLoadWithoutConfiguration(t *testing.T) {
	for path, want := range map[string]string{"/nowhere": "/nowhere does not exist. Run `cscs-sync init`", t.TempDir(): "no files whose names end in .hcl"} {
		c, diags := config.Load(path, config.OS(), config.Options{})
		if got := strings.Join(strings.Fields(rendered(t, c, diags)), " "); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// The fingerprint changes with everything that makes a plan another one, and with nothing else.
func TestFingerprint(t *testing.T) {
	const other = "system \"vast\" {\n directory = \"vast\"\n filesystem = \"nfs\"\n}\n"
	const waldur = "waldur {\n url = \"https://w.example.com/api\"\n token = env(\"TOKEN\")\n}\n"
	of := func(src string) string { return mustLoad(t, src).Settings.Fingerprint }
	first := of(base + other + waldur)
	for name, same := range map[string]string{
		"order of blocks": waldur + other + base,
		"defaults said": strings.Replace(base, "root =", "min_gid = 1000\n root =", 1) + other +
			waldur,
		"loop and policy": base + other + waldur +
			"run { interval = \"5m\" }\nauto_approve { max_changes = 1 }\nstate { path = \"/x\" }\n",
		"overrides": base + other + waldur +
			"override \"o\" {\n match { path = \"/**\" }\n mode = \"2770\"\n}\n",
		"proxy": base + other + waldur +
			"proxy {\n url = \"https://p.example.com\"\n token = env(\"TOKEN\")\n}\n",
		"a slash": base + other + strings.Replace(waldur, "/api", "/api/", 1),
		"where it is from": base + other + strings.Replace(waldur, "https://w.example.com",
			"https://${\"w.example.com\"}", 1),
	} {
		if of(same) != first {
			t.Errorf("%s changes the fingerprint", name)
		}
	}
	for part, changed := range map[string]string{
		"system \"vast\"": base + waldur,
		"storage":         strings.Replace(base+other+waldur, "/mnt/lustre", "/mnt/other", 1),
		"system \"capstor\"": strings.Replace(base+other+waldur, "quota \"lustre\" {}",
			"quota \"lustre\" { shared = \"sum\" }", 1),
		"approval":   base + other + waldur + "approval { valid_for = \"1d\" }\n",
		"waldur.url": strings.Replace(base+other+waldur, "w.example", "v.example", 1),
	} {
		if of(changed) == first {
			t.Errorf("%s does not change the fingerprint", part)
		}
		if got := differing(mustLoad(t, base+other+waldur).Settings.Parts,
			mustLoad(t, changed).Settings.Parts); !slices.Equal(got, []string{part}) {
			t.Errorf("%s was changed, different are %q", part, got)
		}
	}
}

// differing returns the names of the parts that are not in both lists.
func differing(a, b []planner.ConfigurationPart) []string {
	var names []string
	for _, part := range slices.Concat(a, b) {
		if slices.Contains(a, part) != slices.Contains(b, part) && !slices.Contains(names, part.Name) {
			names = append(names, part.Name)
		}
	}
	return names
}

// Somebody else takes root's place only if everything is there to try things out.
func TestRootOwner(t *testing.T) {
	w := newWorld()
	w.uid = 1000
	for filesystem, want := range map[string]planner.UID{"lustre": 0, "any": 1000} {
		c, diags := load(t, w, strings.Replace(base, `filesystem = "lustre"`,
			`filesystem = "`+filesystem+`"`, 1))
		if len(diags) > 0 || c.Settings.Root.UID != want || uint32(c.Settings.Root.GID) != uint32(want) {
			t.Errorf("%s: %+v %v", filesystem, c.Settings.Root, diags)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	s := config.NewSecret(marker)
	type holder struct{ hidden, Shown config.Secret }
	h := holder{s, s}
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", s)
		fmt.Fprintf(&b, verb+"\n", &s)
		fmt.Fprintf(&b, verb+"\n", h)
		fmt.Fprintf(&b, verb+"\n", []any{h, &h})
	}
	j, err := json.Marshal(map[string]any{"a": s, "b": h, "c": &s})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s, "holder", h)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "secret", s, "holder", h)
	if strings.Contains(b.String(), marker) || strings.Contains(b.String(),
		fmt.Sprintf("%x", marker)) {
		t.Errorf("a secret is shown:\n%s", b.String())
	}
	if s.Reveal() != marker || !s.IsSet() || (config.Secret{}).IsSet() ||
		(config.Secret{}).Reveal() != "" {
		t.Error("Reveal and IsSet")
	}
}

func TestParseDuration(t *testing.T) {
	day := 24 * time.Hour
	for s, want := range map[string]time.Duration{"60s": time.Minute, "7d": 7 * day, "2w": 14 * day,
		"1w1d1h": 8*day + time.Hour, "1.5h": 90 * time.Minute, "0d": 0, "0s": 0} {
		if got, err := config.ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "7", "d", "-7d", "+7d", "7d-1h", "1.5d", "1d1w", "99999999999d",
		"106752d", "106751d24h", "7 d", "x", "0"} {
		if got, err := config.ParseDuration(s); err == nil {
			t.Errorf("%q is taken for %v", s, got)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	c, diags := load(t, newWorld(), base+"run { intervall = \"5m\" }\n")
	var b bytes.Buffer
	if err := config.WriteJSON(&b, diags); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"severity": "error", "summary": "Unsupported argument",
		"detail": `An argument named "intervall" is not expected here. Did you mean "interval"?`,
		"file":   "/etc/cscs-sync/cscs-sync.hcl", "line": 9.0, "column": 7.0}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	b.Reset()
	if err := config.WriteJSON(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("no findings: %q, %v", b.String(), err)
	}
	_ = c
}

func TestWriteDiagnosticsInColour(t *testing.T) {
	src := "storage {\n\troot = \"/x\"; \u202e\n}\n"
	files := map[string]*hcl.File{"c.hcl": {Bytes: []byte(src)}}
	d := hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: "Odd\x1b[2J", Detail: "Why.",
		Subject: &hcl.Range{Filename: "c.hcl", Start: hcl.Pos{Line: 2, Column: 2, Byte: 11},
			End: hcl.Pos{Line: 2, Column: 6, Byte: 15}}}}
	var b bytes.Buffer
	if err := config.WriteDiagnostics(&b, d, files, 80, true); err != nil {
		t.Fatal(err)
	}
	y := func(s string) string { return "\x1b[38;5;136m" + s + "\x1b[0m" }
	want := y("╷") + "\n" + y("│") + " \x1b[1;38;5;136mWarning:\x1b[0m \x1b[1mOdd\\x1b[2J\x1b[0m\n" +
		y("│") + "\n" + y("│") + "   on c.hcl line 2:\n" +
		y("│") + "    2:   \x1b[1;4mroot\x1b[0m = \"/x\"; \\u202e\n" + y("│") + "         " + y("^^^^") +
		"\n" + y("│") + "\n" + y("│") + " Why.\n" + y("╵") + "\n"
	if b.String() != want {
		t.Errorf("got:\n%q\nwant:\n%q", b.String(), want)
	}
}

func TestFormat(t *testing.T) {
	got, diags := config.Format([]byte("run{\ninterval=\"60s\" # often\n  audit_interval   = \"1h\"\n}\n"), "c.hcl")
	if want := "run {\n  interval       = \"60s\" # often\n  audit_interval = \"1h\"\n}\n"; diags.HasErrors() || string(got) != want {
		t.Errorf("got %q %v", got, diags)
	}
	if _, diags := config.Format([]byte("run {"), "c.hcl"); !diags.HasErrors() ||
		diags[0].Subject.Filename != "c.hcl" {
		t.Errorf("broken source: %v", diags)
	}
}
