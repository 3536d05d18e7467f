package waldursim

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// shown is an entry of the listing, as a client reads it.
type shown struct {
	ItemID    string
	Status    string
	Mount     mountPoint `json:"mountPoint"`
	Target    struct{ TargetType string }
	Quotas    []quota
	OldQuotas []quota
	NewQuotas []quota
	Parent    *string `json:"parentItemId"`
	URLs      []string
}

func entries(t *testing.T, base, query string) []shown {
	t.Helper()
	var page struct{ Resources []json.RawMessage }
	if err := json.Unmarshal(list(t, base, query).body, &page); err != nil {
		t.Fatal(err)
	}
	out := []shown{}
	for _, text := range page.Resources {
		var e shown
		var keys map[string]json.RawMessage
		if json.Unmarshal(text, &e) != nil || json.Unmarshal(text, &keys) != nil {
			t.Fatalf("entry %s", text)
		}
		for key := range keys {
			if name, ok := strings.CutSuffix(key, "_url"); ok {
				e.URLs = append(e.URLs, name)
			}
		}
		slices.Sort(e.URLs)
		out = append(out, e)
	}
	return out
}

func leaf(t *testing.T, base string) shown {
	t.Helper()
	all := entries(t, base, "")
	return all[len(all)-1]
}

func spec(order *OrderSpec) ResourceSpec {
	return ResourceSpec{
		Offering: "capstor", Customer: "mch", Project: "p", DataType: "store", Limits: map[string]any{"storage": 10}, Order: order,
	}
}

// QUIRKS 24: what the proxy shows of each state, and which callbacks.
func TestStatusAndURLs(t *testing.T) {
	pending := "approve_by_provider reject_by_provider set_backend_id set_state_done set_state_ok " +
		"update_resource_options"
	executing := "set_backend_id set_state_done set_state_erred set_state_ok"
	for name, c := range map[string]struct {
		state        ResourceState
		order        *OrderSpec
		status, urls string
	}{
		"create pending":          {"", &OrderSpec{}, "pending", pending},
		"create executing":        {"", &OrderSpec{State: Executing}, "pending", executing},
		"create by consumer":      {"", &OrderSpec{State: PendingConsumer}, "pending", "set_backend_id set_state_ok"},
		"create at a start date":  {"", &OrderSpec{State: PendingStartDate}, "pending", ""},
		"update by consumer":      {"", &OrderSpec{Type: Update, State: PendingConsumer}, "active", "set_backend_id"},
		"terminate by consumer":   {"", &OrderSpec{Type: Terminate, State: PendingConsumer}, "active", "set_backend_id"},
		"terminate pending":       {"", &OrderSpec{Type: Terminate}, "removing", pending},
		"erred, update ordered":   {Erred, &OrderSpec{Type: Update}, "error", pending},
		"erred":                   {Erred, nil, "error", ""},
		"terminated":              {Terminated, nil, "removed", ""},
		"ok though order is open": {OK, &OrderSpec{Type: Terminate, State: Executing}, "active", "set_backend_id set_state_done set_state_erred"},
	} {
		t.Run(name, func(t *testing.T) {
			s, srv := start(t, Options{})
			sp := spec(c.order)
			sp.State = c.state
			if _, err := s.AddResource(sp); err != nil {
				t.Fatal(err)
			}
			if e := leaf(t, srv.URL); e.Status != c.status || strings.Join(e.URLs, " ") != c.urls {
				t.Errorf("%s with %q, want %s with %q", e.Status, e.URLs, c.status, c.urls)
			}
		})
	}
}

