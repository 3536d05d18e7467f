package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
)

func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile("../../docs/schema/" + name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, data []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestJSONFollowsTheSchema(t *testing.T) {
	s := schema(t, "plan-1.0.schema.json")
	for name, plan := range plantest.Typical() {
		if err := valid(t, s, JSON(plan())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := valid(t, s, JSON(plantest.Thousand())); err != nil {
		t.Errorf("1,000 equal changes: %v", err)
	}
	for old, bad := range map[string]string{`"format_version": "1.0"`: `"format_version": "2.0"`,
		`"usage": null`: `"usage": 3`, `"danger": []`: `"danger": null`,
		`"warnings": [`: `"more": 1, "warnings": [`, `"0770"`: `"770"`,
		`"action": "archive"`: `"action": "delete"`} {
		data := JSON(plantest.Mixed())
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("no %s", old)
		}
		if err := valid(t, s, bytes.Replace(data, []byte(old), []byte(bad), 1)); err == nil {
			t.Errorf("the schema takes %s", bad)
		}
	}
}

func TestJSONListsEveryAction(t *testing.T) {
	p := plantest.Mixed()
	var got struct {
		ID        string
		Summary   planner.Counts
		Resources []struct {
			Address string
			Action  planner.ActionKind
		}
	}
	if err := json.Unmarshal(JSON(p), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != canonical.ID(p.Core) || got.Summary != p.Context.Counts ||
		len(got.Resources) != 10 {
		t.Errorf("%+v", got)
	}
	for i := 1; i < len(got.Resources); i++ {
		if got.Resources[i-1].Address > got.Resources[i].Address {
			t.Errorf("%s comes before %s", got.Resources[i-1].Address, got.Resources[i].Address)
		}
	}
}

// A resource is listed once, even if its quota is left alone, and as often as the summary counts
// it.
func TestJSONAgreesWithItsSummary(t *testing.T) {
	for name, plan := range plantest.Typical() {
		var got struct {
			Summary   map[string]int
			Resources []struct {
				Address, Action string
				Key             planner.Key
			}
		}
		if err := json.Unmarshal(JSON(plan()), &got); err != nil {
			t.Fatal(err)
		}
		seen, counted := map[string]bool{}, map[string]int{"unchanged": got.Summary["unchanged"]}
		for _, r := range got.Resources {
			if id := fmt.Sprint(r.Address, r.Key); seen[id] {
				t.Errorf("%s: %s appears twice", name, r.Address)
			} else {
				seen[id] = true
			}
			counted[r.Action]++
		}
		for action, n := range got.Summary {
			if strings.Contains(action, "quota") {
				continue // those are no resources of their own: TestQuotasAloneAreCounted
			}
			if counted[action] != n {
				t.Errorf("%s: the summary counts %d %s, there are %d", name, n, action,
					counted[action])
			}
		}
	}
}

func TestOtherSchemas(t *testing.T) {
	const id = `"sha256:9f2c41aa9f2c41aa9f2c41aa9f2c41aa9f2c41aa9f2c41aa9f2c41aa9f2c41aa"`
	events, verify := schema(t, "apply-event-1.0.schema.json"), schema(t, "verify-1.0.schema.json")
	for _, c := range []struct {
		s    *jsonschema.Schema
		doc  string
		want bool
	}{
		{events, `{"event":"begin","time":"2026-11-22T21:40:03Z","plan":` + id + `,"total":3}`,
			true},
		{events, `{"event":"begin","time":"2026-11-22T21:40:03Z"}`, false},
		{events, `{"event":"resource","time":"2026-11-22T21:40:03Z","address":"/a/b","action":"create","status":"started"}`, true},
		{events, `{"event":"resource","time":"yesterday","address":"/a/b","action":"create","status":"started"}`, false},
		{events, `{"event":"callback","time":"2026-11-22T21:40:03Z","address":"/a/b","callback":"approve","status":"queued","error":"503"}`, true},
		{events, `{"format_version":"1.0","plan":` + id +
			`,"result":"partial","counts":{"done":1,"failed":1,"skipped":0,"not_begun":0},` +
			`"resources":[{"address":"/a","action":"update","status":"failed","error":"it hangs"}]}`, true},
		{events, `{"format_version":"1.0","plan":` + id +
			`,"result":"fine","counts":{},"resources":[]}`, false},
		{verify, `{"id":` + id +
			`,"ok":true,"checks":[{"name":"intact","ok":true,"text":"it is"}],"approvals":[{"kind":"ssh","name":"a","time":"2026-11-22T21:40:03Z","counted":true}]}`, true},
		{verify, `{"id":` + id +
			`,"ok":true,"checks":[{"name":"intact","text":"it is"}],"approvals":[]}`, false},
		{verify, `{"id":"","ok":false,"checks":[],"approvals":null}`, false},
	} {
		if err := valid(t, c.s, []byte(c.doc)); (err == nil) != c.want {
			t.Errorf("%s: %v", c.doc, err)
		}
	}
}
