package canonical

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/parallel"
)

// Renderer is the version of the rules by which plans are written and rendered. A plan's
// Context.Renderer must be this version. A change of a golden text, or of the members of a plan,
// raises it.
const Renderer = 4

// format is the version of the machine's part.
const format = 1

// machine is the whole machine's part, for a part that [Begin] cannot split with the texts below.
type machine struct {
	Format  int             `json:"format"`
	Core    planner.Core    `json:"core"`
	Context planner.Context `json:"context"`
}

// The texts of the machine's part around its core and its context.
const (
	opening = `{"format":1,`
	first   = `"core":`
	between = `,"context":`
	closing = `}`
)

// ID returns the plan's id: "sha256:" and the SHA-256 of the canonical JSON of the core, in hex.
func ID(core planner.Core) string {
	core.Actions = Present(core.Actions)
	return Digest(encodeStable(core))
}

// ShortID returns the first 12 hex digits of an id, by which people name a plan.
func ShortID(id string) string {
	hexDigits := bytes.TrimPrefix([]byte(id), []byte("sha256:"))
	return string(hexDigits[:min(12, len(hexDigits))])
}

// ContextDigest returns the SHA-256 of the whole machine's part, in the same form as [ID].
func ContextDigest(plan *planner.Plan) string { return Digest(Encode(plan)) }

// Digest returns "sha256:" and the SHA-256 of data, in hex.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Encode returns the machine's part as JSON.
func Encode(plan *planner.Plan) []byte {
	part, _ := EncodeWithID(plan)
	return part
}

// EncodeWithID returns the machine's part as JSON, and the plan's [ID]. It encodes the core, which
// both need, only once.
func EncodeWithID(plan *planner.Plan) (part []byte, id string) {
	plan = Normal(plan)
	context := parallel.Meanwhile(func() []byte { return encodeStable(plan.Context) })
	core := encodeStable(plan.Core)
	return slices.Concat([]byte(opening+first), core, []byte(between), context(),
		[]byte(closing)), Digest(core)
}

// Normal returns the plan as it would be read back from a file: lists without "omitempty" are never
// nil, and times are in UTC to the second. It does not change the caller's plan.
func Normal(plan *planner.Plan) *planner.Plan {
	n := *plan
	n.Core.Actions = Present(n.Core.Actions)
	c := &n.Context
	c.Systems = Present(c.Systems)
	c.Made = whole(c.Made)
	c.Details = presentReasons(c.Details,
		func(d *planner.Detail) *[]planner.Reason { return &d.Reasons })
	c.Blocked = presentReasons(c.Blocked,
		func(r *planner.Refusal) *[]planner.Reason { return &r.Reasons })
	c.Waiting = presentReasons(c.Waiting,
		func(r *planner.Refusal) *[]planner.Reason { return &r.Reasons })
	c.Undelivered = wholeTimes(c.Undelivered,
		func(u *planner.Undelivered) *time.Time { return &u.Since })
	return &n
}

// replaced is what JSON writes for bytes that are not UTF-8.
const replaced = `\ufffd`

// encodeStable returns JSON that stays the same when it is read and written again. Invalid UTF-8
// takes two rounds: first it is replaced by an escape, then the escape is read as a character,
// which is written as it is.
func encodeStable[T any](v T) []byte {
	data := JSON(v)
	if !bytes.Contains(data, []byte(replaced)) {
		return data
	}
	var again T
	if err := json.Unmarshal(data, &again); err != nil {
		return data
	}
	return JSON(again)
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

// Present returns the list, or an empty one for nil, so that JSON never has null for it.
func Present[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func presentReasons[T any](list []T, reasons func(*T) *[]planner.Reason) []T {
	list = Present(list)
	for i := range list {
		if *reasons(&list[i]) == nil {
			list = slices.Clone(list)
			for j := range list {
				*reasons(&list[j]) = Present(*reasons(&list[j]))
			}
			break
		}
	}
	return list
}

// JSON returns v as JSON without HTML escapes and without a line end. The tests make sure that the
// types of a plan can always be encoded. The one exception is a time beyond the year 9999, which
// validation refuses.
func JSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"error":` + fmt.Sprintf("%q", err.Error()) + `}`)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
