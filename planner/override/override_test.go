package override_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/override"
)

// compile compiles the one override block in src.
func compile(t testing.TB, src string) (*override.Override, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(src), "/etc/cscs-sync/overrides.hcl",
		hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := file.Body.Content(
		&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "override",
			LabelNames: []string{"name"}}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return override.Compile(content.Blocks[0], nil)
}

func mustCompile(t testing.TB, src string) *override.Override {
	t.Helper()
	o, diags := compile(t, src)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	return o
}

const tib = 1 << 40

func upstream() planner.Upstream {
	return planner.Upstream{
		Facts: planner.Facts{Path: "/capstor/scratch/cscs/climate/p1", DataType: "scratch",
			System: "capstor", Tenant: "cscs",
			Customer: "climate", Project: "p1", Target: planner.TargetProject,
			Status: planner.StatusActive, GID: 30500, HasGID: true},
		Mode: "2750",
		Quota: planner.Limits{planner.SpaceHard: planner.LimitOf(planner.Bytes(20 * tib)),
			planner.InodesSoft: planner.LimitOf(planner.Inodes(1_330_000)),
			planner.InodesHard: planner.LimitOf(planner.Inodes(1331))},
	}
}

func TestApply(t *testing.T) {
	space := func(n uint64) planner.Limit { return planner.LimitOf(planner.Bytes(n)) }
	inodes := func(n uint64) planner.Limit { return planner.LimitOf(planner.Inodes(n)) }
	for _, c := range []struct {
		body string
		want planner.Limits
		err  string
	}{
		{body: `quota { space_hard = tib(18) }`,
			want: planner.Limits{planner.SpaceHard: space(18 * tib)}},
		{body: `quota { space_hard = tb(18) }`,
			want: planner.Limits{planner.SpaceHard: space(18e12)}},
		{body: `quota { space_hard = tib(0.1) }`,
			want: planner.Limits{planner.SpaceHard: space(109951162777)}},
		{body: `quota { space_hard = upstream.quota.space_hard * 1.1 }`,
			want: planner.Limits{planner.SpaceHard: space(22 * tib)}},
		{body: `quota { space_hard = upstream.quota.space_hard / 3 }`,
			want: planner.Limits{planner.SpaceHard: space(20 * tib / 3)}},
		{body: `quota { inodes_hard = upstream.quota.inodes_hard * 1.1 }`,
			want: planner.Limits{planner.InodesHard: inodes(1464)}},
		{body: `quota { space_hard = unlimited }`,
			want: planner.Limits{planner.SpaceHard: planner.Unlimited()}},
		{body: `quota { space_hard = upstream.gid > 5 ? unlimited : kib(1) }`,
			want: planner.Limits{planner.SpaceHard: planner.Unlimited()}},
		{body: `quota { space_hard = min(unlimited, upstream.quota.space_hard, pib(1)) }`,
			want: planner.Limits{planner.SpaceHard: space(20 * tib)}},
		{body: `quota { space_soft = coalesce(upstream.quota.space_soft, mib(3)) }`,
			want: planner.Limits{planner.SpaceSoft: space(3 << 20)}},
		{body: `quota { inodes_soft = max(upstream.quota.inodes_soft, 5) }`,
			want: planner.Limits{planner.InodesSoft: inodes(1_330_000)}},
		{body: `quota { space_soft = 0 }`, want: planner.Limits{planner.SpaceSoft: space(0)}},
		{body: `quota { space_soft = upstream.quota.space_soft * 2 }`,
			err: `override "o": space_soft (overrides.hcl:3): upstream.quota.space_soft is null, because the proxy does not give it; coalesce(…, …) can name what to use instead`},
		{body: `quota { space_soft = upstream.quota.space_soft }`,
			err: `upstream.quota.space_soft is null`},
		{body: `quota { space_hard = upstream.quota.space_hard - pib(1) }`,
			err: `space_hard (overrides.hcl:3): the value is negative`},
		{body: `quota { space_hard = upstream.quota.space_hard * pib(1) }`, err: `too large`},
		{body: `quota { space_hard = upstream.quota.space_hard / 0 }`, err: `division by zero`},
		{body: `quota { space_hard = upstream.gid / (upstream.gid - 30500) }`,
			err: `division by zero`},
		{body: `mode = upstream.tenant`,
			err: `mode (overrides.hcl:3): mode "cscs": want three or four octal digits`},
		{body: `group = upstream.gid + 0.5`, err: `want a whole number from 0 to 2147483647`},
	} {
		o := mustCompile(t, "override \"o\" {\n match { path = \"/**\" }\n"+c.body+"\n}")
		w, err := o.Apply(upstream())
		if (err == nil) != (c.err == "") || err != nil &&
			!strings.Contains(strings.ToLower(err.Error()), strings.ToLower(c.err)) {
			t.Errorf("%s: error %v, want %q", c.body, err, c.err)
		}
		if w.Quota != c.want {
			t.Errorf("%s: %+v, want %+v", c.body, w.Quota, c.want)
		}
	}
}

