package waldur

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// These tests pin how the numbered quirks of the real proxy are read.

func miniListing(t *testing.T) []planner.Item {
	t.Helper()
	return parse(t, string(response(t, "mini.json"))).Items
}

// itemAt returns the only item of the real listing with this mount path and status.
func itemAt(t *testing.T, path string, status planner.Status) planner.Item {
	t.Helper()
	var found []planner.Item
	for _, it := range miniListing(t) {
		if it.MountPath == path && it.Status == status {
			found = append(found, it)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d items at %s with status %s", len(found), path, status)
	}
	return found[0]
}

func TestQuirk1ItemIDsRepeat(t *testing.T) {
	ids, keys := map[string]bool{}, map[planner.Key]bool{}
	for _, it := range miniListing(t) {
		ids[it.Key.Item], keys[it.Key] = true, true
	}
	if len(ids) != 24 || len(keys) != 41 {
		t.Errorf("%d ids, %d keys", len(ids), len(keys))
	}
}

func TestQuirk2DashedIDs(t *testing.T) {
	dashed, upper := only(t, goodItem), only(t, with(t, "6c6e25d8-b7e6-5fbc-8dc0-b3129954a53f", "6C6E25D8B7E65FBC8DC0B3129954A53F"))
	if dashed.Key != upper.Key || strings.Contains(dashed.Parent, "-") {
		t.Errorf("%+v, %+v", dashed, upper)
	}
	u := itemAt(t, "/capstor/archive/cscs/ethz/eth-astro", planner.StatusPending).URLs
	if id, _, ok := planner.OrderOf(u[planner.SetStateDone]); !ok || id != orderID {
		t.Error(u)
	}
}

// TestQuirk5InventedFields: nothing in a user item comes from unixUid or email, whatever they
// contain.
func TestQuirk5InventedFields(t *testing.T) {
	user := with(t, `"project","targetItem":{"itemId":"x","key":null,"name":"capstor-msclim-store","status":"active","unixGid":30501,"active":true}`,
		`"user","targetItem":{"key":null,"name":null,"email":["made","up"],"unixUid":"nonsense","unixGid":1,"primaryProject":{"name":"msclim","unixGid":30501}}`)
	it := only(t, user)
	if it.Problem != "" || it.GID != 30501 || !it.HasGID || it.Name != "msclim" ||
		it.Target != planner.TargetUser {
		t.Errorf("%+v", it)
	}
}

func TestQuirk6Names(t *testing.T) {
	want := map[planner.Target]string{planner.TargetTenant: "cscs", planner.TargetCustomer: "mch",
		planner.TargetProject: "capstor-msclim-store", planner.TargetUser: "msclim"}
	for _, it := range miniListing(t) {
		if want[it.Target] == it.Name {
			delete(want, it.Target)
		}
		if it.Target.IsBranch() && (it.HasGID || it.Quotas != nil || it.URLs != nil ||
			it.Status != planner.StatusPending || it.Permission != "775") {
			t.Errorf("node %+v", it)
		}
	}
	if len(want) != 0 {
		t.Errorf("no item named %v", want)
	}
}

// TestQuirk7NoGID: an active item whose unixGid is null is read. The planner must refuse it because
// it has no group.
func TestQuirk7NoGID(t *testing.T) {
	it := itemAt(t, "/vast/store/cscs/mch/msopr", planner.StatusActive)
	if it.HasGID || it.GID != 0 || it.Problem != "" || it.Name != "msopr-fixed" {
		t.Errorf("%+v", it)
	}
	missing := only(t, with(t, `"unixGid":30501,`, ``))
	if missing.HasGID || missing.Problem != "" {
		t.Errorf("%+v", missing)
	}
}

// TestQuirk10NoParent: an item may have none.
func TestQuirk10NoParent(t *testing.T) {
	for _, item := range []string{with(t, `"d0622a4a-47a5-5180-8abd-25795d4ec2b0"`, `null`),
		with(t, `,"parentItemId":"d0622a4a-47a5-5180-8abd-25795d4ec2b0"`, ``)} {
		if it := only(t, item); it.Parent != "" || it.Problem != "" {
			t.Errorf("%+v", it)
		}
	}
}

func TestQuirk11PathsAreVerbatim(t *testing.T) {
	for _, path := range []string{"/", "//", "/../../etc", "relative/path", "/a b/c;rm -rf $HOME/x",
		"s3://x", "  ", "/a/", "/a/./b/../c", "", "/ä\u202e"} {
		if it := only(t, with(t, "/capstor/store/cscs/mch/msclim", path)); it.MountPath != path ||
			it.Problem != "" {
			t.Errorf("%q: %+v", path, it)
		}
	}
	if it := only(t, with(t, "/capstor/store/cscs/mch/msclim",
		`\/a\n\u0000\"\ud83d\ude00\\`)); it.MountPath != "/a\n\x00\"\U0001F600\\" {
		t.Errorf("%q", it.MountPath)
	}
}

func TestQuirk14GIDsAreUnchecked(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "-1": -1, "5": 5, "2147483648": 1 << 31, "1099511627776": 1 << 40, "-9223372036854775808": -1 << 63} {
		if it := only(t, with(t, "30501", text)); it.GID != want || !it.HasGID || it.Problem != "" {
			t.Errorf("%s: %+v", text, it)
		}
	}
}

