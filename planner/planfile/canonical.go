package planfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Renderer is the version of the rules by which plans are written and rendered: package planner's Context.Renderer has to be
// this. A change of a golden text, or of the members of a plan, raises it.
const Renderer = 2

// format is the version of the machine's part.
const format = 1

type machine struct {
	Format  int             `json:"format"`
	Core    planner.Core    `json:"core"`
	Context planner.Context `json:"context"`
}

// ID is the plan's id: "sha256:" and the SHA-256 of the canonical JSON of the core, in hex.
func ID(core planner.Core) string {
	core.Actions = present(core.Actions)
	return digest(encodeStable(core))
}

// ShortID is the first 12 hex digits of an id, by which people name a plan.
func ShortID(id string) string {
	hexDigits := bytes.TrimPrefix([]byte(id), []byte("sha256:"))
	return string(hexDigits[:min(12, len(hexDigits))])
}

// ContextDigest is the SHA-256 of the whole machine's part, in the same form as [ID].
func ContextDigest(plan *planner.Plan) string { return digest(canonical(plan)) }

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonical is the machine's part as JSON.
func canonical(plan *planner.Plan) []byte {
	plan = normal(plan)
	return encodeStable(machine{Format: format, Core: plan.Core, Context: plan.Context})
}

// normal is the plan in the form in which it comes back from a file: lists that have no "omitempty" are never nil, and
// times are in UTC to the second. The caller's plan stays as it is.
func normal(plan *planner.Plan) *planner.Plan {
	n := *plan
	n.Core.Actions = present(n.Core.Actions)
	c := &n.Context
	c.Systems = present(c.Systems)
	c.Made = whole(c.Made)
	c.Details = presentReasons(c.Details, func(d *planner.Detail) *[]planner.Reason { return &d.Reasons })
	c.Blocked = presentReasons(c.Blocked, func(r *planner.Refusal) *[]planner.Reason { return &r.Reasons })
	c.Waiting = presentReasons(c.Waiting, func(r *planner.Refusal) *[]planner.Reason { return &r.Reasons })
	c.Undelivered = wholeTimes(c.Undelivered, func(u *planner.Undelivered) *time.Time { return &u.Since })
	return &n
}

// replaced is how JSON writes bytes that are not UTF-8.
const replaced = `\ufffd`

// encodeStable is JSON that is the same when it is read and written again. Invalid UTF-8 takes two rounds: first it is
// replaced by an escape, then that is read as a character, which is written as it is.
func encodeStable[T any](v T) []byte {
	data := encodeJSON(v)
	if !bytes.Contains(data, []byte(replaced)) {
		return data
	}
	var again T
	if err := json.Unmarshal(data, &again); err != nil {
		return data
	}
	return encodeJSON(again)
}

func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func wholeTimes[T any](list []T, at func(*T) *time.Time) []T {
	for i := range list {
		entry := list[i]
		if t := at(&entry); t == nil || *t == whole(*t) {
			continue
		}
		list = slices.Clone(list)
		for j := range list {
			if t := at(&list[j]); t != nil {
				*t = whole(*t)
			}
		}
		break
	}
	return list
}

func present[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func presentReasons[T any](list []T, reasons func(*T) *[]planner.Reason) []T {
	list = present(list)
	for i := range list {
		if *reasons(&list[i]) == nil {
			list = slices.Clone(list)
			for j := range list {
				*reasons(&list[j]) = present(*reasons(&list[j]))
			}
			break
		}
	}
	return list
}

// encodeJSON is JSON without HTML escapes and without a line end. The types of a plan can always be encoded, as the tests
// pin; a time beyond the year 9999 is the one exception, and validation refuses it.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"error":` + fmt.Sprintf("%q", err.Error()) + `}`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// rendererOf is the version of the rules by which a machine's part was written, of whatever version; [Renderer] if it does
// not say.
func rendererOf(part []byte) int {
	var m struct {
		Context struct {
			Renderer int `json:"renderer"`
		} `json:"context"`
	}
	if err := json.Unmarshal(part, &m); err != nil || m.Context.Renderer < 1 {
		return Renderer
	}
	return m.Context.Renderer
}

// decodeCanonical reads the machine's part, and takes it only if it is exactly what canonical writes.
func decodeCanonical(data []byte) (*planner.Plan, error) {
	start := []byte(fmt.Sprintf(`{"format":%d,`, format))
	if !bytes.HasPrefix(data, start) && bytes.HasPrefix(data, []byte(`{"format":`)) {
		return nil, &FormatError{Problem: fmt.Sprintf("the machine's part is not in format %d, the one that this program knows", format),
			Hint: "use the version of cscs-sync that made it"}
	}
	var m machine
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return nil, damaged(0, "the machine's part: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, damaged(0, "the machine's part goes on after its end")
	}
	plan := &planner.Plan{Core: m.Core, Context: m.Context}
	if again := canonical(plan); !bytes.Equal(again, data) {
		return nil, damaged(0, "the machine's part is not in canonical form at byte %d", firstDifference(again, data))
	}
	return plan, nil
}

func firstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
