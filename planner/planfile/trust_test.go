package planfile

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/plantest"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// harmless reports whether a file differs from another only in line ends and blanks before them.
func harmless(a, b []byte) bool { return bytes.Equal(normalise(a), normalise(b)) }

func refuse1(t *testing.T, original, changed []byte, what string) {
	t.Helper()
	if harmless(original, changed) {
		return
	}
	f, err := Parse(changed)
	if err != nil || f.Check() != nil || sameMeaning(t, original, f) {
		return
	}
	t.Fatalf("%s is taken", what)
}

// sameMeaning reports whether a file says exactly what the original says, in another compressed
// form: for example, with other padding in the last byte.
func sameMeaning(t *testing.T, original []byte, f *File) bool {
	t.Helper()
	o, err := Parse(original)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(o.Text, f.Text) && bytes.Equal(canonical.Encode(o.Plan),
		canonical.Encode(f.Plan)) && len(o.Approvals) == len(f.Approvals)
}

// TestEveryByteCounts changes each byte of a file in several ways, removes it, cuts the file there,
// and inserts one.
func TestEveryByteCounts(t *testing.T) {
	p := plantest.Base()
	plantest.AddRaise(p, "/capstor/a", 1, 10*plantest.TiB, 20*plantest.TiB, 8*plantest.TiB)
	for _, colored := range []bool{false, true} {
		data, err := Marshal(p, render.Options{Color: colored})
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("colored=%t", colored), func(t *testing.T) {
			t.Parallel()
			for i := range data {
				for _, c := range []byte{data[i] ^ 1, data[i] ^ 32, " \n\r\x1b=A0-"[i%8]} {
					changed := bytes.Clone(data)
					changed[i] = c
					refuse1(t, data, changed, fmt.Sprintf("byte %d as %q instead of %q", i, c,
						data[i]))
				}
				refuse1(t, data, append(bytes.Clone(data[:i]), data[i+1:]...),
					fmt.Sprintf("without byte %d", i))
				refuse1(t, data, data[:i], fmt.Sprintf("cut at %d", i))
				more := " x\n\x1b-\x00=A"[i%8]
				refuse1(t, data, bytes.Join([][]byte{data[:i], {more}, data[i:]}, nil),
					fmt.Sprintf("%q before byte %d", more, i))
			}
		})
	}
}

func TestRandomBytesOfALargeFile(t *testing.T) {
	data, err := Marshal(plantest.Thousand(), render.Options{Color: true})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 30 / fewer {
		i := r.IntN(len(data))
		changed := bytes.Clone(data)
		changed[i] ^= byte(1 + r.IntN(255))
		refuse1(t, data, changed, fmt.Sprintf("another byte at %d", i))
	}
}

func TestLineEndsAndTrailingBlanks(t *testing.T) {
	data := marshal(t, render.Options{})
	for name, mailed := range map[string][]byte{
		"CRLF":             bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")),
		"blanks":           bytes.ReplaceAll(data, []byte("\n"), []byte(" \t\n")),
		"blanks and CRLF":  bytes.ReplaceAll(data, []byte("\n"), []byte("  \r\n")),
		"no last line end": bytes.TrimSuffix(data, []byte("\n")),
	} {
		f, err := Parse(mailed)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(f.Bytes(), data) {
			t.Errorf("%s: not in normal form", name)
		}
	}
}

// pack returns a plan file around any machine's part, with the text of a plan.
func pack(t *testing.T, text, part []byte) []byte {
	t.Helper()
	packed, err := compress(part)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{[]byte(begin + "\n\n"), text, []byte("\n"),
		armor(planLabel, packed)}, nil)
}

