package config_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

const (
	variables = `
variable "v" {
  default = "a"
}
variable "root" {
  default = "/mnt/lustre"
}
locals { interval = "5m" }
run { interval = local.interval }
`
	withVariables = "storage {\n  root = var.root\n}\nsystem \"capstor\" {\n  directory = " +
		"\"capstor\"\n  filesystem = \"lustre\"\n}\n" + variables
)

// TestFingerprintCoversVariables: another value, or a value of another type, is another
// configuration.
func TestFingerprintCoversVariables(t *testing.T) {
	seen := map[string]string{mustLoad(t, base).Settings.Fingerprint: "none"}
	for _, v := range []string{`"a"`, `"b"`, `"1"`, `1`, `1.0000000000000000000000001`, `["1"]`,
		`toset(["1"])`, `true`, `null`} {
		src := strings.Replace(withVariables, `"a"`, v, 1)
		if strings.Contains(v, "toset") {
			src = strings.Replace(withVariables, `default = "a"`,
				"type = set(string)\ndefault = [\"1\"]", 1)
		}
		c := mustLoad(t, src)
		if other := seen[c.Settings.Fingerprint]; other != "" {
			t.Errorf("%s has the fingerprint of %s", v, other)
		}
		seen[c.Settings.Fingerprint] = v
		i := slices.IndexFunc(c.Settings.Parts,
			func(p planner.ConfigurationPart) bool { return p.Name == "var.v" })
		if i < 0 || c.Settings.Parts[i].Value == "" {
			t.Errorf("%s: no part says so: %+v", v, c.Settings.Parts)
		}
	}
	if c := mustLoad(t, withVariables); c.Storage.Root != "/mnt/lustre" ||
		c.Run.Interval.String() != "5m0s" {
		t.Errorf("root %s, interval %s", c.Storage.Root, c.Run.Interval)
	}
}

// TestVariablesAreNoSecrets: a secret of the configuration that gets into a variable is refused,
// and not shown.
func TestVariablesAreNoSecrets(t *testing.T) {
	for _, src := range []string{
		"variable \"v\" {}\nproxy {\n url = \"https://p.example.com/\"\n token = " +
			"env(\"TOKEN\")\n}\n",
		"variable \"v\" {}\nproxy {\n url = \"https://p.example.com/\"\n token = var.v\n}\n",
		"variable \"v\" {\n sensitive = true\n}\n",
	} {
		w := newWorld()
		w.env["CSCS_SYNC_VAR_v"] = marker + "-env"
		c, diags := load(t, w, base+src)
		if !diags.HasErrors() {
			t.Errorf("%s: no error", src)
		}
		if shown := everyForm(t, c, diags); strings.Contains(shown, marker) {
			t.Errorf("%s: shown: %s", src, shown)
		}
	}
}

// TestVariableFile: a file gives values, and its mistakes are shown with their lines.
func TestVariableFile(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"good":     {"root = \"/mnt/other\"\n", ""},
		"misspelt": {"rot = 1\n", `Did you mean "root"?`},
		"a block":  {"root {}\n", "Unexpected \"root\" block"},
		"a call":   {"root = env(\"TOKEN\")\n", "want a constant"},
		"a name":   {"root = v\n", "is a name"},
		"broken":   {"root = \n", "Invalid expression"},
		"too large": {"root = \"" + strings.Repeat("x", 300<<10) + "\"\n",
			"more than 262144 bytes"},
	} {
		w := newWorld()
		w.files["/etc/cscs-sync/site.vars"] = file{data: c.file, mode: 0o644}
		w.files["/etc/cscs-sync/cscs-sync.hcl"] = file{data: withVariables, mode: 0o644}
		got, diags := config.Load("/etc/cscs-sync", w,
			config.Options{Variables: []config.VariableInput{{File: "/etc/cscs-sync/site.vars"}}})
		if c.want == "" && (diags.HasErrors() || got.Storage.Root != "/mnt/other") ||
			!strings.Contains(diags.Error(), c.want) {
			t.Errorf("%s: root %s, %v; want %q", name, got.Storage.Root, diags, c.want)
		}
	}
}

// TestNeverWorks: validate finds what no plan will ever do, without the proxy. It does not warn
// about what may work.
func TestNeverWorks(t *testing.T) {
	for src, want := range map[string]string{
		"match { path = \"/capstro/**\" }\n mode = \"2770\"":                         "No system has mount paths below /capstro",
		"match { path = \"/capstor/**\" }\n group = 999":                             "below storage.min_gid",
		"match { gid = 7 }\n quota {\n space_soft = tib(2)\n space_hard = tib(1)\n}": "space_soft is above space_hard",
		"match { gid = 7 }\n quota {\n inodes_soft = 2\n inodes_hard = 1\n}":         "inodes_soft is above inodes_hard",
		"match { path = \"/capstor/**\" }\n mode = \"2770\"":                         "",
		"match { path = \"/*/store/**\" }\n group = 1000":                            "",
		"match { path = \"/**\" }\n quota {\n space_soft = 1\n space_hard = " +
			"upstream.quota.space_hard\n}": "",
	} {
		_, diags := load(t, newWorld(), base+"override \"x\" {\n"+src+"\n}\n")
		if diags.HasErrors() || want == "" && len(diags) > 0 || want != "" &&
			!strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", src, diags, want)
		}
	}
}

// TestDocsNameEveryFunction checks that docs/reference/expressions.md names exactly the functions
// that exist.
func TestDocsNameEveryFunction(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/expressions.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)the same names and meanings: `([^`]*)`").FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/reference/expressions.md does not list the functions")
	}
	have := slices.DeleteFunc(slices.Sorted(maps.Keys(expr.Functions())), func(name string) bool {
		return name == "file" || name == "env" ||
			regexp.MustCompile("^[kmgtp]i?b$").MatchString(name)
	})
	if named := strings.Fields(string(found[1])); !slices.Equal(named, have) {
		t.Errorf("named %v\nthere are %v", named, have)
	}
}
