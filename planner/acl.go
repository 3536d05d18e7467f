package planner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/reason"
)

// ACL is what a directory's access control lists say beyond its mode. If there is an ACL, the
// mode's digit for the group is a mask and does not show the rights of the group itself.
type ACL struct {
	// Access are the entries that decide who gets in. Default are those that everything created in the
	// directory inherits.
	Access, Default []ACLEntry
	// NFS are the names to which an NFSv4 ACL allows or denies something, except owner, group and
	// everyone.
	NFS []string
	// Unread says that there is an ACL, and why its entries are not known.
	Unread string
}

// ACLEntry is one entry of a POSIX ACL.
type ACLEntry struct {
	Tag ACLTag
	// ID is the user or group of a named entry.
	ID uint32
	// Rights are the bits of rwx.
	Rights uint8
}

// ACLTag says whom an entry is about.
type ACLTag string

// The tags, as `getfacl` shows them.
const (
	ACLOwner  ACLTag = "user::"
	ACLUser   ACLTag = "user:"
	ACLGroup  ACLTag = "group::"
	ACLNamed  ACLTag = "group:"
	ACLMask   ACLTag = "mask::"
	ACLOthers ACLTag = "other::"
)

// String returns the entry as `getfacl -n` shows it.
func (e ACLEntry) String() string {
	if e.Tag == ACLUser || e.Tag == ACLNamed {
		return string(e.Tag) + strconv.FormatUint(uint64(e.ID), 10) + ":" + rwx(e.Rights)
	}
	return string(e.Tag) + rwx(e.Rights)
}

func rwx(bits uint8) string {
	b := []byte("---")
	for i, letter := range []byte("rwx") {
		if bits&(4>>i) != 0 {
			b[i] = letter
		}
	}
	return string(b)
}

// byMode reports whether the mode shows the entry too, so that chmod changes it.
func (e ACLEntry) byMode() bool {
	return e.Tag == ACLOwner || e.Tag == ACLMask ||
		e.Tag == ACLOthers
}

// Beyond returns what the ACL allows beyond the mode; empty for nothing. Equal ACLs give equal
// texts. A chmod does not change it, so if it differs from the record, somebody has changed the
// ACL.
func (a *ACL) Beyond() string {
	if a == nil {
		return ""
	}
	var out []string
	for _, e := range a.Access {
		if !e.byMode() {
			out = append(out, e.String())
		}
	}
	for _, e := range a.Default {
		out = append(out, "default:"+e.String())
	}
	for _, name := range a.NFS {
		out = append(out, fmt.Sprintf("nfs4:%q", name))
	}
	if a.Unread != "" {
		out = append(out, "unread")
	}
	return bounded(strings.Join(out, ","))
}

// maxBeyond is how many bytes of an ACL are recorded at most: ACLs can have 64 KiB.
const maxBeyond = 512

// bounded shortens a text that is too long, and adds a digest that distinguishes it from others.
func bounded(s string) string {
	if len(s) <= maxBeyond {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:maxBeyond], "") + "… (sha256 " + hex.EncodeToString(sum[:8]) + ")"
}

// mask returns what the ACL lets through for the group and all named entries; everything if it has
// no mask.
func (a *ACL) mask() uint8 {
	for _, e := range a.Access {
		if e.Tag == ACLMask {
			return e.Rights
		}
	}
	return 7
}

// maxNamed is how many entries a sentence names.
const maxNamed = 8

// getIn says whom the access ACL lets in, below a mask: "its group has r-x, user 12345 has rwx";
// empty if there is none.
func (a *ACL) getIn(mask uint8) string {
	var out []string
	for _, e := range a.Access {
		if !e.byMode() {
			out = append(out, e.whom()+" has "+rwx(e.Rights&mask))
		}
	}
	return shorten(out)
}

func (e ACLEntry) whom() string {
	switch e.Tag {
	case ACLUser:
		return fmt.Sprintf("user %d", e.ID)
	case ACLNamed:
		return fmt.Sprintf("group %d", e.ID)
	}
	return "its group"
}

func shorten(list []string) string {
	if more := len(list) - maxNamed; more > 0 {
		list = append(slices.Clone(list[:maxNamed]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// Words says for people what the ACL means; empty if it says nothing.
func (a *ACL) Words() string {
	if a == nil {
		return ""
	}
	var out []string
	if len(a.Access) > 0 {
		out = append(out, "it has an ACL, so its mode does not show who has access: "+
			a.getIn(a.mask()))
	}
	if len(a.Default) > 0 {
		entries := make([]string, len(a.Default))
		for i, e := range a.Default {
			entries[i] = e.String()
		}
		out = append(out, "it has a default ACL, which everything created in it inherits: "+
			shorten(entries))
	}
	if len(a.NFS) > 0 {
		names := make([]string, len(a.NFS))
		for i, n := range a.NFS {
			names[i] = strconv.Quote(n)
		}
		out = append(out, "it has an NFSv4 ACL, so its mode does not show who has access: it names "+
			shorten(names))
	}
	if a.Unread != "" {
		out = append(out, "it has an ACL, so its mode does not show who has access, and "+
			a.Unread)
	}
	return strings.Join(out, "; ")
}

// afterChmod says what a chmod does to the access ACL: the group's digit becomes its mask, and
// rights that the mask held back take effect. It is empty if nothing changes.
func (a *ACL) afterChmod(mode Mode) string {
	now, then := a.mask(), uint8(mode>>3&7)
	if len(a.Access) == 0 || now == then || !slices.ContainsFunc(a.Access,
		func(e ACLEntry) bool { return e.Tag == ACLMask }) {
		return ""
	}
	return fmt.Sprintf("chmod changes the mask of its ACL from %s to %s, not the rights of its "+
		"group: after that, %s", rwx(now), rwx(then), a.getIn(then))
}

// aclValue returns what an ACL allows beyond the mode, as a value of drift.
func aclValue(beyond string) Value {
	if beyond == "" {
		return Value{}
	}
	return TextValue(beyond)
}

// sayACL says that the directory of an action has an ACL, and what the action does with it. To
// adopt a directory is also to adopt whom its ACL lets in.
func (c *comparison) sayACL(d *decision, dir *Directory) {
	if dir.ACL == nil {
		return
	}
	d.detail.Reasons = append(d.detail.Reasons, Reason{reason.ACL, dir.ACL.Words()})
	if after, ok := d.action.After(ModeAttr); ok {
		mode, _ := after.Mode()
		if words := dir.ACL.afterChmod(mode); words != "" {
			d.detail.Reasons = append(d.detail.Reasons, Reason{reason.ACLMask, words})
		}
	}
	if d.action.Kind == Adopt {
		d.action.Danger = append(d.action.Danger, DangerWiderAccess)
	}
}