func TestRefused(t *testing.T) {
	p := plantest.Mixed()
	text, part := render.Text(p, render.Options{}), canonical.Encode(p)
	if _, err := Parse(pack(t, text, part)); err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) []byte {
		if !bytes.Contains(part, []byte(old)) {
			t.Fatalf("the machine's part has no %s", old)
		}
		return pack(t, text, bytes.Replace(part, []byte(old), []byte(new), 1))
	}
	data := pack(t, text, part)
	approval := EncodeApproval([]byte("x"))
	for name, bad := range map[string][]byte{
		"empty": nil, "other file": []byte("#!/bin/sh\n"), "version 2": bytes.Replace(data,
			[]byte("plan v1"), []byte("plan v2"), 1),
		"format 2": swap(`{"format":1,`, `{"format":2,`), "unknown member": swap(`"context":{`,
			`"context":{"x":1,`),
		"duplicate member": swap(`"core":{`, `"core":{"actions":[],`),
		"space":            swap(`"core":{`, `"core": {`), "case": swap(`"core":{`, `"CORE":{`),
		"after the end": pack(t, text, append(bytes.Clone(part), ' ')),
		"two values":    pack(t, text, append(bytes.Clone(part), "{}"...)),
		"null list":     swap(`"systems":["capstor","iopsstor"]`, `"systems":null`),
		"escaped":       swap(`"user":"root"`, `"user":"\u0072oot"`),
		"kind":          swap(`"action":"archive"`, `"action":"blocked"`),
		"attribute":     swap(`"attribute":"owner"`, `"attribute":"Owner"`),
		"callback":      swap(`"approve"`, `"set_state_ok"`), "target": swap(`"target":"project"`,
			`"target":"planet"`),
		"local time": swap(`"made":"2026-11-22T21:40:03Z"`,
			`"made":"2026-11-22T22:40:03+01:00"`),
		"fraction":         swap(`21:40:03Z"`, `21:40:03.5Z"`),
		"counts":           swap(`"archive":1`, `"archive":0`),
		"another text":     pack(t, render.Text(plantest.Base(), render.Options{}), part),
		"after the block":  append(bytes.Clone(data), "x\n"...),
		"empty line after": append(bytes.Clone(data), '\n'),
		"before approvals": slices3(data, []byte("\n"), approval),
		"plan twice":       slices3(data, data[bytes.Index(data, []byte("-----BEGIN")):], nil),
		"long lines": bytes.Replace(data, []byte("\n-----END CSCS-SYNC PLAN"),
			[]byte("=\n-----END CSCS-SYNC PLAN"), 1),
		"PEM header": bytes.Replace(data, []byte("PLAN-----\n"), []byte("PLAN-----\nA: b\n\n"), 1),
	} {
		_, err := Parse(bad)
		var refused *FormatError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		} else if refused.Hint == "" || !strings.HasPrefix(err.Error(), "plan file: ") {
			t.Errorf("%s: %v says no way out", name, err)
		}
	}
}

func slices3(a, b, c []byte) []byte { return bytes.Join([][]byte{a, b, c}, nil) }

func TestNoFileIsTooLargeToRefuse(t *testing.T) {
	data := marshal(t, render.Options{})
	for _, n := range []int{MaxSize + 1 - len(data), MaxSize} {
		_, err := Parse(append(bytes.Clone(data), make([]byte, n)...))
		var refused *FormatError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "it has more than 256 MiB") {
			t.Errorf("%v", err)
		}
	}
}

func TestErrorNamesTheLine(t *testing.T) {
	data := marshal(t, render.Options{})
	lines := bytes.Split(data, []byte("\n"))
	lines[16] = append(lines[16], "\x1b[8m0"...)
	_, err := Parse(bytes.Join(lines, []byte("\n")))
	var refused *FormatError
	if !errors.As(err, &refused) || refused.Line != 17 || !strings.Contains(err.Error(),
		"fresh copy") || strings.ContainsRune(err.Error(), '\x1b') {
		t.Errorf("%v", err)
	}
}

func TestBomb(t *testing.T) {
	packed, err := compress(append([]byte(`{"format":1,"core":{"configuration":"`),
		bytes.Repeat([]byte("a"), 17<<20)...))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse(slices3([]byte(begin+"\n\n"), []byte("text\n\n"), armor(planLabel, packed)))
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v", err)
	}
}

func TestForeignFileIsForShowing(t *testing.T) {
	p := plantest.Mixed()
	p.Context.Renderer = canonical.Renderer + 1
	var foreign *ForeignError
	if _, err := Marshal(p, render.Options{}); !errors.As(err, &foreign) {
		t.Errorf("Marshal: %v", err)
	}
	f, err := Parse(pack(t, []byte("a text of the future\n"), canonical.Encode(p)))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); !f.Foreign || !errors.As(err, &foreign) {
		t.Errorf("foreign %t, check %v", f.Foreign, err)
	}
}

// TestCharactersArePinned fails if the library's tables of characters change, because they decide
// what is shown unescaped. Raise Renderer then, and pin the new version.
func TestCharactersArePinned(t *testing.T) {
	if unicode.Version != "15.0.0" || canonical.Renderer != 4 {
		t.Errorf("characters are those of Unicode %s, Renderer is %d", unicode.Version,
			canonical.Renderer)
	}
}

