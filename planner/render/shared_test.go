package render

import (
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

// TestSharedQuotas: every contribution that changes is shown, wherever it is in the list, and some
// of the others.
func TestSharedQuotas(t *testing.T) {
	text := strings.Join(strings.Fields(string(Text(plantest.Shared(40), Options{}))), " ")
	for _, want := range []string{
		"group 30777 on capstor: the sum of 40 resources",
		"/capstor/store/x/00 (archived: its files still count)",
		"/capstor/store/x/01 (as recorded)",
		"+ space_hard = 1 TiB # not recorded before",
		"/capstor/store/x/39 space_soft = none ~ space_hard = 1 TiB -> 5 TiB",
		"and 18 more that stay as they are; `show --json` lists them",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	if strings.Contains(text, "/capstor/store/x/30") {
		t.Error("what stays as it is is listed without end")
	}
}
