package backends

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// TestTraitsOfTheConfiguration: what plans believe of a backend is what its client says. Those of the kernel can be asked on a
// real filesystem only, which the tests of package linux do.
func TestTraitsOfTheConfiguration(t *testing.T) {
	for kind, open := range All() {
		system := planner.System{Name: "x", Directory: "x", Quota: planner.QuotaSettings{Kind: kind, Client: "ioctl",
			Server: planner.QuotaServer{URL: "https://vms.example.com/api/v5/", PathPrefix: "/x"}}}
		client, err := open(system, quota.Options{Root: "/proc", Access: map[string]quota.Access{"x": {Token: "t"}}})
		if err != nil {
			t.Fatal(err)
		}
		said, err := client.Traits(t.Context())
		if kind == planner.QuotaLinux {
			if err == nil || !strings.Contains(err.Error(), "/proc/x") {
				t.Errorf("traits of no filesystem: %+v, %v", said, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Traits(kind, ""); got != said {
			t.Errorf("%s: configured %+v, the client says %+v", kind, got, said)
		}
	}
}
