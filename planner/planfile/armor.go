package planfile

import (
	"bytes"
	"encoding/base64"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

const (
	planLabel     = "CSCS-SYNC PLAN"
	approvalLabel = "CSCS-SYNC APPROVAL"
	lineLength    = 64
)

func beginLine(label string) string { return "-----BEGIN " + label + "-----" }
func endLine(label string) string   { return "-----END " + label + "-----" }

// armor returns a PEM block without headers, with base64 in lines of 64 characters.
func armor(label string, payload []byte) []byte {
	var b bytes.Buffer
	b.Grow(len(payload)*4/3 + len(payload)/45 + 100)
	b.WriteString(beginLine(label) + "\n")
	text := base64.StdEncoding.EncodeToString(payload)
	for len(text) > 0 {
		n := min(lineLength, len(text))
		b.WriteString(text[:n])
		b.WriteByte('\n')
		text = text[n:]
	}
	b.WriteString(endLine(label) + "\n")
	return b.Bytes()
}

// unarmor reads the block at the start of data, which must be exactly as armor writes it, and
// returns the rest. line is the line of the block in the file, for errors.
func unarmor(label string, data []byte, line int) (payload, rest []byte, err error) {
	begin, end := []byte(beginLine(label)+"\n"), []byte(endLine(label)+"\n")
	body, ok := bytes.CutPrefix(data, begin)
	if !ok {
		first, _, _ := bytes.Cut(data, []byte("\n"))
		return nil, nil, damaged(line, "want %q, found %s", beginLine(label), excerpt(first))
	}
	n := bytes.Index(body, append([]byte("\n"), end...))
	if n < 0 {
		return nil, nil, damaged(line, "this block has no line %q, so the file is cut off",
			endLine(label))
	}
	body = body[:n+1]
	payload, err = base64.StdEncoding.Strict().DecodeString(string(bytes.ReplaceAll(body,
		[]byte("\n"), nil)))
	if err != nil {
		return nil, nil, damaged(line, "this block is not base64")
	}
	size := len(begin) + len(body) + len(end)
	again := armor(label, payload)
	if !bytes.Equal(again, data[:size]) {
		at := line + bytes.Count(data[:canonical.FirstDifference(again, data[:size])], []byte("\n"))
		return nil, nil, damaged(at, "this block is not laid out as cscs-sync does, in lines of %d",
			lineLength)
	}
	return payload, data[size:], nil
}

// EncodeApproval returns the block of an approval, ready for [File.AddApproval].
func EncodeApproval(payload []byte) []byte { return armor(approvalLabel, payload) }

// DecodeApproval returns the payload of an approval's block. It accepts only what [EncodeApproval]
// writes.
func DecodeApproval(block []byte) ([]byte, error) {
	payload, rest, err := unarmor(approvalLabel, normalise(block), 1)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("approval: %w", damaged(0, "there is text after the block"))
	}
	return payload, nil
}
