package planner

import (
	"strings"
	"testing"
)

const (
	thisOrder    = "03e5a2cc92824c9bad83781f0cc152f9"
	thisResource = "d7b5f43d79ab5b8a83bfc878a036e24b"
)

// TestTarget: a callback is sent only to its own verb of this order or this resource.
func TestTarget(t *testing.T) {
	const base, dashed = "https://waldur.example.com/api/", "d7b5f43d-79ab-5b8a-83bf-c878a036e24b"
	const order, resource = base + "marketplace-orders/" + thisOrder + "/",
		base + "marketplace-provider-resources/" + dashed + "/"
	w := WaldurSettings{URL: base, Aliases: []string{"http://internal:8000/w/api"}}
	of := About{Order: thisOrder, Resource: thisResource}
	good := map[Callback]string{
		Approve: order + "approve_by_provider/", Reject: order + "reject_by_provider/",
		SetStateDone:  order + "set_state_done/",
		SetStateErred: order + "set_state_erred/", SetBackendID: resource + "set_backend_id/",
		UpdateOptions: resource + "update_options_direct/", SetStateOK: resource + "set_state_ok/",
	}
	for c, want := range good {
		for raw, to := range map[string]string{
			want: want,
			strings.Replace(want, base, "http://internal:8000/w/api/", 1): want,
			strings.ReplaceAll(want, dashed, thisResource): strings.ReplaceAll(want,
				dashed, thisResource),
			strings.ReplaceAll(want, "a036e24b", "A036E24B"): strings.ReplaceAll(want,
				"a036e24b", "A036E24B"),
		} {
			if got, err := of.Target(w, c, raw); err != nil || got != to {
				t.Errorf("%s %s: %s, %v", c, raw, got, err)
			}
		}
		for other, raw := range good {
			if got, err := of.Target(w, c, raw); other != c && err == nil {
				t.Errorf("%s may call %s", c, got)
			}
		}
		cut := strings.TrimSuffix(want, "/")
		for _, raw := range []string{
			cut, want + "x/", want + "?a=b", want + "#a", want + "/", strings.Replace(want, "/api/",
				"/api//", 1), cut + "%2f", cut + ";/",
			strings.Replace(want, "/api/", "/api/x/", 1), strings.Replace(want, "/api/",
				"/api/../api/", 1),
			strings.Replace(want, "marketplace-", "marketplace-x", 1), strings.ToUpper(want),
			base + "marketplace-orders/" + thisOrder + "/cancel/", base + "marketplace-resources/" +
				dashed + "/terminate/",
			resource + "terminate/", resource + "update_options/", order + "set_backend_id/", order,
			resource, base + "/" + c.verb() + "/",
			strings.Replace(strings.Replace(want, thisOrder, thisOrder[1:]+"0", 1), dashed,
				thisOrder, 1),
			strings.Replace(strings.Replace(want, thisOrder, thisResource, 1), dashed, thisOrder,
				1),
		} {
			if got, err := of.Target(w, c, raw); err == nil {
				t.Errorf("%s may call %s (%s)", c, got, raw)
			}
		}
	}
	if got, err := of.Target(w, "delete", order+"/"); err == nil {
		t.Error(got)
	}
	if got, err := (About{}).Target(w, Approve,
		base+"marketplace-orders//approve_by_provider/"); err == nil {
		t.Error(got)
	}
	_, err := of.Target(w, SetStateDone, "https://u:s3cret@waldur.example.com/api/x/")
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Error(err)
	}
	_, err = of.Target(w, SetBackendID, base+"marketplace-provider-resources/"+thisOrder+
		"/set_backend_id/")
	if err == nil || !strings.Contains(err.Error(), "another resource") ||
		!strings.Contains(err.Error(), thisOrder) {
		t.Error(err)
	}
}

// TestKeptURL: a kept URL has nothing of waldur.url, and becomes whole again only below the same
// waldur.url.
func TestKeptURL(t *testing.T) {
	const path = "marketplace-orders/" + thisOrder + "/set_state_done/"
	for _, waldur := range []string{"https://waldur.example.com/s3cret-of-a-gateway/api/",
		"https://waldur.example.com/s3cret-of-a-gateway/api",
		"https://s3cret.example.com/marketplace-orders/s3cret/"} {
		whole := strings.TrimRight(waldur, "/") + "/" + path
		kept := KeptURL(whole)
		if !strings.HasPrefix(kept, "waldur://") || !strings.HasSuffix(kept, path) ||
			len(kept) != len("waldur://abcd/"+path) {
			t.Errorf("%s is kept as %s", whole, kept)
		}
		if got, err := WholeURL(waldur, kept); err != nil || got != whole {
			t.Errorf("%s: %s, %v", kept, got, err)
		}
		if got, err := WholeURL(waldur, whole); err != nil || got != whole {
			t.Errorf("whole: %s, %v", got, err)
		}
		got, err := WholeURL("https://test.example.com/api/", kept)
		if err == nil || got != "" || !strings.Contains(err.Error(), "another waldur.url") ||
			strings.Contains(err.Error(), "s3cret") {
			t.Errorf("below another: %q, %v", got, err)
		}
		if id, _, ok := OrderOf(kept); !ok || id != thisOrder {
			t.Errorf("the order of %s: %q", kept, id)
		}
	}
	if got := KeptURL("https://waldur.example.com/s3cret/other/"); got != "" {
		t.Errorf("a URL of no callback is kept as %q", got)
	}
}

// FuzzTarget checks that an accepted URL names this order or this resource, and the verb of the
// callback.
func FuzzTarget(f *testing.F) {
	w := WaldurSettings{URL: "https://waldur.example.com/api/",
		Aliases: []string{"http://internal:8000/api/"}}
	of := About{Order: thisOrder, Resource: thisResource}
	f.Add("approve", "http://internal:8000/api/marketplace-orders/"+thisOrder+
		"/approve_by_provider/")
	f.Add("set_state_done", "https://waldur.example.com/api/marketplace-orders/"+thisOrder+
		"/cancel/")
	f.Add("update_options", "https://waldur.example.com/api/marketplace-provider-resources/"+
		thisResource+"/update_options_direct/")
	f.Add("set_backend_id", "https://waldur.example.com/api/marketplace-provider-resources/"+
		thisOrder+"/terminate/")
	f.Fuzz(func(t *testing.T, name, raw string) {
		got, err := of.Target(w, Callback(name), raw)
		if err != nil {
			return
		}
		id, want := thisResource, "marketplace-provider-resources/"
		if Callback(name).AboutOrder() {
			id, want = thisOrder, "marketplace-orders/"
		}
		plain := strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(got, "-", ""), w.URL, ""))
		if want = strings.ReplaceAll(want, "-", "") + id + "/" + Callback(name).verb() +
			"/"; plain != want {
			t.Errorf("%s may call %s", name, got)
		}
	})
}
