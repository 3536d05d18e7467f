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
var ErrFormat = fmt.Errorf("the machine's part is not in format %d, the one that this program knows", format)

// RendererOf is the version of the rules by which a machine's part was written, of whatever version; [Renderer] if it does
// not say.
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

// Decode reads a machine's part, and takes it only if it is exactly what [Encode] writes.
func Decode(data []byte) (*planner.Plan, error) {
	plan, check, err := Begin(data)
	if err == nil {
		err = check()
	}
	if err != nil {
		return nil, err
	}
	return plan, nil
}

// Begin reads a machine's part as [Decode] does, and compares it with what [Encode] writes beside what the caller does next:
// nothing of the plan may be used for anything before check has returned nil.
func Begin(data []byte) (_ *planner.Plan, check func() error, err error) {
	start := fmt.Appendf(nil, `{"format":%d,`, format)
	if !bytes.HasPrefix(data, start) && bytes.HasPrefix(data, []byte(`{"format":`)) {
		return nil, nil, ErrFormat
	}
	var m machine
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return nil, nil, fmt.Errorf("the machine's part: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("the machine's part goes on after its end")
	}
	plan := &planner.Plan{Core: m.Core, Context: m.Context}
	return plan, parallel.Meanwhile(func() error {
		if again := Encode(plan); !bytes.Equal(again, data) {
			return fmt.Errorf("the machine's part is not in canonical form at byte %d", FirstDifference(again, data))
		}
		return nil
	}), nil
}

// FirstDifference is the index of the first byte in which a and b differ.
func FirstDifference(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