func TestApplyDirectAttributes(t *testing.T) {
	o := mustCompile(t, `override "o" {
		match { path = "/**" }
		owner  = 1234
		group  = upstream.group + 1
		mode   = coalesce(upstream.mode, "2770")
		manage = upstream.status != "error"
		reason = "CHG-1"
	}`)
	w, err := o.Apply(upstream())
	if err != nil {
		t.Fatal(err)
	}
	if *w.Owner != 1234 || *w.Group != 30501 || *w.Mode != "2750" || !*w.Manage || w.Quota.Known() {
		t.Errorf("got owner %d, group %d, mode %s, manage %v, quota %+v", *w.Owner, *w.Group,
			*w.Mode, *w.Manage, w.Quota)
	}
	want := planner.Provenance{From: planner.FromOverride, Override: "o", At: "overrides.hcl:1"}
	if o.Source() != want || o.Reason() != "CHG-1" || o.Name() != "o" {
		t.Errorf("source %+v, reason %q, name %q", o.Source(), o.Reason(), o.Name())
	}
}

// One application must not change anything that the next one sees.
func TestApplyKeepsNothing(t *testing.T) {
	o := mustCompile(t, `override "o" {
		match { path = "/**" }
		quota {
			space_hard = upstream.quota.space_hard
			space_soft = kib(1)
		}
	}`)
	first := upstream()
	if _, err := o.Apply(first); err != nil {
		t.Fatal(err)
	}
	first.Quota[planner.SpaceHard] = planner.LimitOf(planner.Bytes(5))
	w, err := o.Apply(first)
	if n, _ := w.Quota[planner.SpaceHard].Number(); err != nil || n != 5 {
		t.Errorf("second application: %d, %v", n, err)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		match string
		want  bool
	}{
		{`path = "/capstor/scratch/**"`, true},
		{`path = ["/other/**", "/capstor/*/cscs/**"]`, true},
		{`path = "/capstor/*"`, false},
		{`data_type = "scratch"`, true},
		{`data_type = ["store", "archive"]`, false},
		{"path = \"/capstor/**\"\n data_type = \"store\"", false},
		{"system = \"capstor\"\n tenant = \"cscs\"\n customer = \"climate\"\n project = \"p1\"\n " +
			"target = \"project\"\n status = \"active\"\n gid = 30500", true},
		{`gid = [1, 30500]`, true},
		{`gid = 1`, false},
		{`target = "user"`, false},
		{`status = ["pending", "active"]`, true},
		{`customer = "clim*"`, false},
	} {
		o := mustCompile(t, "override \"o\" {\n match {\n"+c.match+"\n}\n mode = \"2770\"\n}")
		if got := o.Matches(upstream().Facts); got != c.want {
			t.Errorf("%s: %v, want %v", c.match, got, c.want)
		}
	}
	customer := planner.Facts{Path: "/capstor/scratch/cscs/climate", DataType: "scratch",
		System: "capstor", Tenant: "cscs", Customer: "climate", Target: planner.TargetCustomer}
	for match, want := range map[string]bool{`path = "/capstor/scratch/cscs/climate/**"`: false,
		`customer = "climate"`: false, `target = "customer"`: true,
		"path = \"/capstor/**\"\n target = [\"tenant\", \"customer\"]": true,
		`target = "project"`: false} {
		if got := mustCompile(t, "override \"o\" {\n match {\n"+match+
			"\n}\n mode = \"2770\"\n}").Matches(customer); got != want {
			t.Errorf("a customer's directory and %s: %v, want %v", match, got, want)
		}
	}
	without := upstream().Facts
	without.GID, without.HasGID = 0, false
	if mustCompile(t, "override \"o\" {\n match { gid = 0 }\n mode = \"2770\"\n}").Matches(
		without) {
		t.Error("a resource without a group matches gid 0")
	}
}

