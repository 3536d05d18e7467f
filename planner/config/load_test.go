package config_test

import (
	"os"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

func TestExamplesLoad(t *testing.T) {
	for _, name := range []string{"minimal.hcl", "cscs.hcl"} {
		src, err := os.ReadFile("../../examples/configs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		c := mustLoad(t, string(src))
		formatted, diags := config.Format(src, name)
		if diags.HasErrors() || string(formatted) != string(src) {
			t.Errorf("%s is not formatted", name)
		}
		t.Log(c.Settings.Fingerprint)
	}
}
