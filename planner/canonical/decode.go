package canonical

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/parallel"
)

// ErrFormat means that a machine's part is in a format that this program does not know.
var ErrFormat = fmt.Errorf(
	"the machine's part is not in format %d, the only one that this program knows", format)

// RendererOf returns the version of the rules by which a machine's part was written, by any version
// of cscs-sync. It returns [Renderer] if the part does not say.
func RendererOf(part []byte) int {
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

// Decode reads a machine's part. It refuses every part that [Encode] would not have written.
func Decode(data []byte) (*planner.Plan, error) {
	r, err := Begin(data)
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		return nil, err
	}
	return r.Plan, nil
}

// Reading is a machine's part that is decoded but not yet checked. Nothing in it may be used until
// Check has returned nil.
type Reading struct {
	Plan *planner.Plan
	// ID is the plan's id, as [ID] computes it.
	ID string
	// Check waits for the comparison with what [Encode] writes. The comparison runs while the
	// caller does other work.
	Check func() error
}

// Begin decodes a machine's part, and starts the comparison that [Decode] waits for.
func Begin(data []byte) (*Reading, error) {
	if !bytes.HasPrefix(data, []byte(opening)) && bytes.HasPrefix(data, []byte(`{"format":`)) {
		return nil, ErrFormat
	}
	plan, id := decodeHalves(data)
	if plan == nil {
		var m machine
		if err := strictly(data, &m); err != nil {
			return nil, err
		}
		plan = &planner.Plan{Core: m.Core, Context: m.Context}
		id = ID(plan.Core)
	}
	return &Reading{Plan: plan, ID: id, Check: parallel.Meanwhile(func() error {
		if again := Encode(plan); !bytes.Equal(again, data) {
			return fmt.Errorf("the machine's part is not in canonical form at byte %d",
				FirstDifference(again, data))
		}
		return nil
	})}, nil
}

// decodeHalves decodes the core and the context at the same time. It takes the id from the text of
// the core, which is right if the text turns out to be canonical. The plan is nil if the text does
// not have the two halves; then only decoding it as a whole shows what is wrong.
func decodeHalves(data []byte) (*planner.Plan, string) {
	// Text inside a JSON string has no bare quotation mark, so this never cuts a string.
	core, context, ok := bytes.Cut(data, []byte(between))
	core, begins := bytes.CutPrefix(core, []byte(opening+first))
	context, ends := bytes.CutSuffix(context, []byte(closing))
	if !ok || !begins || !ends {
		return nil, ""
	}
	var p planner.Plan
	rest := parallel.Meanwhile(func() error { return strictly(context, &p.Context) })
	err := strictly(core, &p.Core)
	if err := errors.Join(err, rest()); err != nil {
		return nil, ""
	}
	return &p, Digest(core)
}

// strictly decodes one JSON value that has no unknown members and nothing after it.
func strictly(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the machine's part: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the machine's part continues after its end")
	}
	return nil
}

// FirstDifference returns the index of the first byte in which a and b differ.
func FirstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
