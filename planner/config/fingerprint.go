package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// fingerprint returns the SHA-256 of everything that makes a plan another plan: the evaluated
// systems, storage, approval, waldur.url and the values of variables. The order of blocks and
// files, comments and layout do not count. Overrides do not count either, because a plan contains
// what they made. A new member here makes every plan stale, once.
func fingerprint(c *Config) string {
	b, err := json.Marshal(struct {
		Version  int
		Systems  []planner.System
		Storage  Storage
		Tera     planner.Bytes
		MinGID   planner.GID
		MaxMode  uint16
		Parents  planner.ParentsPolicy
		Approval Approval
		Waldur   string
		// Variables change nothing in the fingerprint of a configuration that has none.
		Variables []variableValue `json:",omitempty"`
	}{1, c.Settings.Systems, c.Storage, c.Settings.Tera, c.Settings.MinGID,
		uint16(c.Settings.MaxMode), c.Settings.Parents, c.Approval, c.Settings.Waldur.URL,
		variableValues(c.Scope)})
	if err != nil {
		return "" // not possible: plain data
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// variableValue is a variable in the fingerprint: its whole value, and the value as messages show
// it.
type variableValue struct {
	Name  string
	Type  string
	Value json.RawMessage
	shown string
}

// variableValues returns the variables in the form that the fingerprint covers. Different values
// have different forms.
func variableValues(scope *expr.Scope) []variableValue {
	var list []variableValue
	for _, v := range scope.Variables() {
		b, err := ctyjson.Marshal(v.Value, v.Value.Type())
		if err != nil {
			continue // not possible: plain data, wholly known
		}
		list = append(list, variableValue{v.Name, v.Value.Type().GoString(), b,
			expr.Show(v.Value, 80)})
	}
	return list
}

// parts returns short digests of what the fingerprint covers, sorted by name. They only have to
// differ.
func parts(c *Config) []planner.ConfigurationPart {
	var list []planner.ConfigurationPart
	add := func(name string, values ...any) {
		b, err := json.Marshal(values)
		if err != nil {
			return // not possible: plain data
		}
		sum := sha256.Sum256(b)
		list = append(list, planner.ConfigurationPart{Name: name,
			Digest: hex.EncodeToString(sum[:6])})
	}
	add("approval", c.Approval)
	add("storage", c.Storage, c.Settings.Tera, c.Settings.MinGID, uint16(c.Settings.MaxMode),
		c.Settings.Parents)
	for _, s := range c.Settings.Systems {
		add(fmt.Sprintf("system %q", s.Name), s)
	}
	add("waldur.url", c.Settings.Waldur.URL)
	for _, v := range variableValues(c.Scope) {
		add("var."+v.Name, v)
		list[len(list)-1].Value = v.shown
	}
	slices.SortFunc(list,
		func(a, b planner.ConfigurationPart) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// group returns the SHA-256 of everything that nodes with one shared state must have in common:
// what makes a plan another plan, overrides, the policy, and how often the loop looks. What belongs
// to one node may differ: its name, its folder, where it serves metrics, whom it notifies, secrets,
// and the fence.
func (d *decoder) group(overrides hcl.Blocks) string {
	c := d.config
	var proxy string
	if c.Proxy != nil {
		proxy = c.Proxy.URL
	}
	var words []string
	for _, b := range overrides {
		words = append(words, d.words(b)...)
	}
	body, err := json.Marshal([]any{1, fingerprint(c), proxy, c.Settings.Waldur,
		c.AutoApprove.Digest(),
		c.Run.Interval, c.Run.AuditInterval, c.Shared.Lease, words})
	if err != nil {
		return "" // not possible: plain data
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// words returns the tokens of a block, without comments and layout.
func (d *decoder) words(b *hcl.Block) []string {
	body, ok := b.Body.(*hclsyntax.Body)
	file := d.config.Sources[b.DefRange.Filename]
	if !ok || file == nil {
		return nil
	}
	whole := hcl.RangeBetween(b.DefRange, body.SrcRange)
	tokens, _ := hclsyntax.LexConfig(whole.SliceBytes(file.Bytes), "", hcl.InitialPos)
	var words []string
	for _, t := range tokens {
		if t.Type != hclsyntax.TokenComment && t.Type != hclsyntax.TokenNewline {
			words = append(words, string(t.Bytes))
		}
	}
	return words
}
