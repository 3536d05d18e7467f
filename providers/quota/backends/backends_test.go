package backends

import (
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

// TestTraitsOfTheConfiguration: what plans believe of a backend is what its client says.
func TestTraitsOfTheConfiguration(t *testing.T) {
	for kind, open := range All() {
		client, err := open(planner.System{Directory: "x", Quota: planner.QuotaSettings{Kind: kind, By: planner.ByGroup, Client: "ioctl"}},
			quota.Options{Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		said, err := client.Traits(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := config.Traits(kind); got != said {
			t.Errorf("%s: configured %+v, the client says %+v", kind, got, said)
		}
	}
}
