package planfile

import (
	"bytes"
	"errors"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// TestShow shows plans from coloured and plain files. The result is always what rendering the plan
// again gives.
func TestShow(t *testing.T) {
	plans := plantest.Typical()
	plans["hostile"], plans["mixed"] = plantest.Hostile, plantest.Mixed
	ways := []render.Options{{}, {Color: true}, {Width: 80}, {Width: 80, Color: true},
		{Width: 100}, {Width: 100, Color: true}, {Palette: render.Dark},
		{Palette: render.Dark, Color: true}, {Compact: true}, {Compact: true, Color: true},
		{Commands: true}, {MaxSize: 9}, {MaxSize: 9, Color: true}}
	for name, plan := range plans {
		for _, colored := range []bool{false, true} {
			data, err := Marshal(plan(), render.Options{Color: colored})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f, err := Parse(data)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, opt := range ways {
				if !bytes.Equal(f.Show(opt), render.Text(f.Plan, opt)) {
					t.Errorf("%s, coloured %t: another text with %+v", name, colored, opt)
				}
			}
		}
	}
}

// TestShowForeign never shows the text of a foreign file, because nobody compared it.
func TestShowForeign(t *testing.T) {
	p := plantest.Mixed()
	p.Context.Renderer = canonical.Renderer + 1
	f, err := Parse(pack(t, []byte("nothing will be deleted\n"), canonical.Encode(p)))
	if err != nil {
		t.Fatal(err)
	}
	for _, opt := range []render.Options{{}, {Color: true}} {
		if got := f.Show(opt); bytes.Contains(got, []byte("nothing will be deleted")) ||
			!bytes.Equal(got, render.Text(f.Plan, opt)) {
			t.Errorf("%+v: the file's own text is shown:\n%.200s", opt, got)
		}
	}
}

// TestHalves decodes parts that are not in two halves, or seem to be in more. Each is read as
// Encode wrote it, or refused.
func TestHalves(t *testing.T) {
	p := plantest.Base()
	plantest.AddCreate(p, `/capstor/a,"context":{"x"},"core":`, 1)
	p.Context.Source = `},"context":{"renderer":9}`
	part := canonical.Encode(p)
	r, err := canonical.Begin(part)
	if err != nil || r.Check() != nil || r.ID != canonical.ID(p.Core) {
		t.Errorf("a plan that speaks of halves: %v", err)
	}
	replace := func(old, with string) []byte {
		changed := bytes.Replace(part, []byte(old), []byte(with), 1)
		if bytes.Equal(changed, part) {
			t.Fatalf("there is no %q", old)
		}
		return changed
	}
	for name, bad := range map[string][]byte{
		"a second context": replace(`,"context":`, `,"context":{},"context":`),
		"a second core":    replace(`"core":`, `"core":{},"core":`),
		"no context":       replace(`,"context":`, `,"contest":`),
		"a blank":          replace(`,"context":`, `, "context":`),
		"a member more":    replace(`"core":{`, `"core":{"more":1,`),
		"in the context":   replace(`"context":{`, `"context":{"more":1,`),
		"one brace more":   append(bytes.Clone(part), '}'),
		"one brace less":   part[:len(part)-1],
		"text after it":    append(bytes.Clone(part), ` {"x":1}`...),
		"halves swapped":   []byte(`{"format":1,"context":{},"core":{}}`),
		"empty halves":     []byte(`{"format":1,"core":,"context":}`),
		"nothing":          nil,
	} {
		if _, err := canonical.Decode(bad); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := canonical.Decode([]byte(`{"format":2,"core":{},"context":{}}`)); !errors.Is(err,
		canonical.ErrFormat) {
		t.Errorf("another format: %v", err)
	}
}

// TestEncodeWithID returns the same id and text as encoding separately, also for text that is not
// UTF-8.
func TestEncodeWithID(t *testing.T) {
	for _, source := range []string{"a", "a\xffb\xfe", "\u2028<&>"} {
		p := plantest.Mixed()
		p.Context.Source = source
		p.Core.Actions[0].Address += source
		part, id := canonical.EncodeWithID(p)
		if id != canonical.ID(p.Core) {
			t.Errorf("%q: another id", source)
		}
		again, err := canonical.Decode(part)
		if err != nil || !bytes.Equal(canonical.Encode(again), part) {
			t.Errorf("%q: it does not come back: %v", source, err)
		}
	}
}
