package waldursim

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// callback is one recorded request with its answer.
type callback struct {
	Case, Path  string
	RequestBody json.RawMessage `json:"request_body"`
	Status      int
	ContentType *string `json:"content_type"`
	Challenge   *string `json:"www_authenticate"`
	Body        json.RawMessage
	After       *struct {
		Order, Resource string
		Options         map[string]any
	}
}

func (c callback) body() string {
	var text string
	switch {
	case string(c.RequestBody) == "null":
		return ""
	case json.Unmarshal(c.RequestBody, &text) == nil:
		return text // not JSON
	}
	return string(c.RequestBody)
}

// newScene is a server with one resource in the state that a case names. Everything that a case
// does not need is the same for all.
func newScene(t *testing.T, c callback) (s *Server, base string) {
	t.Helper()
	s, srv := start(t, Options{})
	o := OfferingSpec{Slug: "capstor"}
	switch {
	case strings.HasPrefix(c.Case, "Basic"):
		o.Type = Basic
	case strings.Contains(c.Case, "format rule"):
		o.BackendIDRule = &BackendIDRule{Regex: "/capstor/.*", Message: "Must start with /capstor/"}
	case strings.Contains(c.Case, "without resource_options"):
		o.NoOptions = true
	}
	spec := ResourceSpec{
		Offering: "capstor", Customer: "mch", Project: "p", DataType: "store", Limits: map[string]any{"storage": 10},
		Order: &OrderSpec{},
	}
	parts := strings.Split(strings.Trim(c.Path, "/"), "/")
	switch id := parts[2]; {
	case strings.Trim(id, "0") == "": // asks for what does not exist
	case parts[1] == "marketplace-orders":
		spec.Order.UUID = id
	default:
		spec.UUID = id
	}
	words := append(strings.Fields(c.Case), "", "")
	switch {
	case words[1] == "order" && OrderState(strings.TrimSuffix(words[2], ":")).check() == nil:
		spec.Order.Type, spec.Order.State = OrderType(words[0]), OrderState(strings.TrimSuffix(words[2],
			":"))
		if spec.Order.Type == Update {
			spec.Order.Limits = map[string]any{"storage": 20}
		}
	case strings.HasPrefix(c.Case, "options update"):
		spec.Order.Type, spec.Order.NewOptions = Update, map[string]any{"hard_quota_space": json.Number("15")}
	case strings.HasPrefix(c.Case, "set_state_ok in"):
		spec.State = ResourceState(words[2])
	case c.Case == "set_backend_id same":
		spec.BackendID = "/capstor/store/x"
	}
	if err := s.Load(Scenario{Offerings: []OfferingSpec{o},
		Resources: []ResourceSpec{spec}}); err != nil {
		t.Fatal(err)
	}
	return s, srv.URL
}

// token gives the case the account that it needs.
func token(t *testing.T, s *Server, name string) string {
	t.Helper()
	account := map[string]Account{
		"no permission": Denied, "not visible": Hidden, "expired token": Expired, "inactive user": Inactive, "unknown token": Unknown,
	}[name]
	if account != "" {
		if err := s.SetToken("waldur", DefaultWaldurToken, account); err != nil {
			t.Fatal(err)
		}
	}
	if name == "no token" {
		return ""
	}
	return "Token " + DefaultWaldurToken
}

// All recorded callbacks get the recorded answer and have the recorded effect.
func TestRecordedCallbacks(t *testing.T) {
	var cases []callback
	if err := json.Unmarshal(recorded(t, "waldur_callbacks.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 143 {
		t.Fatalf("%d cases, want 143", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Case, func(t *testing.T) {
			s, base := newScene(t, c)
			if c.Case == "options update: set_state_done after approve" {
				post(t, base, strings.Replace(c.Path, "set_state_done", "approve_by_provider", 1), "")
			}
			before := s.State()
			got := send(t, http.MethodPost, base+c.Path, token(t, s, c.Case), c.body())
			compareAnswer(t, c, got)
			compareEffect(t, c, s)
			checkLog(t, s, before)
		})
	}
}

func compareAnswer(t *testing.T, c callback, got answered) {
	t.Helper()
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	if got.status != c.Status {
		t.Errorf("status %d, want %d", got.status, c.Status)
	}
	if ct := got.header.Get("Content-Type"); ct != text(c.ContentType) {
		t.Errorf("content type %q, want %q", ct, text(c.ContentType))
	}
	if ch := got.header.Get("WWW-Authenticate"); ch != text(c.Challenge) {
		t.Errorf("challenge %q, want %q", ch, text(c.Challenge))
	}
	want := value(t, c.Body)
	switch text(c.ContentType) {
	case "application/json":
		if diff := cmp.Diff(want, value(t, got.body)); diff != "" {
			t.Error(diff)
		}
	case "":
		want = ""
		fallthrough
	default:
		if want != string(got.body) {
			t.Errorf("body %q, want %q", got.body, want)
		}
	}
}

func compareEffect(t *testing.T, c callback, s *Server) {
	t.Helper()
	if c.After == nil {
		return
	}
	r := s.State()[0]
	if o := r.Orders[0]; string(o.State) != c.After.Order || string(r.State) != c.After.Resource {
		t.Errorf("order %s, resource %s; want %s, %s", o.State, r.State, c.After.Order, c.After.Resource)
	}
	if c.After.Options != nil && mustJSON(t, c.After.Options) != mustJSON(t, r.Options) {
		t.Errorf("options %v, want %v", r.Options, c.After.Options)
	}
}

// checkLog checks that the log says that a request took effect if it was answered with success, and
// never if it changed nothing.
func checkLog(t *testing.T, s *Server, before []ResourceView) {
	t.Helper()
	log := s.Requests()
	last := log[len(log)-1]
	same := cmp.Equal(before, s.State())
	if last.TookEffect && last.Status != http.StatusOK || !last.TookEffect && !same {
		t.Errorf("log says %+v; unchanged: %t", last, same)
	}
}
