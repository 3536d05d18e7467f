package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Value is an attribute's value in a plan: a number (bytes, inodes or an id), a mode, unlimited,
// absent (null: it does not exist or is not managed), or unknown with the reason. Values can be
// compared with ==.
type Value struct {
	kind valueKind
	n    uint64
	why  string
}

type valueKind uint8

const (
	valueAbsent valueKind = iota
	valueNumber
	valueMode
	valueUnlimited
	valueUnknown
	valueText
)

// Number returns a value that counts or identifies.
func Number(n uint64) Value { return Value{kind: valueNumber, n: n} }

// ModeValue returns a mode as a value.
func ModeValue(m Mode) Value { return Value{kind: valueMode, n: uint64(m)} }

// UnlimitedValue returns the value for no limit.
func UnlimitedValue() Value { return Value{kind: valueUnlimited} }

// UnknownValue returns the value for an observation that could not be made.
func UnknownValue(why string) Value { return Value{kind: valueUnknown, why: why} }

// TextValue returns a text as a value.
func TextValue(s string) Value { return Value{kind: valueText, why: s} }

// Text returns the value's text; false if it is of another kind.
func (v Value) Text() (string, bool) { return v.why, v.kind == valueText }

// Number returns the value's number; false if it is of another kind.
func (v Value) Number() (uint64, bool) { return v.n, v.kind == valueNumber }

// Mode returns the value's mode; false if it is of another kind.
func (v Value) Mode() (Mode, bool) { return Mode(v.n), v.kind == valueMode }

// IsAbsent reports whether the value is null.
func (v Value) IsAbsent() bool { return v.kind == valueAbsent }

// IsUnlimited reports whether the value means that there is no limit.
func (v Value) IsUnlimited() bool { return v.kind == valueUnlimited }

// Unknown returns the reason why the value is not known; false if it is known.
func (v Value) Unknown() (why string, unknown bool) { return v.why, v.kind == valueUnknown }

// String formats the bare value for errors and logs. Plans are rendered with units by package
// render.
func (v Value) String() string {
	switch v.kind {
	case valueNumber:
		return strconv.FormatUint(v.n, 10)
	case valueMode:
		return Mode(v.n).String()
	case valueUnlimited:
		return "unlimited"
	case valueUnknown:
		return "unknown (" + v.why + ")"
	case valueText:
		return v.why
	}
	return "none"
}

// MarshalJSON writes the form of the JSON contract: 10995116277760, "2770", "unlimited", null, or
// {"unknown":"why"}.
func (v Value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil) }

// appendJSON appends what [Value.MarshalJSON] writes.
func (v Value) appendJSON(b []byte) ([]byte, error) {
	switch v.kind {
	case valueNumber:
		return strconv.AppendUint(b, v.n, 10), nil
	case valueMode:
		return append(append(append(b, '"'), Mode(v.n).String()...), '"'), nil
	case valueUnlimited:
		return append(b, `"unlimited"`...), nil
	case valueUnknown:
		return appendObject(b, "unknown", v.why)
	case valueText:
		return appendObject(b, "text", v.why)
	}
	return append(b, "null"...), nil
}

// appendObject appends a JSON object with one member.
func appendObject(b []byte, name, text string) ([]byte, error) {
	object, err := json.Marshal(map[string]string{name: text})
	return append(b, object...), err
}

// UnmarshalJSON reads exactly the forms that [Value.MarshalJSON] writes.
func (v *Value) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case bytes.Equal(b, []byte("null")):
		*v = Value{}
		return nil
	case bytes.Equal(b, []byte(`"unlimited"`)):
		*v = UnlimitedValue()
		return nil
	case len(b) > 0 && b[0] == '"':
		m, special, err := ParseMode(string(bytes.Trim(b, `"`)))
		if err != nil || !special {
			return fmt.Errorf("value %s: want a mode of four octal digits", b)
		}
		*v = ModeValue(m)
		return nil
	case len(b) > 0 && b[0] == '{':
		var u struct {
			Unknown *string `json:"unknown"`
			Text    *string `json:"text"`
		}
		if err := json.Unmarshal(b, &u); err != nil || (u.Unknown == nil) == (u.Text == nil) {
			return fmt.Errorf("value %s: want {\"unknown\":\"why\"} or {\"text\":\"…\"}", b)
		}
		if u.Text != nil {
			*v = TextValue(*u.Text)
			return nil
		}
		*v = UnknownValue(*u.Unknown)
		return nil
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return fmt.Errorf("value %s: want a whole number, a mode, \"unlimited\", null or "+
			"{\"unknown\":…}", b)
	}
	*v = Number(n)
	return nil
}
