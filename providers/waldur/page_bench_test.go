package waldur

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// listed returns the nth entry of a listing with all the members that the real proxy writes. Ten
// projects belong to one customer, and there are 20 different sets of quotas.
func listed(n int) string {
	named := func(key string) string {
		return fmt.Sprintf(`{"itemId":"4b4a996a-8d6b-556d-ad60-202cefa6ecc3","key":%q,"name":%q,`+
			`"active":true,"path":%[1]q}`, key, strings.ToUpper(key))
	}
	size := n%20 + 1
	return fmt.Sprintf(`{"itemId":"%08x-b7e6-5fbc-8dc0-b3129954a53f","status":"active",`+
		`"mountPoint":{"default":"/capstor/store/cscs/c%05d/p%07d"},`+
		`"permission":{"value":"2770","permissionType":"octal"},"storageSystem":%s,`+
		`"storageFileSystem":%s,"storageDataType":%s,"target":{"targetType":"project",`+
		`"targetItem":{"itemId":"%08x-47a5-5180-8abd-25795d4ec2b0","key":null,`+
		`"name":"project-%07d","status":"active","unixGid":%d,"active":true}},"quotas":[`+
		`{"type":"space","quota":%d.0,"unit":"tera","enforcementType":"hard"},`+
		`{"type":"space","quota":%d.0,"unit":"tera","enforcementType":"soft"},`+
		`{"type":"inodes","quota":%d000000.0,"unit":"none","enforcementType":"hard"},`+
		`{"type":"inodes","quota":%d000000.0,"unit":"none","enforcementType":"soft"}],`+
		`"oldQuotas":null,"newQuotas":null,"parentItemId":"%08x-47a5-5180-8abd-25795d4ec2b0"}`,
		n, n/10, n, named("capstor"), named("lustre"), named("store"), n, n, 1_000_000+n,
		2*size, size, 2*size, size, n/10)
}

func listed500() []byte {
	items := make([]string, 500)
	for i := range items {
		items[i] = listed(i)
	}
	return []byte(pageOf(items...))
}

// BenchmarkPage500 reads a page of 500 items.
func BenchmarkPage500(b *testing.B) {
	text := listed500()
	p, to := newParser(), make([]planner.Item, 0, 500)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		p.kept = 0
		if page, err := p.page(to, text); err != nil || len(page.Items) != 500 {
			b.Fatal(err)
		}
	}
}

// BenchmarkPage500Bare decodes the same page with encoding/json into the bare structure, to compare
// it with the parser.
func BenchmarkPage500Bare(b *testing.B) {
	text := listed500()
	type quota []struct {
		Type, Unit, EnforcementType string
		Quota                       json.Number
	}
	var page struct {
		Resources []struct {
			ItemID, Status, ParentItemID   string
			MountPoint                     struct{ Default string }
			Permission                     struct{ Value string }
			StorageSystem, StorageDataType struct{ Key string }
			Target                         struct{ TargetType string }
			Quotas, NewQuotas              quota
		}
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := json.Unmarshal(text, &page); err != nil || len(page.Resources) != 500 {
			b.Fatal(err)
		}
	}
}
