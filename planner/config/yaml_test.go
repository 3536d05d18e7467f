package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// standing are the directories on disk.
type standing []string

func (s standing) IsDir(path string) bool {
	for _, p := range s {
		if p == path {
			return true
		}
	}
	return false
}

const agentYAML = `# Proxy Connection
proxy_url: "https://waldur-storage-proxy.example.com/api/storage-resources/"
api_token: "` + marker + `-api"
waldur_api_token: ` + marker + `-waldur
storage_root: "/mnt/lustre"
dry_run: true
debug_mode: true
sync_interval_seconds: 90
system_mappings:
  capstor: "capstor"
  vast: "vast-store"
min_gid_allowed: 2000
archive_dir: "/mnt/lustre/.trash"
`

func TestFromYAML(t *testing.T) {
	conv, err := config.FromYAML([]byte(agentYAML), standing{})
	if err != nil {
		t.Fatal(err)
	}
	if len(conv.Secrets) != 2 || conv.Secrets[0].Name != "proxy.token" ||
		conv.Secrets[0].Value.Reveal() != marker+"-api" ||
		conv.Secrets[1].Name != "waldur.token" || conv.Secrets[1].Value.Reveal() != marker+
		"-waldur" {
		t.Errorf("secrets %+v", conv.Secrets)
	}
	if all := conv.HCL + strings.Join(conv.Notes, "\n"); strings.Contains(all, marker) {
		t.Errorf("a secret is shown:\n%s", all)
	}
	c := mustLoad(t, conv.HCL)
	if c.Storage.Root != "/mnt/lustre" || c.Storage.Archive != ".trash" ||
		c.Settings.MinGID != 2000 || c.Run.Interval.Seconds() != 90 ||
		len(c.Settings.Systems) != 2 || c.Settings.Systems[1].Directory != "vast-store" ||
		c.Settings.Tera != 1<<40 {
		t.Errorf("got %+v", c)
	}
	for _, want := range []string{"waldur.url", "dry_run", "debug_mode",
		"/mnt/lustre/vast, which does not exist"} {
		if !strings.Contains(strings.Join(conv.Notes, "\n"), want) {
			t.Errorf("no note has %q: %q", want, conv.Notes)
		}
	}
}

// The agent never read system_mappings. If there is data in the folder that it used, init chooses
// no folder.
func TestFromYAMLDoesNotChoose(t *testing.T) {
	conv, err := config.FromYAML([]byte(agentYAML), standing{"/mnt/lustre/vast"})
	if err != nil {
		t.Fatal(err)
	}
	c, diags := load(t, newWorld(), conv.HCL)
	if text := rendered(t, c, diags); !strings.Contains(text, `"directory" is required`) ||
		strings.Count(text, "Error:") != 1 {
		t.Errorf("validate says:\n%s\nof\n%s", text, conv.HCL)
	}
	for _, line := range []string{`# directory = "vast"`, `# directory = "vast-store"`} {
		if !strings.Contains(conv.HCL, line) {
			t.Errorf("no line %s in\n%s", line, conv.HCL)
		}
		chosen := strings.Replace(conv.HCL, line+"\n", strings.TrimPrefix(line, "# ")+"\n", 1)
		if c, diags := load(t, newWorld(), chosen); len(diags) > 0 {
			t.Errorf("with %s chosen:\n%s", line, rendered(t, c, diags))
		}
	}
}

func TestFromYAMLRefuses(t *testing.T) {
	for src, want := range map[string]string{
		"":                              "want keys and values",
		"[1, 2]":                        "want keys and values",
		"storage_rot: /mnt":             `"storage_rot" is not a key of the agent. Did you mean "storage_root"?`,
		"proxy_url: a\nproxy_url: b":    "twice",
		"dry_run: maybe":                "true or false",
		"sync_interval_seconds: 1.5":    "whole number",
		"min_gid_allowed: -1":           "whole number",
		"system_mappings: capstor":      "wants systems",
		"system_mappings: {a: ../b}":    "no system and directory",
		"system_mappings: {a/b: c}":     "no system and directory",
		"system_mappings: {a: /b/../c}": "no system and directory",
		"system_mappings: {a: //mnt/b}": "no system and directory",
		"system_mappings: {a: /mnt/b}":  "no absolute storage_root",
		"system_mappings: {a: /data/b}\nstorage_root: /mnt": "is not below storage_root, /mnt",
		"system_mappings: {a: /mnt}\nstorage_root: /mnt":    "is not below storage_root, /mnt",
		"system_mappings: {a: /mntb}\nstorage_root: /mnt":   "is not below storage_root, /mnt",
		"system_mappings: {a: /mnt/a}\nstorage_root: mnt":   "no absolute storage_root",
		"api_token: [" + marker + "]":                       "wants one value",
		"api_token: *" + marker:                             "syntax is wrong",
		"api_token: \"" + marker:                            "syntax is wrong",
		"api_token: {" + marker:                             "syntax is wrong",
		"a: 1\nb: 2":                                        `line 2: "b"`,
	} {
		_, err := config.FromYAML([]byte(src), standing{})
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), marker) {
			t.Errorf("%q: %v, want %q", src, err, want)
		}
	}
}