// QUIRKS 16 to 22: quotas from limits, options that override them, and fractions.
func TestQuotas(t *testing.T) {
	for name, c := range map[string]struct{ limits, options, want string }{
		"limit":              {`{"storage":10}`, `{}`, "10 10 13300000 20000000"},
		"text":               {`{"storage":"12"}`, `{}`, "12 12 15960000 24000000"},
		"fraction":           {`{"storage":0.001}`, `{}`, "0.001 0.001 1330 2000"},
		"cut":                {`{"storage":0.0000011}`, `{}`, "0.0000011 0.0000011 1 2"},
		"no limits":          {`{}`, `{}`, "null"},
		"null":               {`{"storage":null}`, `{}`, "null"},
		"another component":  {`{"Storage":5}`, `{}`, "null"},
		"hard 0":             {`{"storage":10}`, `{"hard_quota_space":0}`, "10 0 13300000 20000000"},
		"hard without limit": {`{"storage":0}`, `{"hard_quota_space":5}`, "0 5 0 0"},
		"soft is not read":   {`{"storage":10}`, `{"soft_quota_space":1}`, "10 10 13300000 20000000"},
		"inodes":             {`{"storage":1}`, `{"soft_quota_inodes":7,"hard_quota_inodes":8}`, "1 1 7 8"},
	} {
		t.Run(name, func(t *testing.T) {
			var limits, options map[string]any
			if decode([]byte(c.limits), &limits) != nil || decode([]byte(c.options), &options) != nil {
				t.Fatal("bad case")
			}
			got, err := quotas(limits, options)
			want := []quota{{"space", 0, "tera", "soft"}, {"space", 0, "tera", "hard"}, {"inodes", 0, "none", "soft"}, {"inodes", 0, "none", "hard"}}
			if c.want == "null" {
				want = nil
			}
			for i, n := range strings.Fields(c.want)[:len(want)] {
				v, _ := number(n)
				want[i].Quota = float(v)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v %v, want %v", got, err, want)
			}
		})
	}
}

// QUIRKS 9, 10 and 11: a backend id is used unchanged as the path, and moves the parents. A
// customer that the offering does not know has no node.
func TestBackendIDMovesParents(t *testing.T) {
	for id, want := range map[string]string{
		"":                       "/capstor/store/cscs /capstor/store/cscs/mch /capstor/store/cscs/mch/p",
		"/scratch/legacy/psi/px": "/scratch/legacy /scratch/legacy/psi /scratch/legacy/psi/px",
		"/onelevel":              "/ / /onelevel",
		"/a b/c;rm -rf $HOME/<x": "/a b /a b/c;rm -rf $HOME /a b/c;rm -rf $HOME/<x",
	} {
		s, srv := start(t, Options{})
		sp := spec(nil)
		sp.BackendID = id
		if _, err := s.AddResource(sp); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries(t, srv.URL, "") {
			got = append(got, e.Mount.Default)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", id, got, want)
		}
	}
	s, srv := start(t, Options{})
	sc := Scenario{Customers: []CustomerSpec{{Slug: "mch", Hidden: true}},
		Resources: []ResourceSpec{spec(nil)}}
	if err := s.Load(sc); err != nil {
		t.Fatal(err)
	}
	all := entries(t, srv.URL, "")
	if len(all) != 2 || all[0].Target.TargetType != "tenant" || all[1].Parent != nil {
		t.Errorf("hidden customer: %+v", all)
	}
}

// QUIRKS 12 and 15: one path occurs twice, and a data type is unknown.
func TestSamePathTwice(t *testing.T) {
	s, srv := start(t, Options{GID: 4711})
	for _, dt := range []string{"store", "Store"} {
		sp := spec(nil)
		sp.DataType = dt
		if _, err := s.AddResource(sp); err != nil {
			t.Fatal(err)
		}
	}
	all := entries(t, srv.URL, "?data_type=store")
	if len(all) != 4 || all[2].Mount != all[3].Mount || all[2].ItemID == all[3].ItemID {
		t.Errorf("%+v", all)
	}
	for _, r := range s.State() {
		if *r.GID != 4711 {
			t.Errorf("gid %d", *r.GID)
		}
	}
}

func TestFloat(t *testing.T) {
	for in, want := range map[float]string{0: "0.0", 10: "10.0", 2.5: "2.5", 199500000: "199500000.0",
		1e16: "1e+16", 1e-05: "1e-05"} {
		if got := mustJSON(t, in); got != want {
			t.Errorf("%v: %s, want %s", float64(in), got, want)
		}
	}
}
