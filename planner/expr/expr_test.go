package expr_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// compile compiles the variable and locals blocks of src.
func compile(t testing.TB, src string, inputs ...expr.Input) (*expr.Scope, hcl.Diagnostics) {
	t.Helper()
	file, diags := hclsyntax.ParseConfig([]byte(src), "site.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, diags := file.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "variable", LabelNames: []string{"name"}}, {Type: "locals"}}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	by := content.Blocks.ByType()
	return expr.Compile(by["variable"], by["locals"], inputs)
}

func parse(t testing.TB, src string) hcl.Expression {
	t.Helper()
	e, diags := hclsyntax.ParseExpression([]byte(src), "x", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %v", src, diags)
	}
	return e
}

func given(name, text string) expr.Input {
	return expr.Input{Name: name, Text: text,
		From: "--var"}
}

const site = `
variable "headroom" { 
  type    = number
  default = 1.1
}
variable "names" { default = ["a", "b"] }
variable "free" {}
variable "cluster" {
  type = object({ name = string, size = optional(number, 7) })
  default = { name = "alps" }
}
locals { total = local.base * 2 }
locals { base = var.headroom * 10 }
`

func TestScope(t *testing.T) {
	s, diags := compile(t, site, given("free", "17"), given("headroom", "1.5"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for src, want := range map[string]string{
		`var.headroom`: "1.5", `local.total`: "30", `var.free`: `"17"`,
		`var.cluster`:                                        `{ name = "alps", size = 7 }`,
		`[for n in var.names : upper(n)]`:                    `["A", "B"]`,
		`{ for n in var.names : n => 1 }`:                    `{ a = 1, b = 1 }`,
		`"%{ if var.headroom > 1 }x%{ endif }${local.base}"`: `"x15"`,
		`try(regex("x", "abc"), "none")`:                     `"none"`,
		`can(tonumber("x"))`:                                 "false",
		`replace("a-b", "/[a-z]/", "x")`:                     `"x-x"`,
		`replace("a.b", ".", "")`:                            `"ab"`,
		`length("äö") + length([1, 2])`:                      "4",
		`sum([1, 2.5])`:                                      "3.5",
		`alltrue([true, false])`:                             "false",
		`anytrue([true, false])`:                             "true",
		`one(["x"])`:                                         `"x"`,
		`one([])`:                                            "null",
		`startswith("abc", "ab") && endswith("abc", "bc")`:   "true",
		`merge({ a = 1 }, { b = 2 })["b"]`:                   "2",
		`lookup({ a = 1 }, "b", 9)`:                          "9",
		`format("%03d-%s", 7, "x")`:                          `"007-x"`,
		`ceil(1.2) + floor(1.8) + abs(-1)`:                   "4",
		`jsondecode(jsonencode({ a = [1] })).a[0]`:           "1",
		`toset(["b", "a", "b"])`:                             `["a", "b"]`,
		`coalesce(null, "x")`:                                `"x"`,
		`tib(1)`:                                             "1099511627776",
		`"a\u202eb\n$${"`:                                    `"a\u202eb\n$${"`,
	} {
		v, diags := s.Value(parse(t, src))
		if diags.HasErrors() {
			t.Errorf("%s: %v", src, diags)
			continue
		}
		if got := expr.Show(v, 0); got != want {
			t.Errorf("%s is %s, want %s", src, got, want)
		}
	}
}

func TestScopeRefuses(t *testing.T) {
	s, diags := compile(t, site, given("free", "x"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for src, want := range map[string]string{
		`var.headrom`:                          `Did you mean "headroom"?`,
		`local.tota`:                           `Did you mean "total"?`,
		`var["nothing"]`:                       "No variable",
		`file("/etc/shadow")`:                  "is allowed only in",
		`env("HOME")`:                          "is allowed only in",
		`timestamp()`:                          "no function named",
		`pow(10, 400)`:                         "infinite",
		`tonumber("Inf")`:                      "infinite",
		`log(0, 10)`:                           "infinite",
		`format("%999999999d", 1)`:             "three digits",
		`formatlist("%1$999999999d", [1])`:     "three digits",
		`indent(999999999, "a\nb")`:            "at most 100",
		`setproduct(range(1000), range(1000))`: "more than 10000",
		"replace(\"" + strings.Repeat("a", 9000) + "\", \"a\", \"" + strings.Repeat("b", 9000) +
			"\")": "too large",
		"jsonencode([for i in range(1000) : \"" + strings.Repeat("b", 2000) +
			"\"])": "too large",
		`[for a in range(9) : [for b in range(9) : [for c in range(9) : c]]]`: "Nested too deeply",
	} {
		v, diags := s.Value(parse(t, src))
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s is %s, %v; want an error with %q", src, expr.Show(v, 99), diags, want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	number := "variable \"n\" {\n type = number\n}\n"
	long := strings.Repeat("x", 70<<10)
	for name, c := range map[string]struct {
		src    string
		inputs []expr.Input
		want   string
	}{
		"no value":        {number, nil, "has no default"},
		"not a number":    {number, []expr.Input{given("n", "many")}, "is a name"},
		"infinite":        {number, []expr.Input{given("n", `"Inf"`)}, "infinite"},
		"too many digits": {number, []expr.Input{given("n", `"1e9999"`)}, "too many digits"},
		"long number":     {number, []expr.Input{given("n", "1e999999999")}, "Number too long"},
		"a call":          {number, []expr.Input{given("n", "max(1, 2)")}, "want a constant"},
		"syntax":          {number, []expr.Input{given("n", "1 +")}, "as HCL"},
		"empty":           {number, []expr.Input{given("n", "")}, "is empty"},
		"misspelt": {number, []expr.Input{given("n", "1"), given("m", "1")},
			`Did you mean "n"?`},
		"huge": {`variable "s" {}`, []expr.Input{given("s", long)}, "too large"},
		"sensitive": {"variable \"s\" {\n sensitive = true\n}", nil,
			"A variable is not secret"},
		"bad default": {"variable \"s\" {\n type = list(number)\n default = [\"x\"]\n}", nil,
			"Unsuitable default"},
		"bad type": {"variable \"s\" {\n type = lits(number)\n}", nil, "lits"},
		"default of another": {"variable \"s\" {\n default = var.t\n}", nil,
			"Variables not allowed"},
		"twice": {number + number, []expr.Input{given("n", "1")},
			"Duplicate variable"},
		"validation": {"variable \"s\" {\n default = 1\n validation {\n  condition = var.s > 1\n " +
			" error_message = \"More than ${var.s}.\"\n }\n}",
			nil, "More than 1. (s is 1, from default)"},
		"condition of a stranger": {
			"variable \"s\" {\n default = 1\n validation {\n  condition = var.t > 1\n  " +
				"error_message = \"x\"\n }\n}",
			nil, "Undeclared variable"},
		"no condition": {"variable \"s\" {\n default = 1\n validation {\n  condition = " +
			"\"maybe\"\n  error_message = \"x\"\n }\n}", nil, "true or false"},
		"circle": {"locals {\n a = local.b\n b = local.c\n c = local.a\n}", nil,
			"local.a needs local.b needs local.c needs local.a"},
		"itself":         {"locals {\n a = local.a\n}", nil, "local.a needs local.a"},
		"all at once":    {"locals {\n a = local\n}", nil, "All locals at once"},
		"local twice":    {"locals {\n a = 1\n}\nlocals {\n a = 2\n}", nil, "Duplicate local"},
		"upstream":       {"locals {\n a = upstream.mode\n}", nil, "depends on no resource"},
		"unlimited":      {"locals {\n a = unlimited\n}", nil, "depends on no resource"},
		"secret":         {"locals {\n a = file(\"/etc/shadow\")\n}", nil, "is allowed only in"},
		"billion laughs": {laughs(), nil, "too large"},
	} {
		_, diags := compile(t, c.src, c.inputs...)
		if !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, diags, c.want)
		}
	}
}

// laughs doubles a text forty times.
func laughs() string {
	var b strings.Builder
	b.WriteString("locals {\n a0 = \"ha\"\n")
	for i := range 40 {
		n := string(rune('0'+i/10)) + string(rune('0'+i%10))
		m := string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
		if i == 0 {
			n = "0"
		}
		b.WriteString(" a" + m + " = \"${local.a" + n + "}${local.a" + n + "}\"\n")
	}
	return b.String() + "}\n"
}

// TestUsed: a value names the variables that it depends on, also through locals. If it uses a whole
// object, it depends on all of them.
func TestUsed(t *testing.T) {
	s, diags := compile(t, site, given("free", "x"))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for src, want := range map[string]string{
		"1": "", "var.headroom": "headroom", "local.total": "headroom",
		"[for n in var.names : local.base]": "headroom names",
		"var":                               "cluster free headroom names",
		"local":                             "cluster free headroom names",
		"[for v in [1] : v]":                "",
	} {
		var names []string
		for _, v := range s.Used(parse(t, src)) {
			names = append(names, v.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s uses %q, want %q", src, got, want)
		}
	}
}

// TestNothingDeclared: without a scope, expressions have functions only.
func TestNothingDeclared(t *testing.T) {
	var s *expr.Scope
	if v, diags := s.Value(parse(t, "max(1, 2)")); diags.HasErrors() ||
		!v.RawEquals(cty.NumberIntVal(2)) {
		t.Error(v, diags)
	}
	if _, diags := s.Value(parse(t, "var.x")); !diags.HasErrors() {
		t.Error("var.x is found")
	}
}

// FuzzInput gives any text to variables of several types. The text is an error, or a value that is
// written again as the same value.
func FuzzInput(f *testing.F) {
	for _, s := range []string{"1", `"x"`, "{ a = 1 }", "[1, null]", "1e99", "-0", "true", "${a}",
		"\xff", `"\u0000"`, "<<E\nx\nE\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, typ := range []string{"number", "string", "bool", "list(string)", "map(any)",
			"object({ a = optional(number, 1) })"} {
			src := "variable \"v\" {\n type = " + typ + "\n}\n"
			s, diags := compile(t, src, given("v", text))
			if diags.HasErrors() {
				continue
			}
			v := s.Variables()[0].Value
			if !v.IsWhollyKnown() || v.ContainsMarked() {
				t.Fatalf("%s %q is %#v", typ, text, v)
			}
			if typ == "string" {
				continue // a text is taken as it is
			}
			again, diags := compile(t, src, given("v", expr.Show(v, 0)))
			if typ != "number" && diags.HasErrors() {
				t.Fatalf("%s %q is %s, and that is refused: %v", typ, text, expr.Show(v, 0), diags)
			}
			if typ == "bool" && !again.Variables()[0].Value.RawEquals(v) {
				t.Fatalf("%s %q is %s, and that is another", typ, text, expr.Show(v, 0))
			}
		}
	})
}
