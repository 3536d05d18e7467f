package waldur

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/apply"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

const orderID = "03e5a2cc92824c9bad83781f0cc152f9"

// waldurServer returns a simulated Waldur and a client of it.
func waldurServer(t *testing.T, play http.HandlerFunc) (apply.Orders, string) {
	t.Helper()
	server := httptest.NewServer(play)
	t.Cleanup(server.Close)
	base := server.URL + "/api/"
	return newOrders(base, 10*time.Second), base
}

func newOrders(base string, timeout time.Duration) apply.Orders {
	return NewOrders(OrdersOptions{URL: base, Token: Static(testToken), Timeout: timeout,
		Transport: web.NewTransport(nil, nil),
		Now:       func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }})
}

// TestRealOrders: the orders of the real listing are read from Waldur's answers.
func TestRealOrders(t *testing.T) {
	var ids map[string]struct{ Order json.RawMessage }
	if err := json.Unmarshal(response(t, "mini_ids.json"), &ids); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]planner.Order{
		"creating_archive":           {Type: planner.OrderCreate, State: planner.OrderPendingProvider, HasLimits: true},
		"creating_users_executing":   {Type: planner.OrderCreate, State: planner.OrderExecuting, HasLimits: true},
		"updating_limits":            {Type: planner.OrderUpdate, State: planner.OrderPendingProvider, HasLimits: true},
		"updating_options":           {Type: planner.OrderUpdate, State: planner.OrderPendingProvider, Options: &planner.Options{Quotas: planner.ProxyQuotas{planner.SpaceHard: decimal(t, "15")}}},
		"erred_with_terminate_order": {Type: planner.OrderTerminate, State: planner.OrderPendingProvider},
		"pending_consumer_update":    {Type: planner.OrderUpdate, State: planner.OrderPendingConsumer, HasLimits: true},
	} {
		o, err := parseOrder(ids[name].Order)
		if err != nil || o.Type != want.Type || o.State != want.State || o.HasLimits != want.HasLimits ||
			len(o.ID) != 32 {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		if (o.Options == nil) != (want.Options == nil) || o.Options != nil &&
			*o.Options != *want.Options {
			t.Errorf("%s: options %+v", name, o.Options)
		}
	}
}

func decimal(t *testing.T, s string) planner.Decimal {
	t.Helper()
	d, err := planner.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// about is the subject of a callback to [orderID].
var about = planner.About{Order: orderID, Resource: resourceID}

const resourceID = "d7b5f43d79ab5b8a83bfc878a036e24b"

func orderText(attributes string) string {
	return `{"uuid":"` + orderID + `","type":"Update","state":"executing","limits":{},"attributes":` +
		attributes + `,"error_message":"a\nb"}`
}

func TestOrderOptions(t *testing.T) {
	for _, c := range []struct {
		attributes string
		want       *planner.Options
		err        string
	}{
		{`{}`, nil, ""},
		{`null`, nil, ""},
		{`{"new_options":null}`, nil, ""},
		{`{"new_options":{}}`, nil, ""},
		{`{"new_options":{"color":"red"}}`, &planner.Options{}, ""},
		{`{"new_options":{"hard_quota_space":12.5,"soft_quota_inodes":"1500000","hard_quota_inodes":2e6,"permissions":"2770"}}`,
			&planner.Options{Quotas: planner.ProxyQuotas{planner.SpaceHard: decimal(t, "12.5"),
				planner.InodesSoft: decimal(t, "1500000"), planner.InodesHard: decimal(t,
					"2e6")}, Permission: "2770"}, ""},
		{`{"new_options":{"permissions":775}}`, &planner.Options{Permission: "775"}, ""},
		{`{"new_options":{"hard_quota_space":null}}`, nil, "new_options.hard_quota_space: want a number, got null"},
		{`{"new_options":{"hard_quota_space":true}}`, nil, "new_options.hard_quota_space: want a number, got true or false"},
		{`{"new_options":{"hard_quota_space":""}}`, nil, `new_options.hard_quota_space: number ""`},
		{`{"new_options":{"hard_quota_inodes":"many"}}`, nil,
			`new_options.hard_quota_inodes: number "many"`},
		{`{"new_options":{"soft_quota_inodes":{"a":1}}}`, nil, "new_options.soft_quota_inodes: want a number, got an object"},
		{`{"new_options":{"permissions":"rwx"}}`, nil,
			`new_options.permissions: "rwx" is not three or four octal digits`},
		{`{"new_options":{"permissions":null}}`, nil, "new_options.permissions: want a string, got null"},
		{`{"new_options":[]}`, nil, "attributes.new_options: want an object, got an array"},
		{`{"old_limits":[]}`, nil, "attributes.old_limits: want an object, got an array"},
		{`[]`, nil, "attributes: want an object, got an array"},
		{`{"new_options":{"hard_quota_space":1,"hard_quota_space":2}}`, nil,
			`duplicate member "hard_quota_space"`},
	} {
		o, err := parseOrder([]byte(orderText(c.attributes)))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %s", c.attributes, err, c.err)
			}
			continue
		}
		if err != nil || o.HasLimits || o.Error != "a b" || (o.Options == nil) != (c.want == nil) ||
			c.want != nil && *o.Options != *c.want {
			t.Errorf("%s: %+v, options %+v, %v", c.attributes, o, o.Options, err)
		}
	}
}

