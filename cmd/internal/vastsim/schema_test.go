package vastsim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/vastsim"
)

// schemaDoc is an excerpt of VAST's OpenAPI description, with what answers are checked against.
type schemaDoc struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       string
	Enum       []string
	Required   []string
	Properties map[string]schema
	Items      *schema
}

// undocumented are members that clients get and that the description lacks.
var undocumented = []string{"async_task"}

func (d *schemaDoc) check(s schema, at string, value any) error {
	if s.Ref != "" {
		s = d.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
	}
	switch v := value.(type) {
	case nil: // limits that are not set: the description says nothing of null
		if strings.Contains(at, "_limit") {
			return nil
		}
	case map[string]any:
		if s.Type == "object" {
			return d.object(s, at, v)
		}
	case []any:
		if s.Type == "array" {
			for i, e := range v {
				if err := d.check(*s.Items, fmt.Sprintf("%s[%d]", at, i), e); err != nil {
					return err
				}
			}
			return nil
		}
	case string:
		if s.Type == "string" && (s.Enum == nil || slices.Contains(s.Enum, v)) {
			return nil
		}
	case bool:
		if s.Type == "boolean" {
			return nil
		}
	case json.Number:
		if s.Type == "integer" && !strings.ContainsAny(v.String(), ".eE") {
			return nil
		}
	}
	return fmt.Errorf("%s: %v is no %s %v", at, value, s.Type, s.Enum)
}

func (d *schemaDoc) object(s schema, at string, v map[string]any) error {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s: %s is missing", at, name)
		}
	}
	for name, e := range v {
		p, known := s.Properties[name]
		switch {
		case known:
			if err := d.check(p, at+"."+name, e); err != nil {
				return err
			}
		case s.Properties != nil && !slices.Contains(undocumented, name):
			return fmt.Errorf("%s: %s is not described", at, name)
		}
	}
	return nil
}

// Every answer of a described call matches its description.
func TestAnswersFollowTheDescription(t *testing.T) {
	text, err := os.ReadFile("testdata/quotas-api.json")
	var d schemaDoc
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	sim, err := vastsim.New("")
	if err != nil {
		t.Fatal(err)
	}
	sim.Behave(vastsim.Behaviour{Tasks: 1})
	server := httptest.NewServer(sim)
	defer server.Close()
	for _, c := range []struct{ method, path, described, status, body string }{
		{"POST", "token/", "/token/", "200", `{"username":"sim","password":"sim-password"}`},
		{"POST", "token/refresh/", "/token/refresh/", "200", `{"refresh":"refresh-1"}`},
		{"POST", "quotas/", "/quotas/", "201",
			`{"name":"a","path":"/a","hard_limit":5,"soft_limit":null}`},
		{"GET", "vtasks/1/", "/vtasks/{id}/", "200", ""},
		{"GET", "quotas/?page=1", "/quotas/", "200", ""},
		{"GET", "quotas/1/", "/quotas/{id}/", "200", ""},
		{"PATCH", "quotas/1/", "/quotas/{id}/", "200", `{"hard_limit":6}`},
		{"GET", "tenants/", "/tenants/", "200", ""},
		{"DELETE", "quotas/1/", "/quotas/{id}/", "204", ""},
	} {
		status, answer := ask(t, c.method, server.URL+"/api/v5/"+c.path, c.body)
		described, ok := d.Paths[c.described][strings.ToLower(c.method)].Responses[status]
		if status != c.status || !ok {
			t.Errorf("%s %s: %s %s", c.method, c.path, status, answer)
			continue
		}
		content, ok := described.Content["application/json"]
		if !ok {
			continue // only the status is described
		}
		decoder := json.NewDecoder(bytes.NewReader(answer))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if err := d.check(content.Schema, c.path, value); err != nil {
			t.Error(err)
		}
	}
}

func ask(t *testing.T, method, url, body string) (status string, answer []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Api-Token "+vastsim.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode), answer
}
