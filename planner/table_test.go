package planner_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
)

// TestEveryAttributeIsWhole: every attribute of directories is recorded, compared and shown. Every
// attribute that can change has an effect that auto_approve knows. Overrides may set everything
// that the proxy wants.
func TestEveryAttributeIsWhole(t *testing.T) {
	dir := planner.Directory{State: planner.DirPresent, Owner: 11, Group: 12, Mode: 0o2751,
		HasProject: true, Inherit: true, Project: 13,
		ACL: &planner.ACL{Access: []planner.ACLEntry{{Tag: planner.ACLUser, ID: 14, Rights: 7}}}}
	rec := planner.Record{Owner: 21, Group: 22, Mode: 0o2750, Project: 23, ACL: "user:24:rwx"}
	for _, a := range planner.Attributes() {
		if a.IsQuota() {
			if a.Word(planner.ToolLFS) == "" {
				t.Errorf("%s: `lfs setquota` is not told of it", a)
			}
		} else {
			is, observed := dir.Attribute(a)
			was, recorded := rec.Attribute(a)
			if !observed || !recorded || is == was || is.IsAbsent() ||
				planner.Show(a, is) == planner.Show(a, was) {
				t.Errorf("%s: observed %s (%t), recorded %s (%t)", a, planner.Show(a, is), observed,
					planner.Show(a, was), recorded)
			}
		}
		for _, drift := range []bool{false, true} {
			if !slices.Contains(config.AutoApproveWords(), a.Effect(drift)) {
				t.Errorf("%s: auto_approve does not know the effect %q", a, a.Effect(drift))
			}
		}
		if a.IsWish() == (a == planner.Project || a == planner.ACLAttr) || a.IsWish() &&
			a.Example() == "" {
			t.Errorf("%s: an override may set it: %t, as in %q", a, a.IsWish(), a.Example())
		}
	}
}

// TestOverridesSayAttributes: a value that an override may set is noted once. An attribute that no
// override may set is refused.
func TestOverridesSayAttributes(t *testing.T) {
	for _, a := range planner.Attributes() {
		var w planner.Wishes
		v := planner.Number(5)
		if a.Unit() == planner.UnitMode {
			v = planner.TextValue("2770")
		}
		err := w.Wish(a, v)
		if noted := w != (planner.Wishes{}); noted != a.IsWish() || (err == nil) != a.IsWish() {
			t.Errorf("%s: noted %t, %v", a, noted, err)
		}
	}
	var w planner.Wishes
	for a, v := range map[planner.Attribute]planner.Value{planner.Owner: planner.Number(1 << 31),
		planner.Group:    planner.UnlimitedValue(),
		planner.ModeAttr: planner.Number(0o770)} {
		if err := w.Wish(a, v); err == nil {
			t.Errorf("%s becomes %s", a, v)
		}
	}
}

// TestTheSchemaHasTheAttributes: the published schema of plans names the attributes of the table.
func TestTheSchemaHasTheAttributes(t *testing.T) {
	data, err := os.ReadFile("../docs/schema/plan-1.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs struct {
			Change struct {
				Properties struct {
					Attribute struct {
						Enum []planner.Attribute `json:"enum"`
					} `json:"attribute"`
				} `json:"properties"`
			} `json:"change"`
			Claim struct {
				Required   []planner.Attribute                   `json:"required"`
				Properties map[planner.Attribute]json.RawMessage `json:"properties"`
			} `json:"claim"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	changed := slices.DeleteFunc(planner.Attributes(),
		func(a planner.Attribute) bool { return a == planner.ACLAttr })
	if got := schema.Defs.Change.Properties.Attribute.Enum; !slices.Equal(got, changed) {
		t.Errorf("changes are of %v, want %v", got, changed)
	}
	if claim := schema.Defs.Claim; !slices.Equal(claim.Required, planner.LimitAttributes()) ||
		len(claim.Properties) != int(planner.NumLimits) {
		t.Errorf("claims have %v", claim.Required)
	}
}

// speaks are the files, except for the table, that may name all limits: they write another system's
// format, or texts for people.
var speaks = []string{
	"planner/attribute.go", "planner/plantest/", "cmd/cscs-sync/explain", "cmd/cscs-sync/state.go",
	"providers/quota/linux/", "providers/quota/lustre/", "providers/quota/vast/",
	"providers/quota/quotatest/", "providers/waldur/",
}

// TestLimitsAreListedOnce: no file but the table and those files lists all limits.
func TestLimitsAreListedOnce(t *testing.T) {
	limit := regexp.MustCompile(`\b(Space|Inodes)(Soft|Hard)\b|"(space|inodes)_(soft|hard)"`)
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") ||
			strings.HasSuffix(name, "_test.go") {
			return err
		}
		files++
		if slices.ContainsFunc(speaks,
			func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			return nil
		}
		text, err := os.ReadFile(path)
		found := map[string]bool{}
		for _, m := range limit.FindAllString(string(text), -1) {
			found[strings.ToLower(strings.NewReplacer("_", "", `"`, "").Replace(m))] = true
		}
		if len(found) >= int(planner.NumLimits) {
			t.Errorf("%s lists the limits by hand: let the table of planner/attribute.go drive it",
				name)
		}
		return err
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files, %v", files, err)
	}
}
