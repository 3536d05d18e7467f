package planner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// Limit is one limit of a quota, in bytes or inodes. Its zero value is unknown: a limit that nobody told us, which is
// never taken as zero and never as unlimited. "No limit" has to be said by [Unlimited].
type Limit[U Bytes | Inodes] struct {
	kind limitKind
	n    U
}

type limitKind uint8

const (
	limitUnknown limitKind = iota
	limitUnlimited
	limitSet
)

// LimitOf is the limit n. A zero n is the number zero, not "unlimited"; who maps a file system's 0 calls [Unlimited].
func LimitOf[U Bytes | Inodes](n U) Limit[U] { return Limit[U]{kind: limitSet, n: n} }

// Unlimited is the explicit absence of a limit.
func Unlimited[U Bytes | Inodes]() Limit[U] { return Limit[U]{kind: limitUnlimited} }

// Known tells whether anything is known: a number, or that there is no limit.
func (l Limit[U]) Known() bool { return l.kind != limitUnknown }

// IsUnlimited tells whether there is explicitly no limit.
func (l Limit[U]) IsUnlimited() bool { return l.kind == limitUnlimited }

// Number is the limit, and false when it is unknown or unlimited.
func (l Limit[U]) Number() (U, bool) { return l.n, l.kind == limitSet }

// Value turns the limit into an attribute's value. An unknown one is null: not managed.
func (l Limit[U]) Value() Value {
	switch l.kind {
	case limitSet:
		return Number(uint64(l.n))
	case limitUnlimited:
		return UnlimitedValue()
	}
	return Value{}
}

// Quota is the four limits of one quota identity.
type Quota struct {
	SpaceSoft, SpaceHard   Limit[Bytes]
	InodesSoft, InodesHard Limit[Inodes]
}

// Known tells whether at least one limit is known.
func (q Quota) Known() bool {
	return q.SpaceSoft.Known() || q.SpaceHard.Known() || q.InodesSoft.Known() || q.InodesHard.Known()
}

// Attribute names what a plan changes. The names are part of the JSON contract.
type Attribute string

// The attributes, in the order in which they are shown.
const (
	Owner      Attribute = "owner"
	Group      Attribute = "group"
	ModeAttr   Attribute = "mode"
	Project    Attribute = "project_id"
	SpaceSoft  Attribute = "space_soft"
	SpaceHard  Attribute = "space_hard"
	InodesSoft Attribute = "inodes_soft"
	InodesHard Attribute = "inodes_hard"
	// ACLAttr is never changed: it is shown where it drifted.
	ACLAttr Attribute = "acl"
)

// Attributes lists all attributes in the order in which they are shown.
func Attributes() []Attribute {
	return []Attribute{Owner, Group, ModeAttr, Project, SpaceSoft, SpaceHard, InodesSoft, InodesHard, ACLAttr}
}

// IsQuota tells whether the attribute is a limit of a quota.
func (a Attribute) IsQuota() bool {
	return a == SpaceSoft || a == SpaceHard || a == InodesSoft || a == InodesHard
}

// IsSpace tells whether the attribute counts bytes.
func (a Attribute) IsSpace() bool { return a == SpaceSoft || a == SpaceHard }

// Value is an attribute's value in a plan: a number (bytes, inodes or an id), a mode, unlimited, absent (null: there is
// no such thing, or it is not managed), or unknown with the reason. Values compare with ==.
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

// Number is a value that counts or identifies.
func Number(n uint64) Value { return Value{kind: valueNumber, n: n} }

// ModeValue is a mode as a value.
func ModeValue(m Mode) Value { return Value{kind: valueMode, n: uint64(m)} }

// UnlimitedValue says that there is no limit.
func UnlimitedValue() Value { return Value{kind: valueUnlimited} }

// UnknownValue is an observation that could not be made.
func UnknownValue(why string) Value { return Value{kind: valueUnknown, why: why} }

// TextValue is a value in words.
func TextValue(s string) Value { return Value{kind: valueText, why: s} }

// Text is the value's text, and false for every other kind.
func (v Value) Text() (string, bool) { return v.why, v.kind == valueText }

// Number is the value's number, and false for every other kind.
func (v Value) Number() (uint64, bool) { return v.n, v.kind == valueNumber }

// Mode is the value's mode, and false for every other kind.
func (v Value) Mode() (Mode, bool) { return Mode(v.n), v.kind == valueMode }

// IsAbsent tells whether there is nothing: null.
func (v Value) IsAbsent() bool { return v.kind == valueAbsent }

// IsUnlimited tells whether the value says that there is no limit.
func (v Value) IsUnlimited() bool { return v.kind == valueUnlimited }

// Unknown is the reason why the value is not known, and false if it is.
func (v Value) Unknown() (why string, unknown bool) { return v.why, v.kind == valueUnknown }

// String shows the bare value, for errors and logs; plans are rendered with units by package planfile.
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

// MarshalJSON writes the form of the JSON contract: 10995116277760, "2770", "unlimited", null, {"unknown":"why"}.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case valueNumber:
		return strconv.AppendUint(nil, v.n, 10), nil
	case valueMode:
		return []byte(`"` + Mode(v.n).String() + `"`), nil
	case valueUnlimited:
		return []byte(`"unlimited"`), nil
	case valueUnknown:
		return json.Marshal(map[string]string{"unknown": v.why})
	case valueText:
		return json.Marshal(map[string]string{"text": v.why})
	}
	return []byte("null"), nil
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
		return fmt.Errorf("value %s: want a whole number, a mode, \"unlimited\", null or {\"unknown\":…}", b)
	}
	*v = Number(n)
	return nil
}
