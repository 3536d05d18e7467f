package planner_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// TestHidden: a hidden text is found in each form that a message may give it, and so are the parts
// of a hidden URL.
func TestHidden(t *testing.T) {
	h := planner.Hidden{}.With("s3cr3t/+x", "https://Proxy.example.com:8443/k3y/list/?a=b123", "ab",
		"")
	for _, s := range []string{"s3cr3t/+x", "a s3cr3t%2F+x b", "s3cr3t%2F%2Bx", "S3cr3t s3cr3t/+x",
		"proxy.example.com:8443/k3y/list/", "dial proxy.example.com",
		"https://proxy.example.com:8443/k3y/list/", "/k3y/list: no such page"} {
		got := h.Text(s)
		if strings.Contains(got, "s3cr3t/") || strings.Contains(got, "s3cr3t%") ||
			strings.Contains(got, "k3y") || strings.Contains(got, "example") {
			t.Errorf("%s became %s", s, got)
		}
	}
	if got := h.Text("ab is shown"); got != "ab is shown" {
		t.Error(got)
	}
	if got := (planner.Hidden{}).With("abcd",
		"abcdef").Text("abcdef abcd"); got != "(secret) (secret)" {
		t.Error(got)
	}
	err := h.Error(fmt.Errorf("ask s3cr3t/+x: %w", io.EOF))
	if err.Error() != "ask (secret): EOF" || !errors.Is(err, io.EOF) || h.Error(nil) != nil ||
		!errors.Is(h.Error(io.EOF), io.EOF) {
		t.Error(err)
	}
	js, _ := json.Marshal(struct{ H planner.Hidden }{h})
	for _, shown := range []string{fmt.Sprint(h), fmt.Sprintf("%#v", h),
		fmt.Sprintf("%+v", struct{ H planner.Hidden }{h}), string(js)} {
		if strings.Contains(shown, "s3cr3t") || strings.Contains(shown, "k3y") {
			t.Error(shown)
		}
	}
}

// TestHiddenCallback: hidden parts of waldur.url are not in the error about a callback that does
// not match.
func TestHiddenCallback(t *testing.T) {
	const long = "k3y-of-many-characters"
	w := planner.WaldurSettings{URL: "https://waldur.example.com/" + long + "/api/",
		Hidden: planner.Hidden{}.With(long)}
	for _, raw := range []string{w.URL + "marketplace-orders/x/cancel/",
		strings.Replace(w.URL, "waldur", "evil", 1) + "marketplace-orders/x/set_state_done/",
		"https://waldur.example.com/api/x/", w.URL + "?" + long, "https://waldur.example.com/" +
			strings.Repeat("x", 84) + long + "/"} {
		_, err := planner.About{}.Target(w, planner.SetStateDone, raw)
		if err == nil || strings.Contains(err.Error(), "k3y") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