// TestOrderResource: an answer names its resource, in either form of the id, or names none.
func TestOrderResource(t *testing.T) {
	with := func(id string) string {
		return strings.Replace(orderText(`{}`), `"limits"`, `"marketplace_resource_uuid":`+id+`,"limits"`,
			1)
	}
	for text, want := range map[string]string{
		orderText(`{}`):                                "",
		with(`"` + resourceID + `"`):                   resourceID,
		with(`"d7b5f43d-79ab-5b8a-83bf-c878a036e24b"`): resourceID,
	} {
		if o, err := parseOrder([]byte(text)); err != nil || o.Resource != want || o.ID != orderID {
			t.Errorf("%s: %+v, %v", text, o, err)
		}
	}
	for _, bad := range []string{`null`, `7`, `""`, `"x"`} {
		if o, err := parseOrder([]byte(with(bad))); err == nil || !strings.Contains(err.Error(), "marketplace_resource_uuid") {
			t.Errorf("%s: %+v, %v", bad, o, err)
		}
	}
}

func TestOrderRefused(t *testing.T) {
	good := orderText(`{"old_limits":{"storage":10}}`)
	if o, err := parseOrder([]byte(good)); err != nil || !o.HasLimits {
		t.Fatalf("%+v, %v", o, err)
	}
	for _, c := range []struct{ old, new, err string }{
		{`"Update"`, `""`, `type: unreadable value ""`},
		{`"Update"`, `"Re\u0000size"`, `type: unreadable value "Re\x00size"`},
		{`"Update"`, `"` + strings.Repeat("x", maxOrderWord+1) + `"`, "type: unreadable value"},
		{`"Update"`, `null`, "type: want a string, got null"},
		{`"executing"`, `" on hold"`, `state: unreadable value " on hold"`},
		{`"state":"executing",`, ``, "state: missing"},
		{orderID, `x`, `uuid: "x" is not a UUID`},
		{`"limits":{}`, `"limits":7`, "limits: want an object, got a number"},
		{good, `[]`, "byte 0: '[' where the JSON object of an order should be"},
		{good, good[:40], "the text ends"},
		{good, good + strings.Repeat(" ", maxOrderBytes), "order is longer than 1024 KiB"},
	} {
		if _, err := parseOrder([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil ||
			!strings.Contains(err.Error(), c.err) {
			t.Errorf("%.60s: error %v, want %s", c.new, err, c.err)
		}
	}
}

// TestOrderWordsAreOpen: the planner blocks an order with an unknown type or state, and names it.
func TestOrderWordsAreOpen(t *testing.T) {
	text := strings.NewReplacer(`"Update"`, `"Resize"`, `"executing"`,
		`"on hold"`).Replace(orderText(`{}`))
	o, err := parseOrder([]byte(text))
	if err != nil || o.Type != "Resize" || o.Type.IsKnown() || o.State != "on hold" ||
		o.State.IsKnown() {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestGet(t *testing.T) {
	o, base := waldurServer(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodGet || req.Header.Get("Authorization") != "Token "+testToken ||
			req.URL.Path != "/api/marketplace-orders/"+orderID+"/" {
			t.Errorf("%s %s %q", req.Method, req.URL, req.Header.Get("Authorization"))
		}
		fmt.Fprint(w, orderText(`{}`))
	})
	order, err := o.Get(context.Background(), base+"marketplace-orders/"+orderID+"/")
	if err != nil || order.ID != orderID || order.State != planner.OrderExecuting {
		t.Errorf("%+v, %v", order, err)
	}
}

func TestGetRefused(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, says string
		is         error
	}{
		{404, `{"detail":"No Order matches the given query."}`, "no such order, or the token may not see it (404: No Order matches the given query.)", apply.ErrOrderGone},
		{401, `{"detail":"Invalid token."}`, "answered 401 (Unauthorized): Invalid token.; the token is refused: renew the one in waldur.token", nil},
		{403, `{"detail":"You do not have permission to perform this action."}`, "the missing permission on the offering", nil},
		{500, "<h1>Server Error (500)</h1>", "answered 500 (Internal Server Error): HTML answer", nil},
		{200, "<html>", "an HTML page instead of JSON", nil},
		{200, `{"uuid":"x"}`, "read the answer: uuid:", nil},
		{200, strings.Replace(orderText(`{}`), "03e5", "13e5", 1), "the answer is about another order, 13e5a2cc", nil},
		{200, strings.Repeat(" ", maxOrderBytes+1), "read the answer: ", nil},
	} {
		o, base := waldurServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			fmt.Fprint(w, c.body)
		})
		_, err := o.Get(context.Background(), base+"marketplace-orders/"+orderID+"/")
		if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) ||
			errors.Is(err, apply.ErrUnreachable) || strings.Contains(err.Error(), testToken) {
			t.Errorf("%d: %v\nwant %s", c.status, err, c.says)
		}
	}
}

