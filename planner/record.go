package planner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Record is what was last seen as wanted of a resource. An apply writes it, or an audit that found
// the resource as wanted.
type Record struct {
	Key     Key    `json:"key"`
	Address string `json:"address"`
	// System is the label of the system block, and Storage is the storage path.
	System  string `json:"system"`
	Storage string `json:"storage"`
	Target  Target `json:"target"`
	Inode   uint64 `json:"inode"`
	// Born is when the directory was created, in nanoseconds since 1970; 0 if the filesystem does not
	// say.
	Born  int64 `json:"born,omitempty"`
	Owner UID   `json:"owner"`
	Group GID   `json:"group"`
	Mode  Mode  `json:"mode"`
	// ACL is what its ACL allowed beyond the mode; see [ACL.Beyond].
	ACL string `json:"acl,omitempty"`
	// Project is the directory's project id; 0 if the system does not use them.
	Project ProjectID `json:"project_id,omitempty"`
	// QuotaBy and QuotaID are the identity that it claims; empty if it claims none. Claim is what this
	// resource alone claims of it.
	QuotaBy QuotaBy   `json:"quota_by,omitempty"`
	QuotaID uint32    `json:"quota_id,omitempty"`
	Claim   Limits    `json:"claim"`
	Plan    string    `json:"plan"`
	At      time.Time `json:"at"`
	// Seq is the number of the record's last write. The state assigns it, independently of clocks.
	Seq uint64 `json:"-"`
	// Unfinished marks a directory that an apply made, could not finish, and left closed. Only its
	// place and its identity are known, and it claims nothing.
	Unfinished bool `json:"unfinished,omitempty"`
}

// Archived is one entry of the archive register: a directory that was moved into the archive and is
// kept.
type Archived struct {
	Key     Key    `json:"key"`
	Address string `json:"address"`
	System  string `json:"system"`
	// Storage is where it was, and Archive is where it is now. Both are storage paths.
	Storage string `json:"storage"`
	Archive string `json:"archive"`
	Inode   uint64 `json:"inode"`
	Owner   UID    `json:"owner"`
	Group   GID    `json:"group"`
	Mode    Mode   `json:"mode"`
	// Project is the project id, null if the system does not use them.
	Project Value   `json:"project_id"`
	QuotaBy QuotaBy `json:"quota_by,omitempty"`
	QuotaID uint32  `json:"quota_id,omitempty"`
	Claim   Limits  `json:"claim"`
	Order   string  `json:"order,omitempty"`
	Plan    string  `json:"plan"`
	// At is when it was archived. Until is the end of its retention.
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	// Seq is the number of the entry, in one sequence with the records' numbers.
	Seq uint64 `json:"-"`
}

// The binary form of a record is its plan and then, packed: the three parts of its key, each ended
// by a NUL byte, so that packed records sort as their keys do; and then the other members in order.
// A text is its length and its bytes, and a number is a varint. Most storage paths end like the
// address, so if they do, only the length is written, plus one.

// hasMore and hasSeq are flags beside the mode. They mark records with members that records of
// earlier builds do not have: Born and ACL, and then Seq, at the end. isUnfinished is a member
// itself.
const (
	hasMore      = 1 << 16
	hasSeq       = 1 << 17
	isUnfinished = 1 << 18
)

// AppendBinary appends the form in which the state stores the record. It refuses a key with a NUL
// byte.
func (r Record) AppendBinary(b []byte) ([]byte, error) {
	if strings.Contains(r.Key.Item+r.Key.System+r.Key.DataType, "\x00") {
		return nil, fmt.Errorf("resource key %q: a NUL byte cannot be stored", r.Key)
	}
	b = appendKey(appendText(b, r.Plan), r.Key)
	b = appendText(appendText(b, r.Address), r.System)
	if strings.HasSuffix(r.Address, r.Storage) {
		b = binary.AppendUvarint(b, uint64(len(r.Storage))+1)
	} else {
		b = appendText(append(b, 0), r.Storage)
	}
	b = appendText(b, string(r.Target))
	more := r.Born != 0 || r.ACL != ""
	mode := uint64(r.Mode)
	if more {
		mode |= hasMore
	}
	if r.Seq != 0 {
		mode |= hasSeq
	}
	if r.Unfinished {
		mode |= isUnfinished
	}
	for _, n := range []uint64{r.Inode, uint64(r.Owner), uint64(r.Group), mode, uint64(r.Project)} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(appendText(b, string(r.QuotaBy)), uint64(r.QuotaID))
	for _, l := range r.Claim {
		v := l.Value()
		b = append(b, byte(v.kind))
		if v.kind == valueNumber {
			b = binary.AppendUvarint(b, v.n)
		}
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(r.At.Unix())),
		uint64(r.At.Nanosecond()))
	if more {
		b = appendText(binary.AppendVarint(b, r.Born), r.ACL)
	}
	if r.Seq != 0 {
		b = binary.AppendUvarint(b, r.Seq)
	}
	return b, nil
}

