package approval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKeptApprovalsCount judges approvals of every kind that earlier builds have made. They must
// count for ever.
func TestKeptApprovalsCount(t *testing.T) {
	files, err := filepath.Glob("testdata/kept/*.approval")
	if err != nil || len(files) < 8 {
		t.Fatalf("%v, %v", files, err)
	}
	signers, err := os.ReadFile("testdata/kept/allowed_signers")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		block, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := Rules{Required: 1, ValidFor: time.Hour, LocalKey: testKey(t)}
		if name := filepath.Base(path); name == "policy.approval" {
			r.Policy = testPlan
		} else if name != "local.approval" {
			r.Signers = parseSigners(t, string(signers))
		}
		if v := judge(t, r, testTime, block); !v.Enough || !v.Approvals[0].Counted {
			t.Errorf("%s: %+v", path, v)
		}
		if detached, err := Detached([]byte(strings.ReplaceAll(string(block), "\n",
			" \r\n"))); err != nil || string(detached) != string(block) {
			t.Errorf("%s, mailed: %v", path, err)
		}
	}
}
