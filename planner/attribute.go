package planner

import (
	"encoding"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// Attribute is a property of a resource that is wanted, observed, recorded and compared. Its name
// is part of the JSON contract. Everything else about it is in one table; see [Attributes].
type Attribute uint

// The limits of a quota come first: they index [Limits], and records keep them in this order. The
// other attributes follow.
const (
	SpaceSoft Attribute = iota
	SpaceHard
	InodesSoft
	InodesHard
	Owner
	Group
	ModeAttr
	// ACLAttr is never changed. It is shown if it drifted.
	ACLAttr
	Project

	numAttributes

	// NumLimits is how many attributes are limits of a quota.
	NumLimits = Owner
)

// Unit says what an attribute's values are.
type Unit uint8

// The units of attributes.
const (
	UnitBytes Unit = iota + 1
	UnitInodes
	UnitID
	UnitMode
	UnitText
)

// attribute is a row of the table. Limits have the fields about quotas, all others the fields about
// directories.
type attribute struct {
	name string
	unit Unit
	// words are what messages call a limit. option is Waldur's option that is merged into it, if there
	// is one. flag is its flag of `lfs setquota`. xfs and vast are its names in xfs_quota and in
	// VAST's API.
	words, option, flag, xfs, vast string

	// observed returns what a directory shows, and recorded what a record says; false if it says
	// nothing.
	observed func(*Directory) (Value, bool)
	recorded func(*Record) (Value, bool)
	// wanted returns what is wanted of an existing directory, or of a new one (nil). It is nil for an
	// attribute that is never changed, or has rules of its own.
	wanted func(*node, *Directory) Value
	// wish notes what an override says. take makes that the wanted value; false if the override does
	// not mention it. Both are nil for an attribute that no override may set.
	wish func(*Wishes, Value) error
	take func(*node, *Wishes) bool
	// example shows what an override has to give.
	example string
	// danger returns the danger of changing an existing directory; empty if there is none.
	danger func(*Change, *Directory) Danger
	// effect is the name of a change in auto_approve.allow, and restoring the name of a change that
	// undoes drift.
	effect, restoring string
}

// Wishes is what an override wants. If a field is nil or unknown, the override does not mention the
// attribute.
type Wishes struct {
	// Manage is false if cscs-sync must leave the resource alone.
	Manage *bool
	Owner  *UID
	Group  *GID
	// Mode is three or four octal digits.
	Mode  *string
	Quota Limits
}

// wanted is what is wanted of one directory and its quota.
type wanted struct {
	quota Limits
	// from has indexes of Graph.from, by attribute.
	from     provenances
	mode     Mode
	owner    UID
	group    GID
	hasGroup bool
	// special reports whether mode also sets setuid, setgid and sticky.
	special bool
}

// provenances are indexes of Graph.from, for the attributes that somebody can ask for.
type provenances [ModeAttr + 1]uint16

// attributes is the table: one row for each attribute.
var attributes = [numAttributes]attribute{
	SpaceSoft: {
		name: "space_soft", unit: UnitBytes, words: "soft space", flag: "-b", xfs: "bsoft",
		vast:    "soft_limit",
		example: "bytes, such as tib(20), or unlimited", effect: "quota_raise",
		restoring: "drift_quota",
	},
	SpaceHard: {
		name: "space_hard", unit: UnitBytes, words: "hard space", flag: "-B", xfs: "bhard",
		vast: "hard_limit", option: "hard_quota_space",
		example: "bytes, such as tib(20), or unlimited", effect: "quota_raise",
		restoring: "drift_quota",
	},
	InodesSoft: {
		name: "inodes_soft", unit: UnitInodes, words: "soft inode", flag: "-i", xfs: "isoft",
		vast: "soft_limit_inodes", option: "soft_quota_inodes",
		example: "a number of files, such as 20000000, or unlimited", effect: "quota_raise",
		restoring: "drift_quota",
	},
	InodesHard: {
		name: "inodes_hard", unit: UnitInodes, words: "hard inode", flag: "-I", xfs: "ihard",
		vast: "hard_limit_inodes", option: "hard_quota_inodes",
		example: "a number of files, such as 20000000, or unlimited", effect: "quota_raise",
		restoring: "drift_quota",
	},
	Owner: {
		name: "owner", unit: UnitID, example: "a numeric user id", effect: "group",
		restoring: "drift_ownership",
		observed:  func(d *Directory) (Value, bool) { return Number(uint64(d.Owner)), true },
		recorded:  func(r *Record) (Value, bool) { return Number(uint64(r.Owner)), true },
		wanted:    func(n *node, _ *Directory) Value { return Number(uint64(n.owner)) },
		wish:      func(w *Wishes, v Value) error { return wishID(&w.Owner, v) },
		take:      func(n *node, w *Wishes) bool { return takeFrom(&n.owner, w.Owner) },
		danger:    func(*Change, *Directory) Danger { return DangerWiderAccess },
	},
	Group: {
		name: "group", unit: UnitID, example: "a numeric group id", effect: "group",
		restoring: "drift_ownership",
		observed:  func(d *Directory) (Value, bool) { return Number(uint64(d.Group)), true },
		recorded:  func(r *Record) (Value, bool) { return Number(uint64(r.Group)), true },
		wanted:    func(n *node, _ *Directory) Value { return Number(uint64(n.group)) },
		wish:      func(w *Wishes, v Value) error { return wishID(&w.Group, v) },
		take: func(n *node, w *Wishes) bool {
			n.hasGroup = n.hasGroup || w.Group != nil
			return takeFrom(&n.group, w.Group)
		},
		danger: func(*Change, *Directory) Danger { return DangerGroup },
	},
	ModeAttr: {
		name: "mode", unit: UnitMode, example: `octal digits in quotes, such as "2770"`,
		effect: "mode", restoring: "drift_mode",
		observed: func(d *Directory) (Value, bool) { return ModeValue(d.Mode), true },
		recorded: func(r *Record) (Value, bool) { return ModeValue(r.Mode), true },
		wanted:   func(n *node, d *Directory) Value { return ModeValue(n.modeOn(d)) },
		wish:     wishMode,
		take:     takeMode,
		danger:   dangerOfMode,
	},
	ACLAttr: {
		name: "acl", unit: UnitText, effect: string(DangerWiderAccess),
		restoring: string(DangerWiderAccess),
		observed:  func(d *Directory) (Value, bool) { return aclValue(d.ACL.Beyond()), true },
		recorded:  func(r *Record) (Value, bool) { return aclValue(r.ACL), true },
	},
	Project: {
		name: "project_id", unit: UnitID, effect: "group", restoring: "drift_ownership",
		observed: func(d *Directory) (Value, bool) { return d.ProjectValue(), d.HasProject },
		recorded: func(r *Record) (Value,
			bool) {
			return Number(uint64(r.Project)), r.Project != 0
		},
	},
}

// Attributes lists all attributes in the order in which they are shown.
func Attributes() []Attribute {
	return []Attribute{Owner, Group, ModeAttr, Project, SpaceSoft, SpaceHard, InodesSoft,
		InodesHard, ACLAttr}
}

// LimitAttributes lists the attributes that are limits of a quota, in the order in which they are
// shown.
func LimitAttributes() []Attribute {
	return []Attribute{SpaceSoft, SpaceHard, InodesSoft,
		InodesHard}
}

// Quantity is what a quota counts, with its two limits.
type Quantity struct {
	Soft, Hard Attribute
	// Name is the quantity as in "the hard limit for space".
	Name string
	// noun is the quantity as in "a space limit".
	noun string
	// small is the value below which storage often enforces a limit only roughly: Lustre hands out
	// grants.
	small uint64
	// unlimited is the reason for a directory that has no hard limit.
	unlimited reason.Code
}

// quantities are what quotas count.
var quantities = [2]Quantity{
	{SpaceSoft, SpaceHard, "space", "space", 1 << 30, reason.UnlimitedSpace},
	{InodesSoft, InodesHard, "inodes", "inode", 1024, reason.UnlimitedInodes},
}

// Quantities lists what quotas count, in the order in which it is shown.
func Quantities() [2]Quantity { return quantities }

// options lists Waldur's options for one of the two limits, for a sentence.
func (r *Quantity) options() string {
	soft, hard := attributes[r.Soft].option, attributes[r.Hard].option
	if soft == "" || hard == "" {
		return soft + hard
	}
	return soft + " or " + hard
}

// Attribute returns what the directory shows of an attribute; false if it shows nothing, and for
// limits.
func (d *Directory) Attribute(a Attribute) (Value, bool) {
	if observed := a.row().observed; observed != nil {
		return observed(d)
	}
	return Value{}, false
}

// Attribute returns what is recorded of an attribute of the directory; false if nothing is, and for
// limits.
func (r *Record) Attribute(a Attribute) (Value, bool) {
	if recorded := a.row().recorded; recorded != nil {
		return recorded(r)
	}
	return Value{}, false
}

// Wish notes what an override says about an attribute: a number, the digits of a mode as text, or
// unlimited.
func (w *Wishes) Wish(a Attribute, v Value) error {
	if a.IsQuota() {
		w.Quota[a] = LimitFrom(v)
		return nil
	}
	if wish := a.row().wish; wish != nil {
		return wish(w, v)
	}
	return fmt.Errorf("%s cannot be set by an override", a)
}

// Example shows what an override has to give for the attribute.
func (a Attribute) Example() string { return a.row().example }

// IsWish reports whether an override may set the attribute.
func (a Attribute) IsWish() bool { return a.IsQuota() || a.row().wish != nil }

// Effect returns the name of a change of the attribute in auto_approve.allow: of one that undoes
// drift, or of any other.
func (a Attribute) Effect(undoesDrift bool) string {
	if undoesDrift {
		return a.row().restoring
	}
	return a.row().effect
}

// Word returns a tool's name for the limit: an option of `lfs setquota`, or a name. It is empty for
// setquota, which goes by the order of its arguments.
func (a Attribute) Word(t Tool) string {
	switch row := a.row(); t {
	case ToolLFS:
		return row.flag
	case ToolXFS:
		return row.xfs
	case ToolVAST:
		return row.vast
	}
	return ""
}

// wishID notes an id that an override gives.
func wishID[T UID | GID](to **T, v Value) error {
	n, ok := v.Number()
	if !ok || n > maxID {
		return fmt.Errorf("want a whole number from 0 to %d", maxID)
	}
	id := T(n)
	*to = &id
	return nil
}

// takeFrom takes the value of an override; false if the override gives none.
func takeFrom[T any](to, from *T) bool {
	if from != nil {
		*to = *from
	}
	return from != nil
}

// Option returns Waldur's option for the attribute; empty if there is none.
func (a Attribute) Option() string { return a.row().option }

// row returns the attribute's row in the table; an empty one if it is no attribute.
func (a Attribute) row() *attribute {
	if a >= numAttributes {
		return &attribute{}
	}
	return &attributes[a]
}

// String returns the attribute's name.
func (a Attribute) String() string {
	if a >= numAttributes {
		return fmt.Sprintf("attribute %d", uint(a))
	}
	return attributes[a].name
}

// Unit returns what the attribute's values are.
func (a Attribute) Unit() Unit { return a.row().unit }

// IsQuota reports whether the attribute is a limit of a quota.
func (a Attribute) IsQuota() bool { return a < NumLimits }

// IsSpace reports whether the attribute counts bytes.
func (a Attribute) IsSpace() bool { return a.Unit() == UnitBytes }

// attributeNamed returns the attribute with this name; false if there is none.
func attributeNamed(name string) (Attribute, bool) {
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
		return nil, fmt.Errorf("%s is not an attribute", a)
	}
	return []byte(attributes[a].name), nil
}

// UnmarshalText reads the name of an attribute, and refuses any other text.
func (a *Attribute) UnmarshalText(b []byte) error {
	found, ok := attributeNamed(string(b))
	if !ok {
		return fmt.Errorf("attribute %q is unknown", b)
	}
	*a = found
	return nil
}