func TestQuirk15DataTypesAreVerbatim(t *testing.T) {
	for text, want := range map[string]string{`"Store"`: "Store", `"SCRATCH"`: "SCRATCH", `""`: "",
		`null`: "", `"backup"`: "backup"} {
		if it := only(t, with(t, `"storageDataType":{"key":"store"}`,
			`"storageDataType":{"key":`+text+`}`)); it.Key.DataType != want || it.Problem != "" {
			t.Errorf("%s: %+v", text, it)
		}
	}
}

func TestQuirk16QuotasInAnyOrder(t *testing.T) {
	it := only(t, with(t, `"newQuotas":null`,
		`"newQuotas":[{"enforcementType":"hard","unit":"none","quota":7,"type":"inodes"},{"quota":0.1,"type":"space","unit":"tera","enforcementType":"soft","more":[{}]}]`))
	q := it.NewQuotas
	if it.Problem != "" || q == nil || q[planner.InodesHard].String() != "7" ||
		q[planner.SpaceSoft].String() != "0.1" || q[planner.SpaceHard].Given() ||
		q[planner.InodesSoft].Given() {
		t.Errorf("%+v, %+v", it, q)
	}
}

// TestQuirk17NullQuotas: null is "not managed" or unknown, and differs from an empty list only in
// that.
func TestQuirk17NullQuotas(t *testing.T) {
	it := only(t, strings.Replace(goodItem, `"quotas":[`, `"quotas":null,"was":[`, 1))
	if it.Quotas != nil || it.NewQuotas != nil || it.Problem != "" {
		t.Errorf("%+v", it)
	}
	if it := only(t, with(t, `"newQuotas":null`, `"newQuotas":[]`)); it.NewQuotas == nil ||
		it.NewQuotas[planner.SpaceHard].Given() {
		t.Errorf("%+v", it)
	}
}

func TestQuirk18Zero(t *testing.T) {
	q := only(t, with(t, "150.5", "0.0")).Quotas
	if q == nil || !q[planner.SpaceHard].IsZero() || q[planner.SpaceSoft].IsZero() {
		t.Errorf("%+v", q)
	}
}

// TestQuirk19SoftAboveHard is passed on for the planner to refuse.
func TestQuirk19SoftAboveHard(t *testing.T) {
	it := itemAt(t, "/vast/scratch/cscs/mch/msopr", planner.StatusActive)
	if it.Problem != "" || it.Quotas[planner.SpaceSoft].String() != "20" ||
		it.Quotas[planner.SpaceHard].String() != "10" ||
		it.Quotas[planner.InodesSoft].String() != "9000000" {
		t.Errorf("%+v", it.Quotas)
	}
}

// TestQuirk20Updates: quotas are the current ones, newQuotas those wanted.
func TestQuirk20Updates(t *testing.T) {
	it := itemAt(t, "/capstor/store/cscs/ethz/eth-bio", planner.StatusUpdating)
	if it.Quotas[planner.SpaceHard].String() != "10" ||
		it.NewQuotas[planner.SpaceHard].String() != "20" ||
		it.NewQuotas[planner.InodesHard].String() != "40000000" {
		t.Errorf("%+v, %+v", it.Quotas, it.NewQuotas)
	}
}

