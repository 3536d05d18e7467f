package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waldur/cscs-storage-sync/planner"
)

func TestLinuxQuota(t *testing.T) {
	c := mustLoad(t, base+
		"system \"x\" {\ndirectory = \"d\"\nfilesystem = \"ext4\"\nquota \"linux\" {\nby = "+
		"\"project\"\n"+
		"project_ids = \"7-9\"\nshared = \"max\"\non_remove = \"freeze\"\n}\n}\n")
	want := planner.QuotaSettings{Kind: "linux", By: planner.ByProject,
		ProjectIDs: planner.ProjectRange{First: 7, Last: 9},
		Shared:     planner.SharedMax, OnRemove: "freeze", Tool: planner.ToolSetquota}
	if d := cmp.Diff(want, c.Settings.Systems[1].Quota); d != "" {
		t.Error(d)
	}
}

// The credentials for a management API are read and kept apart from the settings, so that neither
// plans nor the fingerprint have them.
func TestVASTQuota(t *testing.T) {
	one := mustLoad(t, base+onVAST(vastQuota(vastToken+"on_remove = \"remove\"\n", "/s")))
	want := planner.QuotaSettings{Kind: "vast", By: planner.ByDirectory,
		Shared: planner.SharedRefuse, OnRemove: "remove", Tool: planner.ToolVAST,
		Server: planner.QuotaServer{URL: "https://vms.example.com/api/v5/", PathPrefix: "/s"}}
	if d := cmp.Diff(want, one.Settings.Systems[1].Quota); d != "" {
		t.Error(d)
	}
	if got := one.QuotaAccess["x"].Token.Reveal(); got != marker+"-env" {
		t.Errorf("token %q", got)
	}
	if strings.Contains(one.Hidden.Text("it says "+marker+"-env"), marker) {
		t.Error("the token is shown")
	}
	two := mustLoad(t, base+
		onVAST(vastQuota("user = \"root\"\npassword = file(\"vast.token\")\non_remove = "+
			"\"remove\"\n", "/s")))
	if got := two.QuotaAccess["x"]; got.User != "root" || got.Password.Reveal() != marker+"-vast" ||
		got.Token.IsSet() {
		t.Errorf("user %q", got.User)
	}
	if one.Settings.Fingerprint != two.Settings.Fingerprint {
		t.Error("a plan depends on how we log in")
	}
}