func TestGetUnreachable(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	url := server.URL + "/api/"
	server.Close()
	_, err := newOrders(url, time.Minute).Get(context.Background(),
		url+"marketplace-orders/"+orderID+"/")
	if !errors.Is(err, apply.ErrUnreachable) || errors.Is(err, apply.ErrOrderGone) {
		t.Error(err)
	}
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer slow.Close()
	defer close(hang)
	url = slow.URL + "/api/"
	o, begun := newOrders(url, 50*time.Millisecond), time.Now()
	_, err = o.Get(context.Background(), url+"marketplace-orders/"+orderID+"/")
	sent := o.Send(context.Background(),
		apply.Call{Callback: planner.SetStateDone, About: about, URL: url + "marketplace-orders/" +
			orderID + "/set_state_done/"})
	for what, err := range map[string]error{"get": err, "send": sent.Err} {
		if !errors.Is(err, apply.ErrUnreachable) || !strings.Contains(err.Error(), "no answer: none within 50ms") || time.Since(begun) > 20*time.Second {
			t.Errorf("%s: %v after %s", what, err, time.Since(begun))
		}
	}
}

// TestKeptTargets: a URL from the outbox is called below waldur.url. A URL that was stored for
// another Waldur is not called.
func TestKeptTargets(t *testing.T) {
	var asked []string
	o, base := waldurServer(t, func(w http.ResponseWriter, req *http.Request) {
		asked = append(asked, req.Method+" "+req.URL.Path)
		_, _ = w.Write([]byte(orderText("{}")))
	})
	order := "marketplace-orders/" + orderID + "/"
	for at, known := range map[string]bool{base: true, "https://test.example.com/api/": false} {
		asked = nil
		_, err := o.Get(t.Context(), planner.KeptURL(at+order))
		_, resource := o.Resource(t.Context(),
			planner.KeptURL(at+"marketplace-provider-resources/"+resourceID+"/"))
		sent := o.Send(t.Context(), apply.Call{Callback: planner.SetStateDone, About: about,
			URL: planner.KeptURL(at + order + "set_state_done/")})
		if !known && (len(asked) > 0 || !errors.Is(err, apply.ErrNotOwn) ||
			!errors.Is(resource, apply.ErrNotOwn) || !errors.Is(sent.Err, apply.ErrNotOwn)) {
			t.Errorf("kept for %s: %v, %v, %v, %v", at, asked, err, resource, sent.Err)
		}
		if want := []string{"GET /api/" + order, "GET /api/marketplace-provider-resources/" + resourceID +
			"/", "POST /api/" + order + "set_state_done/"}; known &&
			(err != nil || sent.Status != 200 || !slices.Equal(asked, want)) {
			t.Errorf("kept for %s: %v, %v, %+v", at, asked, err, sent)
		}
	}
}

