package config_test

import (
	"slices"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// TestVariableFlag: values and files stay in the order in which they were given.
func TestVariableFlag(t *testing.T) {
	t.Parallel()
	var got []config.VariableInput
	value, file := config.VariableFlag{To: &got}, config.VariableFlag{To: &got, File: true}
	for _, err := range []error{value.Set("a=1=2"), file.Set("f"), value.Set("a=")} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []config.VariableInput{{Assignment: "a=1=2"}, {File: "f"}, {Assignment: "a="}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, err := range []error{value.Set("a"), value.Set("=1"), value.Set(""), file.Set("")} {
		if err == nil {
			t.Errorf("taken: %+v", got)
		}
	}
	if len(got) != 3 {
		t.Errorf("%+v", got)
	}
}
