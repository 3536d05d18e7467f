package waldur

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/feedback"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

const noteID = "03db262c12205903b33a624a77eae6c8"

// TestNotes: a note goes to the one address for it below waldur.url. A refusal by Waldur is a
// refusal. After any other answer it is unknown whether Waldur took the note. No error contains the
// token.
func TestNotes(t *testing.T) {
	const token = "a-secret-token-of-forty-characters-xxxxx"
	var status int
	var body, path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		w.Header().Set("Location", "https://elsewhere.example.com/")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	notes := NewNotes(OrdersOptions{URL: server.URL + "/api/", Token: Static(web.Secret(token)),
		Hidden: planner.Hidden{}.With(token), Timeout: time.Second,
		Transport: http.DefaultTransport, Now: time.Now})
	for _, c := range []struct {
		status            int
		body              string
		ok, refused, none bool
	}{
		{201, "", true, false, false}, {200, `{"status": "set"}`, true, false, false},
		{200, "<html>Maintenance</html>", false, false, false},
		{302, "", false, false, false}, {500, "", false, false, false},
		{503, "", false, false, false}, {429, "", false, false, false},
		{400, `{"resource": ["` + token + `"]}`, false, true, false},
		{404, "", false, true, false}, {409, "", false, true, false},
		{401, "", false, true, true},
	} {
		status, body = c.status, c.body
		err := notes.Tell(context.Background(),
			feedback.Note{Kind: feedback.Usage, ID: noteID, Says: "1.00"})
		var refused *feedback.NotTaken
		isRefused := errors.As(err, &refused)
		if (err == nil) != c.ok || isRefused != c.refused || isRefused && refused.All != c.none {
			t.Errorf("%d %q: %v", c.status, c.body, err)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("the token is in an error: %v", err)
		}
	}
	if path != "POST /api/marketplace-component-usages/set_usage/ Token "+token {
		t.Errorf("usage goes to %s", path)
	}
	status = 200
	if err := notes.Tell(context.Background(),
		feedback.Note{Kind: feedback.Message, ID: noteID}); err !=
		nil || !strings.HasPrefix(path, "POST /api/marketplace-orders/"+noteID+
		"/set_provider_info/ ") {
		t.Errorf("%v, %s", err, path)
	}
	path = ""
	for _, id := range []string{"", "../../x", "03db"} {
		if err := notes.Tell(context.Background(), feedback.Note{Kind: feedback.Message, ID: id}); err ==
			nil || path != "" {
			t.Errorf("id %q is sent: %s", id, path)
		}
	}
}