// UnmarshalBinary reads what [Record.AppendBinary] wrote, and nothing else.
func (r *Record) UnmarshalBinary(b []byte) (err error) {
	in := unpacker{rest: string(b)}
	plan := in.text()
	if *r, err = unpackRecord(in.rest); in.broken {
		err = errBroken
	}
	r.Plan = plan
	return err
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendKey(b []byte, k Key) []byte {
	for _, s := range [3]string{k.Item, k.System, k.DataType} {
		b = append(append(b, s...), 0)
	}
	return b
}

// afterPlan returns the packed part of a binary form; empty if the form is broken.
func afterPlan(b []byte) []byte {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil
	}
	return b[size+int(n):]
}

var errBroken = errors.New("not a record")

// unpackRecord reads a packed record. Its texts are parts of s, so nothing is allocated.
func unpackRecord(s string) (r Record, err error) {
	in := unpacker{rest: s}
	r.Key = Key{in.ended(), in.ended(), in.ended()}
	r.Address, r.System = in.text(), in.text()
	switch n := in.number(math.MaxUint32); {
	case n == 0:
		r.Storage = in.text()
	case n-1 > uint64(len(r.Address)):
		in.broken = true
	default:
		r.Storage = r.Address[len(r.Address)-int(n-1):]
	}
	r.Target = Target(in.text())
	r.Inode, r.Owner, r.Group = in.number(math.MaxUint64), UID(in.number(math.MaxUint32)),
		GID(in.number(math.MaxUint32))
	mode := in.number(math.MaxUint16 | hasMore | hasSeq | isUnfinished)
	r.Unfinished = mode&isUnfinished != 0
	r.Mode, r.Project = Mode(mode), ProjectID(in.number(math.MaxUint32))
	r.QuotaBy, r.QuotaID = QuotaBy(in.text()), uint32(in.number(math.MaxUint32))
	for a := range r.Claim {
		r.Claim[a] = in.limit()
	}
	r.At = time.Unix(int64(in.number(math.MaxUint64)), int64(in.number(999_999_999))).UTC()
	if mode&hasMore != 0 {
		r.Born, r.ACL = in.signed(), in.text()
		in.broken = in.broken || r.Born == 0 && r.ACL == ""
	}
	if mode&hasSeq != 0 {
		r.Seq = in.number(math.MaxUint64)
		in.broken = in.broken || r.Seq == 0
	}
	if in.broken || in.rest != "" {
		return Record{}, errBroken
	}
	return r, nil
}

// unpacker reads the parts of a packed record. After the first broken part, it returns only zero
// values.
type unpacker struct {
	rest   string
	broken bool
}

func (u *unpacker) take(n uint64) (s string) {
	if u.broken = u.broken || n > uint64(len(u.rest)); u.broken {
		return ""
	}
	s, u.rest = u.rest[:n], u.rest[n:]
	return s
}

// ended reads a text that ends with a NUL byte.
func (u *unpacker) ended() string {
	s, rest, found := strings.Cut(u.rest, "\x00")
	if u.broken = u.broken || !found; u.broken {
		return ""
	}
	u.rest = rest
	return s
}

func (u *unpacker) text() string { return u.take(u.number(math.MaxUint64)) }

// number reads a varint of at most most.
func (u *unpacker) number(most uint64) uint64 {
	var n uint64
	size := 0
	if u.rest != "" && u.rest[0] < 0x80 { // most numbers are one byte
		n, size = uint64(u.rest[0]), 1
	} else {
		n, size = binary.Uvarint([]byte(u.rest[:min(len(u.rest), binary.MaxVarintLen64)]))
	}
	if u.broken = u.broken || size <= 0 || n > most; u.broken {
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

// signed reads a varint with a sign.
func (u *unpacker) signed() int64 {
	n, size := binary.Varint([]byte(u.rest[:min(len(u.rest), binary.MaxVarintLen64)]))
	if u.broken = u.broken || size <= 0; u.broken {
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) limit() Limit {
	switch kind := valueKind(u.number(uint64(valueUnknown))); kind {
	case valueAbsent:
		return Limit{}
	case valueUnlimited:
		return Unlimited()
	case valueNumber:
		return limitOf(u.number(math.MaxUint64))
	}
	u.broken = true
	return Limit{}
}
