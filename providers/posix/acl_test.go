package posix

import (
	"encoding/binary"
	"fmt"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestReadACL: readACL reads what setfacl wrote, also an ACL that is too long for the first
// attempt.
func TestReadACL(t *testing.T) {
	s := newSite(t)
	setfacl, err := exec.LookPath("setfacl")
	if err != nil {
		setfacl = ""
	}
	for name, tc := range map[string]struct{ entries, want string }{
		"none":    {"", ""},
		"access":  {"g::r-x,u:12345:rwx,g:30501:--x,m::rwx", "user:12345:rwx,group::r-x,group:30501:--x"},
		"default": {"d:u:12345:rwx", "default:user::rwx,default:user:12345:rwx,default:group::r-x,default:mask::rwx,default:other::r-x"},
	} {
		s.mkdir("capstor/"+name, 0o755)
		if tc.entries != "" && setfacl == "" {
			continue
		}
		if tc.entries != "" {
			if out, err := exec.Command(setfacl, "-m", tc.entries,
				s.real("capstor/"+name)).CombinedOutput(); err != nil {
				t.Fatalf("%s: %s", tc.entries, out)
			}
		}
		if got := s.root.Observe(s.conf, "capstor/"+name).ACL.Beyond(); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
	s.mkdir("capstor/long", 0o755)
	long := binary.LittleEndian.AppendUint32(nil, 2)
	add := func(tag uint16, id uint32) {
		long = binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(long, tag), 7)
		long = binary.LittleEndian.AppendUint32(long, id)
	}
	add(0x01, ^uint32(0))
	for i := range uint32(200) {
		add(0x02, 40000+i)
	}
	add(0x04, ^uint32(0))
	add(0x10, ^uint32(0))
	add(0x20, ^uint32(0))
	s.must(unix.Setxattr(s.real("capstor/long"), accessACL, long, 0))
	if acl := s.root.Observe(s.conf, "capstor/long").ACL; acl == nil || len(acl.Access) != 204 {
		t.Errorf("a long one: %+v", acl)
	}
}

// TestListedACLs: the list of attributes is trusted on ext4 and XFS alone, and there it leads to the
// same ACLs as reading them, also when it is too long to be read.
func TestListedACLs(t *testing.T) {
	for filesystem, want := range map[string]bool{"ext4": true, "xfs": true, "lustre": false,
		"nfs": false, "nfs4": false, "overlay": false, "9p": false, "fuse": false, "": false} {
		if listsACLs(filesystem) != want {
			t.Errorf("%s: want %v", filesystem, want)
		}
	}
	s := newSite(t)
	if !s.sys.listsACLs {
		t.Skip("the test's directory is neither on ext4 nor on XFS")
	}
	for i, acls := range [][]string{{}, {accessACL}, {defaultACL}, {accessACL, defaultACL}} {
		for _, others := range []int{0, 3, 40} {
			at := fmt.Sprintf("capstor/%d and %d", i, others)
			s.mkdir(at, 0o755)
			for n := range others {
				s.must(unix.Setxattr(s.real(at), fmt.Sprintf("user.attribute number %d", n), nil, 0))
			}
			for _, name := range acls {
				s.setACL(at, name)
			}
			s.sys.listsACLs = true
			listed := s.sys.Observe(at)
			s.sys.listsACLs = false
			if read := s.sys.Observe(at); !reflect.DeepEqual(listed, read) ||
				(read.ACL == nil) != (len(acls) == 0) {
				t.Errorf("%s: listed %+v, read %+v", at, listed.ACL, read.ACL)
			}
		}
	}
}

// nfs4 encodes an NFSv4 ACL with the given names.
func nfs4(names ...string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(names)))
	for _, n := range names {
		for range 3 {
			b = binary.BigEndian.AppendUint32(b, 0)
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(n))), n...)
		b = append(b, make([]byte, (4-len(n)%4)%4)...)
	}
	return b
}

func TestParseNFS4(t *testing.T) {
	for _, tc := range []struct {
		name   string
		acl    []byte
		names  string
		unread bool
	}{
		{"none", nil, "", false},
		{"the mode's", nfs4("OWNER@", "GROUP@", "EVERYONE@"), "", false},
		{"a stranger's", nfs4("OWNER@", "eve@example.com", "GROUP@", "eve@example.com", "12345"),
			"eve@example.com 12345", false},
		{"cut", nfs4("OWNER@", "eve@example.com")[:30], "", true},
		{"a name beyond the end", append(nfs4("OWNER@")[:16], 0, 0, 1, 0), "", true},
		{"more than there are", append([]byte{255, 255, 255, 255}, nfs4("OWNER@")[4:]...), "", true},
		{"half a number", []byte{0, 0}, "", true},
	} {
		got := parseNFS4(tc.acl)
		if strings.Join(got.NFS, " ") != tc.names || (got.Unread != "") != tc.unread {
			t.Errorf("%s: %+v", tc.name, got)
		}
	}
}

func FuzzParseACL(f *testing.F) {
	f.Add(nfs4("OWNER@", "eve@example.com"))
	f.Add([]byte{2, 0, 0, 0, 2, 0, 7, 0, 57, 48, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if acl := parseNFS4(b); len(acl.NFS) > len(b)/16 {
			t.Errorf("%d names in %d bytes", len(acl.NFS), len(b))
		}
		entries, why := parseACL(b)
		if len(entries) > len(b)/8 || why != "" && entries != nil {
			t.Errorf("%d entries in %d bytes, %q", len(entries), len(b), why)
		}
	})
}