// TestQuirk22Fractions: numbers are exact, however they are written.
func TestQuirk22Fractions(t *testing.T) {
	for text, want := range map[string]string{"0.001": "0.001", "1e6": "1000000", "1E+6": "1000000",
		"2.5000": "2.5", "-1": "-1", "0.1": "0.1", "123456789012345678": "123456789012345678"} {
		if it := only(t, with(t, "150.5", text)); it.Problem != "" ||
			it.Quotas[planner.SpaceHard].String() != want {
			t.Errorf("%s: %s %s", text, it.Quotas[planner.SpaceHard], it.Problem)
		}
	}
}

func TestQuirk23Permissions(t *testing.T) {
	for _, p := range []string{"775", "7777", "000"} {
		if it := only(t, with(t, "2770", p)); it.Permission != p || it.Problem != "" {
			t.Errorf("%+v", it)
		}
	}
}

// TestQuirk24URLs: the URLs of an item say what may be done. Each real combination is read.
func TestQuirk24URLs(t *testing.T) {
	for _, c := range []struct {
		path   string
		status planner.Status
		want   []planner.Callback
	}{
		{"/capstor/archive/cscs/ethz/eth-astro", planner.StatusPending,
			[]planner.Callback{planner.Approve, planner.Reject, planner.SetStateDone, planner.SetBackendID,
				planner.UpdateOptions, planner.SetStateOK}},
		{"/vast/users/cscs/ethz/eth-bio", planner.StatusPending,
			[]planner.Callback{planner.SetStateDone, planner.SetStateErred, planner.SetBackendID,
				planner.SetStateOK}},
		{"/capstor/store/cscs/mch/msopr", planner.StatusActive, []planner.Callback{planner.SetBackendID}},
		{"/capstor/store/cscs/mch/msclim", planner.StatusActive, nil},
	} {
		it := itemAt(t, c.path, c.status)
		if len(it.URLs) != len(c.want) {
			t.Errorf("%s: %v", c.path, it.URLs)
		}
		for _, name := range c.want {
			if !strings.HasPrefix(it.URLs[name], "http://127.0.0.1:8000/api/marketplace-") {
				t.Errorf("%s: %s is %q", c.path, name, it.URLs[name])
			}
		}
	}
	if it := only(t, with(t, `"oldQuotas":null`, `"set_state_done_url":null`)); it.URLs != nil ||
		it.Problem != "" {
		t.Errorf("%+v", it)
	}
}

// TestQuirk27UnknownMembers are skipped, in the page and in items.
func TestQuirk27UnknownMembers(t *testing.T) {
	item := with(t, `"oldQuotas":null`,
		`"oldQuotas":"never read","x":{"y":[1,-2.5e-3,true,false,null,"\u00e4",{},[]]}`)
	text := strings.Replace(pageOf(item), `"status"`,
		`"version":"dev","filters_applied":{"state":"OK"},"x":[[]],"status"`, 1)
	if p := parse(t, text); len(p.Items) != 1 || p.Items[0].Problem != "" {
		t.Errorf("%+v", p)
	}
}

// TestQuirk31PageBeyondTheEnd: such a page has no items and the whole total. It is a valid page,
// but an incomplete listing.
func TestQuirk31PageBeyondTheEnd(t *testing.T) {
	p := parse(t, string(response(t, "mini_page_beyond.json")))
	if len(p.Items) != 0 || p.Total != 41 || p.Current != 99 || p.Limit != 5 || p.Pages() != 9 {
		t.Errorf("%+v", p)
	}
}

// TestRealFilters: the real proxy says to which system it restricted a listing, and says nothing if
// it did not.
func TestRealFilters(t *testing.T) {
	for name, want := range map[string]string{"system_vast.json": "vast", "mini.json": "", "status_active.json": "", "data_type_store.json": ""} {
		if page := parse(t, string(response(t, name))); page.System != want {
			t.Errorf("%s: %q, want %q", name, page.System, want)
		}
	}
}