func TestMarshalTakesWhatJSONChanges(t *testing.T) {
	p := plantest.Mixed()
	p.Context.User = "r\xffoot"
	p.Context.Made = p.Context.Made.Add(500)
	p.Core.Selection.Targets = []string{"/\xfe/**"}
	data, err := Marshal(p, render.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if canonical.ID(f.Plan.Core) != canonical.ID(p.Core) ||
		canonical.ContextDigest(f.Plan) != canonical.ContextDigest(p) {
		t.Error("the plan that comes back has another digest")
	}
}

func TestIDIsOfTheCore(t *testing.T) {
	a, b := plantest.Mixed(), plantest.Mixed()
	b.Context.Made, b.Context.Host = b.Context.Made.Add(3600e9), "other"
	if canonical.ID(a.Core) != canonical.ID(b.Core) ||
		canonical.ContextDigest(a) == canonical.ContextDigest(b) {
		t.Error("the context is in the id, or not in its digest")
	}
	b.Core.Actions[0].Changes[0].After = plantest.Num(1)
	if canonical.ID(a.Core) == canonical.ID(b.Core) {
		t.Error("the id does not cover changes")
	}
	if canonical.ID(planner.Core{}) != canonical.ID(planner.Core{Actions: []planner.Action{}}) {
		t.Error("no actions and an empty list of them differ")
	}
}

func TestApprovals(t *testing.T) {
	f, err := Parse(marshal(t, render.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"first", strings.Repeat("second", 50)} {
		if err := f.AddApproval(EncodeApproval([]byte(s))); err != nil {
			t.Fatal(err)
		}
	}
	again, err := Parse(f.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeApproval(again.Approvals[1])
	if err != nil || string(got) != strings.Repeat("second", 50) {
		t.Errorf("%q, %v", got, err)
	}
	block := EncodeApproval([]byte("first"))
	for name, bad := range map[string][]byte{"empty": nil, "a plan": armor(planLabel, []byte("x")),
		"two":   append(bytes.Clone(block), block...),
		"loose": bytes.Replace(block, []byte("Zm"), []byte("Zn\nm"), 1),
		"text":  append([]byte("x\n"), block...)} {
		if err := f.AddApproval(bad); err == nil {
			t.Errorf("%s is taken as an approval", name)
		}
	}
	if len(f.Approvals) != 2 {
		t.Errorf("%d approvals", len(f.Approvals))
	}
}

func FuzzParse(f *testing.F) {
	for _, colored := range []bool{false, true} {
		data := marshal(f, render.Options{Color: colored})
		f.Add(data)
		f.Add(append(data, EncodeApproval([]byte("x"))...))
		f.Add(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))
	}
	f.Add([]byte(begin + "\n\n\n-----BEGIN CSCS-SYNC PLAN-----\n-----END CSCS-SYNC PLAN-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		if !bytes.Equal(file.Bytes(), normalise(data)) {
			t.Fatal("what parses is not written back")
		}
		if file.ID() != canonical.ID(file.Plan.Core) ||
			file.ContextDigest() != canonical.ContextDigest(file.Plan) {
			t.Fatal("its digests are not those of its plan")
		}
		if file.Foreign {
			return
		}
		again, err := Marshal(file.Plan, render.Options{Color: file.Colored})
		if err != nil {
			t.Fatalf("Marshal would not have written it: %v", err)
		}
		if f, err := Parse(again); err != nil || !bytes.Equal(f.Text, file.Text) ||
			canonical.ContextDigest(f.Plan) != canonical.ContextDigest(file.Plan) {
			t.Fatalf("Marshal would have written something else: %v", err)
		}
	})
}

func FuzzMachinePart(f *testing.F) {
	f.Add(canonical.Encode(plantest.Mixed()))
	f.Add(canonical.Encode(plantest.Hostile()))
	f.Add(canonical.Encode(plantest.Base()))
	f.Fuzz(func(t *testing.T, part []byte) {
		plan, err := decode(part)
		if err != nil || validate(plan) != nil {
			return
		}
		if !bytes.Equal(canonical.Encode(plan), part) {
			t.Fatal("not canonical")
		}
		plan.Context.Renderer = canonical.Renderer
		data, err := Marshal(plan, render.Options{Color: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(data); err != nil {
			t.Fatal(err)
		}
		for _, out := range [][]byte{render.Text(plan, render.Options{Compact: true, Commands: true}),
			render.Markdown(plan, render.Options{Commands: true}), render.HTML(plan, render.Options{}),
			render.JSON(plan)} {
			if !bytes.Equal(render.EscapeJSON(out), out) {
				t.Fatal("something can't be seen")
			}
		}
	})
}