// TestSend: the real answers to Waldur's callbacks are returned with their status and text.
func TestSend(t *testing.T) {
	var cases []struct {
		Case   string
		Path   string
		Status int
		Body   any
	}
	if err := json.Unmarshal(response(t, "waldur_callbacks.json"), &cases); err != nil ||
		len(cases) != 143 {
		t.Fatal(len(cases), err)
	}
	sent := 0
	for _, c := range cases {
		body, isText := []byte(nil), false
		if s, ok := c.Body.(string); ok {
			body, isText = []byte(s), true
		} else if c.Body != nil {
			body, _ = json.Marshal(c.Body)
		}
		var posts atomic.Int32
		o, base := waldurServer(t, func(w http.ResponseWriter, req *http.Request) {
			posts.Add(1)
			if sent, _ := io.ReadAll(req.Body); req.Method != http.MethodPost ||
				string(sent) != `{"backend_id":"/x"}` ||
				req.Header.Get("Content-Type") != "application/json" || req.Header.Get("Authorization") != "Token "+testToken {
				t.Errorf("%s %s", req.Method, sent)
			}
			w.WriteHeader(c.Status)
			_, _ = w.Write(body)
		})
		call, allowed := callTo(base + strings.TrimPrefix(c.Path, "/api/"))
		call.Body = []byte(`{"backend_id":"/x"}`)
		a := o.Send(context.Background(), call)
		if !allowed {
			if !errors.Is(a.Err, apply.ErrNotOwn) || posts.Load() != 0 {
				t.Errorf("%s was called: %+v", c.Path, a)
			}
			continue
		}
		sent++
		if a.Status != c.Status || a.Err != nil || posts.Load() != 1 {
			t.Errorf("%s: %+v after %d posts", c.Case, a, posts.Load())
		}
		said, _ := c.Body.(map[string]any)
		for _, member := range []string{"detail", "status"} {
			if s, ok := said[member].(string); ok && a.Detail != s {
				t.Errorf("%s: detail %q, want %q", c.Case, a.Detail, s)
			}
		}
		if isText && strings.Contains(a.Detail, "<") {
			t.Errorf("%s: detail %q", c.Case, a.Detail)
		}
	}
	if sent < 90 {
		t.Errorf("only %d of %d recorded calls were sent", sent, len(cases))
	}
}

