package waldur

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// parsePage parses one answer of the proxy.
func parsePage(text []byte) (listingPage, error) { return newParser().page(nil, text) }

// response returns a real answer of the proxy.
func response(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "responses", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, text string) listingPage {
	t.Helper()
	p, err := parsePage([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return p
}

// pageOf returns a page with these items.
func pageOf(items ...string) string {
	return `{"status":"success","resources":[` + strings.Join(items, ",") +
		`],"pagination":{"current":1,"limit":500,"offset":0,"pages":1,"total":1,"has_next":false}}`
}

const goodItem = `{"itemId":"6c6e25d8-b7e6-5fbc-8dc0-b3129954a53f","status":"active","mountPoint":{"default":"/capstor/store/cscs/mch/msclim"},` +
	`"permission":{"value":"2770","permissionType":"octal"},"storageSystem":{"key":"capstor"},"storageFileSystem":{"key":"lustre"},` +
	`"storageDataType":{"key":"store"},"target":{"targetType":"project","targetItem":{"itemId":"x","key":null,"name":"capstor-msclim-store",` +
	`"status":"active","unixGid":30501,"active":true}},"quotas":[{"type":"space","quota":150.0,"unit":"tera","enforcementType":"soft"},` +
	`{"type":"space","quota":150.5,"unit":"tera","enforcementType":"hard"},{"type":"inodes","quota":199500000.0,"unit":"none","enforcementType":"soft"},` +
	`{"type":"inodes","quota":300000000.0,"unit":"none","enforcementType":"hard"}],"oldQuotas":null,"newQuotas":null,` +
	`"parentItemId":"d0622a4a-47a5-5180-8abd-25795d4ec2b0"}`

// with returns the good item with one text replaced.
func with(t testing.TB, old, new string) string {
	t.Helper()
	if strings.Count(goodItem, old) != 1 {
		t.Fatalf("%q stands %d times in the good item", old, strings.Count(goodItem, old))
	}
	return strings.Replace(goodItem, old, new, 1)
}

func only(t testing.TB, item string) planner.Item {
	t.Helper()
	p := parse(t, pageOf(item))
	if len(p.Items) != 1 {
		t.Fatalf("%d items", len(p.Items))
	}
	return p.Items[0]
}

func TestItem(t *testing.T) {
	it := only(t, goodItem)
	want := planner.Item{
		Key:    planner.Key{Item: "6c6e25d8b7e65fbc8dc0b3129954a53f", System: "capstor", DataType: "store"},
		Status: planner.StatusActive, MountPath: "/capstor/store/cscs/mch/msclim", Permission: "2770", Target: planner.TargetProject,
		Name: "capstor-msclim-store", Parent: "d0622a4a47a551808abd25795d4ec2b0", GID: 30501, HasGID: true,
	}
	q := it.Quotas
	it.Quotas = nil
	if it.URLs != nil || it.Key != want.Key || it.Status != want.Status ||
		it.MountPath != want.MountPath || it.Name != want.Name ||
		it.Permission != want.Permission || it.Target != want.Target || it.Parent != want.Parent ||
		it.GID != want.GID ||
		!it.HasGID || it.NewQuotas != nil || it.Problem != "" {
		t.Errorf("got %+v\nwant %+v", it, want)
	}
	if q == nil || q[planner.SpaceSoft].String() != "150" ||
		q[planner.SpaceHard].String() != "150.5" || q[planner.InodesSoft].String() != "199500000" ||
		q[planner.InodesHard].String() != "300000000" {
		t.Errorf("quotas %+v", q)
	}
}

// TestBadItem: a problem with one item is that item's problem. Its neighbour is still read.
func TestBadItem(t *testing.T) {
	for _, c := range []struct{ name, item, problem string }{
		{"no object", `7`, "entry 1: want an object, got a number"},
		{"null", `null`, "entry 1: want an object, got null"},
		{"nothing in it", `{}`, "entry 1: itemId: missing"},
		{"id", with(t, `6c6e25d8-b7e6`, `6c6e25d8-b7eg`),
			`entry 1: itemId: "6c6e25d8-b7eg-5fbc-8dc0-b3129954a53f" is not a UUID`},
		{"id number", with(t, `"6c6e25d8-b7e6-5fbc-8dc0-b3129954a53f"`, `12`), "entry 1: itemId: want " +
			"a string, got a number"},
		{"status", with(t, `"itemId":"6c6e25d8-b7e6-5fbc-8dc0-b3129954a53f","status":"active"`,
			`"itemId":"6c6e25d8-b7e6-5fbc-8dc0-b3129954a53f","status":"Active"`), `status: unknown value "Active"`},
		{"mount point", with(t, `{"default":"/capstor/store/cscs/mch/msclim"}`, `"/capstor"`), "mountPoint: want an object, got a string"},
		{"mount point list", with(t, `{"default":"/capstor/store/cscs/mch/msclim"}`, `[]`), "mountPoint: want an object, got an array"},
		{"mount point null", with(t, `"/capstor/store/cscs/mch/msclim"`, `null`), "mountPoint.default: want a string, got null"},
		{"surrogate", with(t, `msclim"}`, `\ud800"}`), "mountPoint.default: half a surrogate pair, " +
			"which is not valid text"},
		{"permission number", with(t, `"2770"`, `2770`), "permission.value: want a string, got a number"},
		{"permission letters", with(t, `2770`, `rwx`),
			`permission.value: "rwx" is not three or four octal digits`},
		{"permission digits", with(t, `2770`, `2790`),
			`permission.value: "2790" is not three or four octal digits`},
		{"permission type", with(t, `octal`, `symbolic`),
			`permission.permissionType: want "octal", got "symbolic"`},
		{"system", with(t, `"storageSystem":{"key":"capstor"}`, `"storageSystem":{"key":""}`), "storageSystem.key: empty"},
		{"system null", with(t, `{"key":"capstor"}`, `null`), "storageSystem.key: missing"},
		{"data type missing", with(t, `{"key":"store"}`, `{}`), "storageDataType.key: missing"},
		{"data type list", with(t, `{"key":"store"}`, `{"key":[]}`), "storageDataType.key: want a " +
			"string, got an array"},
		{"target", with(t, `"project"`, `"group"`), `target.targetType: unknown value "group"`},
		{"target item", with(t, `"targetItem":{`, `"targetItem":null,"was":{`), "target.targetItem: " +
			"want an object, got null"},
		{"gid fraction", with(t, `30501`, `30501.5`),
			`target.targetItem.unixGid: "30501.5" is not a whole number within 64 bits`},
		{"gid exponent", with(t, `30501`, `3e4`),
			`target.targetItem.unixGid: "3e4" is not a whole number within 64 bits`},
		{"gid huge", with(t, `30501`, `9223372036854775808`),
			`target.targetItem.unixGid: "9223372036854775808" is not a whole number within 64 bits`},
		{"gid text", with(t, `30501`, `"30501"`), "target.targetItem.unixGid: want a number, got a " +
			"string"},
		{"quotas object", with(t, `"quotas":[`, `"quotas":{},"x":[`), "quotas: want an array or null, " +
			"got an object"},
		{"quotas missing", with(t, `"quotas":[`, `"x":[`), "quotas: missing"},
		{"new quotas", with(t, `"newQuotas":null`, `"newQuotas":7`), "newQuotas: want an array or " +
			"null, got a number"},
		{"new quotas entry", with(t, `"newQuotas":null`, `"newQuotas":[7]`), "newQuotas[0]: want an " +
			"object, got a number"},
		{"quota text", with(t, `150.5`, `"150.5"`), "quotas[1]: quota: want a number, got a string"},
		{"quota null", with(t, `150.5`, `null`), "quotas[1]: quota: want a number, got null"},
		{"quota digits", with(t, `150.5`, `1234567890123456789`),
			`quotas[1]: quota: number "1234567890123456789": want at most 18 digits and an exponent of at most 99`},
		{"quota exponent", with(t, `150.5`, `1e400`),
			`quotas[1]: quota: number "1e400": want at most 18 digits and an exponent of at most 99`},
		{"quota unit", with(t, `150.5,"unit":"tera"`, `150.5,"unit":"giga"`),
			`quotas[1]: unit: want tera for space, got "giga"`},
		{"inode unit", with(t, `199500000.0,"unit":"none"`, `1,"unit":"tera"`),
			`quotas[2]: unit: want none for inodes, got "tera"`},
		{"quota type", with(t, `"type":"space","quota":150.5`, `"type":"files","quota":150.5`),
			`quotas[1]: type: want space or inodes, got "files"`},
		{"quota twice", with(t, `"quota":150.5,"unit":"tera","enforcementType":"hard"`,
			`"quota":1,"unit":"tera","enforcementType":"soft"`), "quotas[1]: the soft limit of space is given twice"},
		{"quota enforcement", with(t, `150.5,"unit":"tera","enforcementType":"hard"`,
			`1,"unit":"tera","enforcementType":"firm"`), `quotas[1]: enforcementType: want soft or hard, got "firm"`},
		{"parent", with(t, `d0622a4a-47a5`, `d0622a4a_47a5`),
			`parentItemId: "d0622a4a_47a5-5180-8abd-25795d4ec2b0" is not a UUID`},
		{"url number", with(t, `"oldQuotas":null`, `"set_state_done_url":1`), "set_state_done_url: " +
			"want a string, got a number"},
		{"url empty", with(t, `"oldQuotas":null`, `"approve_by_provider_url":""`), "approve_by_provider_url: empty"},
		{"url long", with(t, `"oldQuotas":null`,
			`"approve_by_provider_url":"`+strings.Repeat("a",
				2049)+`"`), "approve_by_provider_url: longer than 2048 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parse(t, pageOf(c.item, goodItem))
			if len(p.Items) != 2 || p.Items[0].Problem != c.problem {
				t.Errorf("problem %q\nwant    %q", p.Items[0].Problem, c.problem)
			}
			if strings.HasPrefix(c.problem, "entry") != (p.Items[0].Key.Item == "") {
				t.Errorf("key %+v", p.Items[0].Key)
			}
			if p.Items[1].Problem != "" || p.Items[1].GID != 30501 {
				t.Errorf("the neighbour: %+v", p.Items[1])
			}
		})
	}
}

// TestBadPage: a page that breaks the format is refused completely.
func TestBadPage(t *testing.T) {
	deep := strings.Repeat(`[`, 33) + strings.Repeat(`]`, 33)
	for _, c := range []struct{ name, text, err string }{
		{"empty", ``, "byte 0: the text ends where the JSON object of a page should be"},
		{"html", `<html>`, "byte 0: '<' where the JSON object of a page should be"},
		{"truncated", pageOf(goodItem)[:900], "the text ends where"},
		{"truncated string", pageOf(goodItem)[:60], "the text ends where the end of a string should be"},
		{"more text", pageOf(goodItem) + " x", "unexpected text after the end"},
		{"zero byte at the end", pageOf(goodItem) + "\x00", "unexpected text after the end"},
		{"invalid UTF-8", pageOf(with(t, "msclim\"}", "\xff\"}")), "invalid UTF-8"},
		{"duplicate in page", `{"status":"success","status":"success"}`, `duplicate member "status"`},
		{"duplicate in item", pageOf(with(t, `"oldQuotas":null`, `"newQuotas":[]`)),
			`duplicate member "newQuotas"`},
		{"duplicate by escape", pageOf(with(t, `"oldQuotas":null`, `"n\u0065wQuotas":[]`)),
			`duplicate member "newQuotas"`},
		{"duplicate in quota", pageOf(with(t, `150.5`, `150.5,"quota":1`)), `duplicate member "quota"`},
		{"duplicate in what is not read", pageOf(with(t, `"key":"lustre"`, `"a":{"b":1,"b":2}`)),
			`duplicate member "b"`},
		{"nesting", pageOf(with(t, `"lustre"`, deep)), "nesting is deeper than 32"},
		{"control character", pageOf(with(t, `msclim"}`, "\n\"}")), "control character"},
		{"bad escape", pageOf(with(t, `msclim"}`, `\x41"}`)), "bad escape"},
		{"leading zero", pageOf(with(t, `30501`, `030501`)), "where a comma or } should be"},
		{"number", pageOf(with(t, `30501`, `1.`)), "where a digit should be"},
		{"NaN", pageOf(with(t, `150.5`, `NaN`)), "where a value should be"},
		{"trailing comma", pageOf(goodItem + ","), "where a value should be"},
		{"status", strings.Replace(pageOf(), "success", "error", 1), `status is "error", want "success"`},
		{"no status", strings.Replace(pageOf(), `"status":"success",`, ``, 1), "status: missing"},
		{"no pagination", `{"status":"success","resources":[]}`, "pagination: want an object, got " +
			"nothing"},
		{"no resources", strings.Replace(pageOf(), `"resources":[]`, `"resources":null`, 1), "resources: want an array, got null"},
		{"negative total", strings.Replace(pageOf(), `"total":1`, `"total":-1`, 1), "pagination.total: want a whole number"},
		{"fractional total", strings.Replace(pageOf(), `"total":1`, `"total":1.0`, 1), "pagination.total: want a whole number"},
		{"501 items", pageOf(strings.Repeat("{},", 500) + "{}"), "more than 500 resources in one page"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parsePage([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v\nwant  %s", err, c.err)
			}
		})
	}
}

func TestPageTooLong(t *testing.T) {
	text := pageOf(goodItem) + strings.Repeat(" ", maxPageBytes)
	if _, err := parsePage([]byte(text)); err == nil || !strings.Contains(err.Error(), "longer than 32 MiB") {
		t.Error(err)
	}
}

// TestManyMembers: the check for duplicates works, and stays fast, in an object with very many
// members.
func TestManyMembers(t *testing.T) {
	var b strings.Builder
	for i := range 200_000 {
		b.WriteString(`,"m` + string(rune('a'+i%26)) + strings.Repeat("x", i%7) + strconv.Itoa(i) + `":0`)
	}
	if p := parse(t, pageOf(with(t, `"key":"lustre"`,
		`"key":"lustre"`+b.String()))); p.Items[0].Problem != "" {
		t.Error(p.Items[0].Problem)
	}
	_, err := parsePage([]byte(pageOf(with(t, `"key":"lustre"`,
		`"key":"lustre"`+b.String()+`,"key":1`))))
	if err == nil || !strings.Contains(err.Error(), `duplicate member "key"`) {
		t.Error(err)
	}
}

// TestRealItems: each item of the real full listing is read without a problem.
func TestRealItems(t *testing.T) {
	p := parse(t, string(response(t, "mini.json")))
	if len(p.Items) != 41 || p.Total != 41 || p.Current != 1 || p.Limit != 500 || p.Pages() != 1 {
		t.Errorf("%d items, %+v", len(p.Items), p)
	}
	for _, it := range p.Items {
		if it.Problem != "" {
			t.Errorf("%+v: %s", it.Key, it.Problem)
		}
	}
}
