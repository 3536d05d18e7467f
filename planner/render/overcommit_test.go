package render

import (
	"bytes"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestOvercommitIsShown: every format says what a system with an overcommit holds, what may be
// promised there, and whether that is exceeded or unknown.
func TestOvercommitIsShown(t *testing.T) {
	p := plantest.Mixed()
	p.Context.Promised = []planner.Promise{
		{System: "capstor", Before: 140 * plantest.TiB, After: 160 * plantest.TiB, Overcommit: "1.5",
			Capacity: 100 * plantest.TiB, Used: 61 * plantest.TiB, Most: 150 * plantest.TiB},
		{System: "vast", Before: 1, After: 2, Overcommit: "2"}}
	for name, data := range map[string][]byte{"text": Text(p, Options{}), "html": HTML(p, Options{}),
		"markdown": Markdown(p, Options{})} {
		for _, want := range []string{"of 100.0 TiB, 61.0 TiB of it used; overcommit = 1.5 allows " +
			"150.0 TiB, which is exceeded", "overcommit = 2, and its capacity is not known"} {
			if !bytes.Contains(data, []byte(want)) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
	}
	if !bytes.Contains(JSON(p), []byte(`"most": 164926744166400`)) {
		t.Error("the JSON does not say what may be promised")
	}
}