func TestExpires(t *testing.T) {
	for _, c := range []struct{ expires, last, first string }{
		{"2026-12-31", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		{"2026-12-31T18:00:00+01:00", "2026-12-31T16:59:59Z", "2026-12-31T17:00:00Z"},
	} {
		o := mustCompile(t, "override \"o\" {\n match { path = \"/**\" }\n mode = \"2770\"\n "+
			"expires = \""+c.expires+"\"\n}")
		last, _ := time.Parse(time.RFC3339, c.last)
		first, _ := time.Parse(time.RFC3339, c.first)
		if o.Expired(last) || !o.Expired(first) {
			t.Errorf("%s: expired at its last second %v, after it %v", c.expires, o.Expired(last),
				o.Expired(first))
		}
	}
	if mustCompile(t, "override \"o\" {\n match { path = \"/**\" }\n mode = \"2770\"\n}").Expired(
		time.Unix(1<<40, 0)) {
		t.Error("an override without an end expired")
	}
}

func TestCompileRefuses(t *testing.T) {
	const match = "match { path = \"/**\" }\n"
	for body, want := range map[string]string{
		`mode = "2770"`:                                 "Missing match block",
		match + match + `mode = "2770"`:                 "Duplicate match block",
		"match {}\n mode = \"2770\"":                    "Empty match block",
		"match { path = [] }\n mode = \"2770\"":         "an empty list matches nothing",
		"match { path = \"a\" }\n mode = \"2770\"":      "want a whole address",
		"match { path = 5 }\n mode = \"2770\"":          "text in quotes",
		"match { gid = \"5\" }\n mode = \"2770\"":       "a group id or a list",
		"match { gid = 1.5 }\n mode = \"2770\"":         "whole numbers",
		"match { target = \"tree\" }\n mode = \"2770\"": `there is no target "tree"; the words are tenant, customer, project or user`,
		"match { status = \"gone\" }\n mode = \"2770\"": `there is no status`,
		"match { pth = \"/a\" }\n mode = \"2770\"":      `Did you mean "path"?`,
		match:                 "Override changes nothing",
		match + `mode = 2770`: `octal digits in quotes, such as "2770", not number`,
		match + `mode = "27x0"`: "want three or four " +
			"octal digits",
		match + `mode = null`:                                        "leave mode out",
		match + `mode = unlimited`:                                   "only in the quota block",
		match + `owner = "root"`:                                     "a numeric user id",
		match + `owner = -1`:                                         "negative",
		match + `owner = 4294967295`:                                 "from 0 to 2147483647",
		match + `manage = "false"`:                                   "leave the resource alone",
		match + `quota { space_hard = "20T" }`:                       "tib(20)",
		match + `quota { space_hard = -1 }`:                          "negative",
		match + `quota { space_hard = -0.1 }`:                        "negative",
		match + `quota { inodes_hard = 1.5 }`:                        "inodes have no fractions",
		match + `quota { space_hard = pib(9000) }`:                   "below 2^63",
		match + `quota { space_hard = 1 / 0 }`:                       "zero",
		match + `quota { space_hrd = 1 }`:                            `Did you mean "space_hard"?`,
		match + `quota { space_hard = upstream.quota.space_hrd }`:    "space_hrd",
		match + `quota { space_hard = upstrem.quota.space_hard }`:    `Did you mean "upstream"?`,
		match + `quota { space_hard = upstream.path }`:               "not string",
		match + `quota { space_hard = upstream.quota }`:              "not object",
		match + `quota { space_hard = tb(file("/etc/secret")) }`:     "only in token",
		match + `mode = env("MODE")`:                                 "only in token",
		match + "mode = \"2770\"\nexpires = \"31.12.2026\"":          "is not a date",
		match + "mode = \"2770\"\nreason = 5":                        "text in quotes",
		match + "quota { space_hard = 1 }\nquota { space_soft = 1 }": "Duplicate quota block",
		match + `quota { space_hard = max() }`:                       "at least one",
	} {
		o, diags := compile(t, "override \"o\" {\n"+body+"\n}")
		var all strings.Builder
		for _, d := range diags {
			all.WriteString(d.Summary + ": " + d.Detail + "\n")
		}
		if o != nil || !strings.Contains(strings.ToLower(all.String()), strings.ToLower(want)) {
			t.Errorf("%s\n\tgot %v %q, want %q", body, o, all.String(), want)
		}
	}
}

// A product with a decimal factor is the exact product, computed with rational numbers and rounded
// down.
func TestProductsAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Uint64Range(1, 1<<50).Draw(rt, "bytes")
		factor := rapid.StringMatching(`[0-9]\.[0-9]{1,6}`).Draw(rt, "factor")
		o := mustCompile(t, "override \"o\" {\n match { path = \"/**\" }\n quota { space_hard = "+
			"upstream.quota.space_hard * "+factor+" }\n}")
		u := upstream()
		u.Quota[planner.SpaceHard] = planner.LimitOf(planner.Bytes(n))
		w, err := o.Apply(u)
		if err != nil {
			rt.Fatal(err)
		}
		f, _ := new(big.Rat).SetString(factor)
		f.Mul(f, new(big.Rat).SetInt(new(big.Int).SetUint64(n)))
		want := new(big.Int).Quo(f.Num(), f.Denom()).Uint64()
		if got, ok := w.Quota[planner.SpaceHard].Number(); !ok || uint64(got) != want {
			rt.Errorf("%d * %s = %d, want %d", n, factor, got, want)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"upstream.quota.space_hard * 1.1", "unlimited", "min(1, tib(2))",
		`"${upstream.gid}"`, "[for x in [1] : x]", "upstream.gid == null ? 1 : 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		if strings.ContainsAny(expr, "eE") && strings.ContainsAny(expr, "0123456789") {
			// package config refuses numbers with a large exponent before anything is computed
			return
		}
		src := "override \"o\" {\n match { path = \"/**\" }\n quota {\n space_hard = " + expr +
			"\n }\n}"
		file, diags := hclsyntax.ParseConfig([]byte(src), "o.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		content, diags := file.Body.Content(
			&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "override",
				LabelNames: []string{"name"}}}})
		if diags.HasErrors() || len(content.Blocks) != 1 {
			return
		}
		o, diags := override.Compile(content.Blocks[0], nil)
		if (o == nil) != diags.HasErrors() {
			t.Fatalf("override %v with %v", o, diags)
		}
		if o != nil {
			w, err := o.Apply(upstream())
			if n, ok := w.Quota[planner.SpaceHard].Number(); err == nil && ok && n >= 1<<63 {
				t.Errorf("%s: %d passes 2^63", expr, n)
			}
		}
	})
}
