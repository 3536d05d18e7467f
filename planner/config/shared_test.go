package config_test

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

const sharedBlock = `state "postgres" {
  url  = file("state.url")
  name = "alps"
  node = "mgmt1"
  path = "/srv/state"
  fence { exec = ["/usr/local/sbin/fence", "-v"] }
}
`

func TestSharedState(t *testing.T) {
	w := newWorld()
	w.files["/etc/cscs-sync/state.url"] = file{data: "postgres://sync:geheim@db1/waldur\n",
		mode: 0o600}
	w.files["/etc/cscs-sync/signers"] = file{data: "", mode: 0o644}
	signed := base + "approval { allowed_signers = \"signers\" }\n"
	c, diags := load(t, w, signed+sharedBlock)
	if len(diags) > 0 {
		t.Fatal(rendered(t, c, diags))
	}
	s := c.Shared
	if s == nil || s.URL.Reveal() != "postgres://sync:geheim@db1/waldur" || s.Name != "alps" ||
		s.Node != "mgmt1" || c.State != "/srv/state" ||
		strings.Join(s.Fence, " ") != "/usr/local/sbin/fence -v" ||
		!strings.Contains(strings.Join(c.Programs(), " "), "/usr/local/sbin/fence") {
		t.Errorf("%+v, %s", s, c.State)
	}
	c, diags = load(t, w,
		signed+"state \"postgres\" {\n url = file(\"state.url\")\n name = \"alps\"\n}\n")
	if len(diags) > 0 || c.Shared.Node != "" || c.Shared.Fence != nil ||
		c.State != "/var/lib/cscs-sync" {
		t.Errorf("without what may be left out: %+v, %s", c.Shared, rendered(t, c, diags))
	}
	for name, x := range map[string]struct{ src, want string }{
		"local approvals": {base + sharedBlock, "Local approvals with a shared state"},
		"another database": {signed + strings.Replace(sharedBlock, "postgres", "mysql", 1),
			"Unknown kind of state"},
		"the URL itself": {signed + strings.Replace(sharedBlock, `file("state.url")`,
			`"postgres://sync:geheim@db1/waldur"`, 1), "Secret in the configuration"},
		"no name": {signed + strings.Replace(sharedBlock, `name = "alps"`, "", 1),
			"Missing required argument"},
		"a name of spaces": {signed + strings.Replace(sharedBlock, "alps", " ", 1),
			"1 to 63 printable"},
		"a node's long name": {signed + strings.Replace(sharedBlock, "mgmt1",
			strings.Repeat("x", 64), 1), "1 to 63 printable"},
		"a relative fence": {signed + strings.Replace(sharedBlock, "/usr/local/sbin/fence",
			"fence", 1), "absolute path"},
		"an empty fence": {signed + strings.Replace(sharedBlock,
			`"/usr/local/sbin/fence", "-v"`, "", 1), "absolute path"},
		"two fences": {signed + strings.Replace(sharedBlock, "fence {",
			"fence { exec = [\"/bin/true\"] }\n fence {", 1), "Duplicate fence block"},
		"no lease": {signed + strings.Replace(sharedBlock, "path", "lease = \"0s\"\n path", 1),
			"at least 1s"},
		"a long lease": {signed + strings.Replace(sharedBlock, "path", "lease = \"2h\"\n path", 1),
			"at most one hour"},
		"two states": {signed + sharedBlock + sharedBlock, "Duplicate state block"},
		"a state on storage": {signed + strings.Replace(sharedBlock, "/srv/state",
			"/mnt/lustre/capstor", 1), "State on the managed storage"},
	} {
		c, diags := load(t, w, x.src)
		if text := rendered(t, c, diags); !diags.HasErrors() ||
			!strings.Contains(strings.Join(strings.Fields(text), " "), x.want) {
			t.Errorf("%s: want %q, got\n%s", name, x.want, text)
		} else if strings.Contains(text, "geheim") {
			t.Errorf("%s: the password is shown", name)
		}
	}
}

// TestTheStatesURLIsReadByItself: commands without a token read it, and no other secret.
func TestTheStatesURLIsReadByItself(t *testing.T) {
	w := newWorld()
	w.files["/etc/cscs-sync/state.url"] = file{data: "postgres://db1/waldur", mode: 0o600}
	w.files["/etc/cscs-sync/signers"] = file{data: "", mode: 0o644}
	w.files["/etc/cscs-sync/cscs-sync.hcl"] = file{data: base +
		"approval { allowed_signers = \"signers\" }\n" + sharedBlock, mode: 0o644}
	c, diags := config.Load("/etc/cscs-sync/cscs-sync.hcl", w, config.Options{Secrets: config.Skip,
		StateURL: true})
	if diags.HasErrors() || c.Shared.URL.Reveal() != "postgres://db1/waldur" {
		t.Error(rendered(t, c, diags))
	}
	c, diags = config.Load("/etc/cscs-sync/cscs-sync.hcl", w, config.Options{Secrets: config.Skip})
	if diags.HasErrors() || c.Shared.URL.IsSet() {
		t.Error(rendered(t, c, diags))
	}
}

// TestTheGroupsFingerprint: nodes of one group must have in common what decides what is done, but
// not what belongs to one node.
func TestTheGroupsFingerprint(t *testing.T) {
	group := func(src string) string {
		t.Helper()
		w := newWorld()
		w.files["/etc/cscs-sync/state.url"] = file{data: "postgres://db1/waldur", mode: 0o600}
		w.files["/etc/cscs-sync/signers"] = file{data: "", mode: 0o644}
		c, diags := load(t, w, src)
		if diags.HasErrors() || len(c.Shared.Group) != 64 {
			t.Fatalf("%s\n%s", src, rendered(t, c, diags))
		}
		return c.Shared.Group
	}
	all := base + "approval { allowed_signers = \"signers\" }\nauto_approve { allow = [\"create\"] }\n" +
		"run { interval = \"60s\" }\noverride \"one\" {\n match { path = \"/capstor/**\" }\n mode = \"2770\"\n}\n" +
		sharedBlock
	same := group(all)
	for name, x := range map[string]struct {
		old, latest string
		differs     bool
	}{
		"the node's name":   {`node = "mgmt1"`, `node = "mgmt2"`, false},
		"the node's folder": {"/srv/state", "/srv/other", false},
		"the fence":         {`"-v"`, `"-q"`, false},
		"metrics": {"run { interval = \"60s\" }",
			"run {\n listen = \"127.0.0.1:1\"\n interval = \"60s\"\n}", false},
		"a comment":             {"mode = \"2770\"", "# why\n mode =   \"2770\"", false},
		"an override":           {"mode = \"2770\"", "mode = \"2775\"", true},
		"the name of the state": {`name = "alps"`, `name = "jura"`, false},
		"the lease":             {"path = \"/srv", "lease = \"20s\"\n path = \"/srv", true},
		"the policy":            {`["create"]`, `["create", "report"]`, true},
		"the interval":          {"60s", "61s", true},
	} {
		changed := strings.Replace(all, x.old, x.latest, 1)
		if changed == all {
			t.Fatalf("%s: nothing was changed", name)
		}
		if got := group(changed); (got != same) != x.differs {
			t.Errorf("%s: differs %v, want %v", name, got != same, x.differs)
		}
	}
}
