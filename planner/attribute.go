package planner

import (
	"encoding"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Attribute is something of a resource that is wanted, observed, recorded and compared. Its name is part of the JSON
// contract; everything else about it stands in one table, see [Attributes].
type Attribute uint

// The limits of a quota come first: they index [Limits], and records keep them in this order. The others follow.
const (
	SpaceSoft Attribute = iota
	SpaceHard
	InodesSoft
	InodesHard
	Owner
	Group
	ModeAttr
	Project
	// ACLAttr is never changed: it is shown where it drifted.
	ACLAttr

	numAttributes

	// NumLimits is how many attributes are limits of a quota.
	NumLimits = Owner
)

// Unit is what an attribute's values count, or are.
type Unit uint8

// The units of attributes.
const (
	UnitBytes Unit = iota + 1
	UnitInodes
	UnitID
	UnitMode
	UnitText
)

// attribute is a row of the table.
type attribute struct {
	name string
	unit Unit
	// words are what messages call a limit; option is Waldur's option that is merged into it, if it has one.
	words, option string
}

// attributes is the table: one row an attribute.
var attributes = [numAttributes]attribute{
	SpaceSoft:  {name: "space_soft", unit: UnitBytes, words: "soft space"},
	SpaceHard:  {name: "space_hard", unit: UnitBytes, words: "hard space", option: "hard_quota_space"},
	InodesSoft: {name: "inodes_soft", unit: UnitInodes, words: "soft inode", option: "soft_quota_inodes"},
	InodesHard: {name: "inodes_hard", unit: UnitInodes, words: "hard inode", option: "hard_quota_inodes"},
	Owner:      {name: "owner", unit: UnitID},
	Group:      {name: "group", unit: UnitID},
	ModeAttr:   {name: "mode", unit: UnitMode},
	Project:    {name: "project_id", unit: UnitID},
	ACLAttr:    {name: "acl", unit: UnitText},
}

// Attributes lists all attributes in the order in which they are shown.
func Attributes() []Attribute {
	return []Attribute{Owner, Group, ModeAttr, Project, SpaceSoft, SpaceHard, InodesSoft, InodesHard, ACLAttr}
}

// LimitAttributes lists the attributes that are limits of a quota, in the order in which they are shown.
func LimitAttributes() []Attribute { return []Attribute{SpaceSoft, SpaceHard, InodesSoft, InodesHard} }

// Quantity is what a quota counts, with its two limits.
type Quantity struct {
	Soft, Hard Attribute
	// Name is as in "the hard limit for space".
	Name string
	// noun is as in "a space limit".
	noun string
	// most is the greatest limit that is set; below small, Lustre holds people to a limit only roughly: it hands out grants.
	most, small uint64
	// unlimited is the reason of a directory that has no hard limit.
	unlimited reason.Code
}

// quantities are what quotas count. Limits that no quota may pass: 2^60 bytes is 1 EiB, and Lustre counts inodes in 48 bits.
var quantities = [...]Quantity{
	{SpaceSoft, SpaceHard, "space", "space", 1 << 60, 1 << 30, reason.UnlimitedSpace},
	{InodesSoft, InodesHard, "inodes", "inode", 1 << 48, 1024, reason.UnlimitedInodes},
}

// Quantities lists what quotas count, in the order in which it is shown.
func Quantities() []Quantity { return slices.Clone(quantities[:]) }

// options are Waldur's options that bear on one of the two limits, for a sentence.
func (r *Quantity) options() string {
	soft, hard := attributes[r.Soft].option, attributes[r.Hard].option
	if soft == "" || hard == "" {
		return soft + hard
	}
	return soft + " or " + hard
}

// Option is Waldur's option that says the attribute; empty if there is none.
func (a Attribute) Option() string { return a.row().option }

// row is the attribute's row in the table; an empty one for what is no attribute.
func (a Attribute) row() *attribute {
	if a >= numAttributes {
		return &attribute{}
	}
	return &attributes[a]
}

// String is the attribute's name.
func (a Attribute) String() string {
	if a >= numAttributes {
		return fmt.Sprintf("attribute %d", uint(a))
	}
	return attributes[a].name
}

// Unit is what the attribute's values count, or are.
func (a Attribute) Unit() Unit { return a.row().unit }

// IsQuota reports whether the attribute is a limit of a quota.
func (a Attribute) IsQuota() bool { return a < NumLimits }

// IsSpace reports whether the attribute counts bytes.
func (a Attribute) IsSpace() bool { return a.Unit() == UnitBytes }

// AttributeNamed is the attribute with a name; false if there is none.
func AttributeNamed(name string) (Attribute, bool) {
	for a := range attributes {
		if attributes[a].name == name {
			return Attribute(a), true
		}
	}
	return 0, false
}

var (
	_ encoding.TextMarshaler   = Attribute(0)
	_ encoding.TextUnmarshaler = (*Attribute)(nil)
)

// MarshalText writes the name.
func (a Attribute) MarshalText() ([]byte, error) {
	if a >= numAttributes {
		return nil, fmt.Errorf("%s is none", a)
	}
	return []byte(attributes[a].name), nil
}

// UnmarshalText reads a name, and refuses what is no attribute's.
func (a *Attribute) UnmarshalText(b []byte) error {
	found, ok := AttributeNamed(string(b))
	if !ok {
		return fmt.Errorf("attribute %q is unknown", b)
	}
	*a = found
	return nil
}
