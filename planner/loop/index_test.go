package loop

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestIndexForms: a chunk of the index is read in the form that it is written in, and in the form of
// earlier builds; anything else is an error.
func TestIndexForms(t *testing.T) {
	items := []planner.Item{{Key: planner.Key{Item: "a", System: "capstor", DataType: "store"},
		Status: planner.StatusActive, MountPath: "/capstor/store/a", GID: 30500, HasGID: true,
		Quotas: &planner.ProxyQuotas{}}}
	earlier, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	for _, chunk := range []json.RawMessage{chunkOf(items), earlier} {
		if got, err := itemsOf(chunk); err != nil || !reflect.DeepEqual(got, items) || !json.Valid(chunk) {
			t.Errorf("%s: %+v, %v", chunk, got, err)
		}
	}
	for _, chunk := range []string{``, `{"items":7}`, `7`, `""`, `"AQ"`, `"!"`, `"`} {
		if got, err := itemsOf(json.RawMessage(chunk)); err == nil {
			t.Errorf("%s: %+v", chunk, got)
		}
	}
}
