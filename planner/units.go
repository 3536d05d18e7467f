package planner

import (
	"bytes"
	"fmt"
	"strconv"
)

// Bytes is an amount of storage space, in bytes.
type Bytes uint64

// Inodes is a number of files and directories.
type Inodes uint64

// UID is a numeric user id. Names are never used, because they differ from node to node.
type UID uint32

// GID is a numeric group id.
type GID uint32

// ProjectID is a project id of Lustre's project quotas.
type ProjectID uint32

// Mode is the permission part of a file mode: the twelve bits 07777.
type Mode uint16

// ModeBits is every bit that a [Mode] may have.
const ModeBits Mode = 0o7777

// String formats the mode as people write it, with at least four octal digits: "2770", "0755".
func (m Mode) String() string { return fmt.Sprintf("%04o", uint16(m)) }

// Letters formats the mode as ls does, without the file type: "rwxrws---".
func (m Mode) Letters() string {
	b := []byte("rwxrwxrwx")
	for i := range b {
		if m&(1<<(8-i)) == 0 {
			b[i] = '-'
		}
	}
	special := func(bit Mode, at int, set, bare byte) {
		if m&bit == 0 {
			return
		}
		if b[at] == 'x' {
			b[at] = set
		} else {
			b[at] = bare
		}
	}
	special(0o4000, 2, 's', 'S')
	special(0o2000, 5, 's', 'S')
	special(0o1000, 8, 't', 'T')
	return string(b)
}

// MarshalJSON writes a mode as everywhere in JSON: four octal digits in a string, "2770".
func (m Mode) MarshalJSON() ([]byte, error) { return []byte(`"` + m.String() + `"`), nil }

// UnmarshalJSON reads four octal digits in a string. It also reads a number, which manifests and
// states of earlier builds have.
func (m *Mode) UnmarshalJSON(b []byte) error {
	if n, err := strconv.ParseUint(string(b), 10, 16); err == nil && Mode(n)&^ModeBits == 0 {
		*m = Mode(n)
		return nil
	}
	mode, special, err := ParseMode(string(bytes.Trim(b, `"`)))
	if err != nil || !special || len(b) != 6 {
		return fmt.Errorf("mode %s: want four octal digits in a string, such as \"2770\"", b)
	}
	*m = mode
	return nil
}

// ParseMode reads three or four octal digits. special reports whether there are four. With three
// digits, setuid, setgid and sticky are not given, and an existing directory keeps its own.
func ParseMode(s string) (m Mode, special bool, err error) {
	if len(s) != 3 && len(s) != 4 {
		return 0, false, fmt.Errorf("mode %q: want three or four octal digits, such as 2770", s)
	}
	n, err := strconv.ParseUint(s, 8, 16)
	if err != nil {
		return 0, false, fmt.Errorf("mode %q: want three or four octal digits, such as 2770", s)
	}
	return Mode(n), len(s) == 4, nil
}