// Absolute directories are below storage_root, wherever storage_root is in the file. The result is
// never /mnt/mnt/capstor.
func TestFromYAMLAbsoluteMappings(t *testing.T) {
	for _, tc := range []struct{ root, folder, want string }{
		{"/mnt", "/mnt/capstor", "capstor"}, {"/mnt/", "/mnt/capstor/", "capstor"},
		{"/", "/capstor", "capstor"}, {"/mnt", "capstor", "capstor"},
		{"/mnt", "/mnt/lustre/fs1", "lustre/fs1"},
	} {
		conv, err := config.FromYAML([]byte("system_mappings: {capstor: "+tc.folder+
			"}\nstorage_root: "+tc.root+"\n"), standing{})
		if err != nil || !strings.Contains(conv.HCL, "directory  = \""+tc.want+"\"\n") {
			t.Errorf("%+v: %v\n%s", tc, err, conv.HCL)
		}
		if !slices.ContainsFunc(conv.Notes,
			func(n string) bool { return strings.Contains(n, "Choose shared") }) {
			t.Errorf("%+v: no word of shared in %q", tc, conv.Notes)
		}
	}
}

func TestFromYAMLOutputLoads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-z][a-z0-9._-]{0,8}[a-z]`)
		var b strings.Builder
		fmt.Fprintf(&b, "proxy_url: 'https://%s.example.com/%s'\n",
			rapid.StringMatching(`[a-z]{1,9}`).Draw(rt, "host"), name.Draw(rt, "path"))
		fmt.Fprintf(&b, "api_token: %q\n", marker+rapid.StringMatching(`[!-~]{0,20}`).Draw(rt,
			"token"))
		fmt.Fprintf(&b, "storage_root: /%s/%s${x}%%{y}\n", name.Draw(rt, "root"),
			name.Draw(rt, "root2"))
		fmt.Fprintf(&b, "sync_interval_seconds: %d\n", rapid.IntRange(1, 3600).Draw(rt, "interval"))
		fmt.Fprintf(&b, "min_gid_allowed: %d\n", rapid.IntRange(1, 1<<31-1).Draw(rt, "gid"))
		if systems := rapid.SliceOfNDistinct(name, 0, 4, rapid.ID[string]).Draw(rt,
			"systems"); len(systems) > 0 {
			b.WriteString("system_mappings:\n")
			for i, s := range systems {
				fmt.Fprintf(&b, "  %q: %q\n", s, fmt.Sprintf("dir%d/%s", i, s))
			}
		}
		conv, err := config.FromYAML([]byte(b.String()), standing{})
		if err != nil {
			rt.Fatalf("%v\n%s", err, b.String())
		}
		c, diags := load(t, newWorld(), conv.HCL)
		if diags.HasErrors() || strings.Contains(conv.HCL, marker) {
			rt.Fatalf("%s\n%s", rendered(t, c, diags), conv.HCL)
		}
		again, diags := config.Format([]byte(conv.HCL), "x.hcl")
		if diags.HasErrors() || string(again) != conv.HCL {
			rt.Fatalf("not in canonical layout:\n%s", conv.HCL)
		}
	})
}

func FuzzFromYAML(f *testing.F) {
	f.Add([]byte(agentYAML))
	f.Add([]byte("a: &x [*x]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		conv, err := config.FromYAML(src, standing{"/mnt/lustre/vast"})
		if err != nil {
			return
		}
		if _, diags := config.Format([]byte(conv.HCL), "x.hcl"); diags.HasErrors() {
			t.Errorf("%q makes %s: %v", src, conv.HCL, diags)
		}
	})
}