// callTo returns the call of a recorded URL, or false if cscs-sync never makes such a call.
func callTo(url string) (apply.Call, bool) {
	call := apply.Call{Callback: planner.SetStateDone, About: about, URL: url}
	order, _, isOrder := planner.OrderOf(url)
	resource, _, _ := planner.ResourceOf(url)
	call.About = planner.About{Order: order, Resource: resource}
	verb := path.Base(url)
	for c, name := range map[planner.Callback]string{planner.Approve: "approve_by_provider",
		planner.Reject:       "reject_by_provider",
		planner.SetStateDone: "set_state_done", planner.SetStateErred: "set_state_erred", planner.SetBackendID: "set_backend_id",
		planner.UpdateOptions: "update_options_direct", planner.SetStateOK: "set_state_ok"} {
		if name == verb && c.AboutOrder() == isOrder {
			call.Callback = c
			return call, true
		}
	}
	return call, false
}

func TestSendAnswers(t *testing.T) {
	const far = "Sun, 22 Nov 2026 10:00:42 GMT"
	for _, c := range []struct {
		name, retry, body, detail string
		status                    int
		after                     time.Duration
	}{
		{"empty", "", "", "", 200, 0},
		{"HTML", "", "\n <h1>Server Error (500)</h1>", "HTML answer", 500, 0},
		{"list", "", `["Offering is unavailable."]`, `["Offering is unavailable."]`, 400, 0},
		{"fields", "", `{"options":{"permissions":["\"2771\" is not a valid choice."]}}`,
			`{"options":{"permissions":["\"2771\" is not a valid choice."]}}`, 400, 0},
		{"control characters", "", `{"detail":"a\u001b[31m\u202eb\nc"}`, `a\u001b[31m\u202eb c`, 409, 0},
		{"long", "", `{"detail":"` + strings.Repeat("ä", 5000) + `"}`, strings.Repeat("ä", 300) + "…",
			409, 0},
		{"very long", "", strings.Repeat("x", 1<<20), strings.Repeat("x", 300) + "…", 413, 0},
		{"seconds", "120", "", "", 429, 2 * time.Minute},
		{"date", far, "", "", 503, 42 * time.Second},
		{"past date", "Sun, 22 Nov 2020 10:00:42 GMT", "", "", 503, 0},
		{"nonsense", "-5", "", "", 503, 0},
		{"for ever", "99999999", "", "", 503, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, base := waldurServer(t, func(w http.ResponseWriter, req *http.Request) {
				if sent, _ := io.ReadAll(req.Body); len(sent) != 0 {
					t.Errorf("body %q", sent)
				}
				w.Header().Set("Retry-After", c.retry)
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			a := o.Send(context.Background(),
				apply.Call{Callback: planner.Approve, About: about, URL: base + "marketplace-orders/" +
					orderID + "/approve_by_provider/"})
			if a.Status != c.status || a.Detail != c.detail || a.RetryAfter != c.after || a.Err != nil {
				t.Errorf("%+v", a)
			}
		})
	}
}

// TestSendNoAnswer: there is no status, and the error says so without the token.
func TestSendNoAnswer(t *testing.T) {
	var posts atomic.Int32
	o, base := waldurServer(t, func(http.ResponseWriter, *http.Request) {
		posts.Add(1)
		panic(http.ErrAbortHandler)
	})
	a := o.Send(context.Background(),
		apply.Call{Callback: planner.SetStateDone, About: about, URL: base + "marketplace-orders/" +
			orderID + "/set_state_done/"})
	if a.Status != 0 || !errors.Is(a.Err, apply.ErrUnreachable) || posts.Load() != 1 ||
		!strings.HasPrefix(a.Err.Error(), "set_state_done: 127.0.0.1:") {
		t.Errorf("%+v after %d posts", a, posts.Load())
	}
}

// TestSendStrangeSuccess: a success that did not come from Waldur, or is incomplete, proves
// nothing. An empty answer is Waldur's.
func TestSendStrangeSuccess(t *testing.T) {
	for _, c := range []struct {
		name, body string
		length     int
		want       string
	}{
		{"broken off", `{"detail":`, 1000, "the answer, 200, ended early"},
		{"a page", "<html>Down for maintenance</html>", 0, "is not Waldur's"},
		{"a word", "OK", 0, "is not Waldur's"},
		{"nothing", "", 0, ""},
		{"a sentence", `{"detail":"Order has been approved and is being processed."}`, 0, ""},
	} {
		o, base := waldurServer(t, func(w http.ResponseWriter, _ *http.Request) {
			if c.length > 0 {
				w.Header().Set("Content-Length", fmt.Sprint(c.length))
			}
			fmt.Fprint(w, c.body)
		})
		a := o.Send(context.Background(),
			apply.Call{Callback: planner.SetStateDone, About: about, URL: base + "marketplace-orders/" +
				orderID + "/set_state_done/"})
		if strange := a.Status == 0 && a.Err != nil &&
			strings.Contains(a.Err.Error(), c.want); strange != (c.want != "") || c.want == "" &&
			a.Status != 200 {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
}

// TestNotLeaked: neither a redirect nor a foreign URL makes the client send Waldur's token, or a
// request, to another host.
func TestNotLeaked(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("%s was called with %q", req.URL, req.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	o, base := waldurServer(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL+req.URL.Path, http.StatusPermanentRedirect)
	})
	order := "marketplace-orders/" + orderID + "/"
	if a := o.Send(context.Background(),
		apply.Call{Callback: planner.SetStateDone, About: about, URL: base + order +
			"set_state_done/"}); a.Status != 308 ||
		!strings.Contains(a.Detail, "redirects are not followed") {
		t.Errorf("%+v", a)
	}
	if _, err := o.Get(context.Background(), base+order); err == nil ||
		!strings.Contains(err.Error(), "308") {
		t.Error(err)
	}
	for _, target := range []string{elsewhere.URL + "/api/" + order, strings.TrimSuffix(base, "api/") +
		order, base + order + "?x", base + "../x/", strings.Replace(base, "http", "HTTP", 1) + order} {
		if _, err := o.Get(context.Background(), target); err == nil ||
			errors.Is(err, apply.ErrUnreachable) {
			t.Errorf("%s: %v", target, err)
		}
		if a := o.Send(context.Background(),
			apply.Call{Callback: planner.SetStateDone, About: about,
				URL: target}); !errors.Is(a.Err, apply.ErrNotOwn) || a.Status != 0 {
			t.Errorf("%s: %+v", target, a)
		}
	}
}

// TestResource: Waldur's answer about a resource is used only if it is about the right resource.
// Otherwise it is an error.
func TestResource(t *testing.T) {
	const id, other = "7b57adb7-cf92-5268-b77e-c465daf57379", "df3fe966-e159-5e1e-a2a8-1badfa04994a"
	for _, c := range []struct {
		name, body string
		status     int
		want       string
		is         error
	}{
		{"whole", `{"uuid":"` + strings.ReplaceAll(id, "-", "") +
			`","backend_id":"/a/b","options":{"hard_quota_space":5}}`, 200, `/a/b map[hard_quota_space:5]`, nil},
		{"no options", `{"uuid":"` + id + `","backend_id":"","options":null}`, 200, ` map[]`, nil},
		{"another one", `{"uuid":"` + other + `","backend_id":"x"}`, 200, "", nil},
		{"without a backend id", `{"uuid":"` + id + `"}`, 200, "", nil},
		{"an HTML page", `<html></html>`, 200, "", nil},
		{"gone", `{"detail":"No Resource matches the given query."}`, 404, "", apply.ErrOrderGone},
		{"refused", `{"detail":"Invalid token."}`, 401, "", apply.ErrTokenRefused},
	} {
		o, base := waldurServer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				t.Errorf("%s: %s", c.name, r.Method)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		r, err := o.Resource(t.Context(), base+"marketplace-provider-resources/"+id+"/")
		options := map[string]string{}
		for name, value := range r.Options {
			options[name] = string(value)
		}
		got := fmt.Sprintf("%s %v", r.BackendID, options)
		if (err == nil) != (c.want != "") || err == nil && got != c.want || c.is != nil &&
			!errors.Is(err, c.is) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
	}
}
