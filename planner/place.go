package planner

import (
	"fmt"
	"strings"
)

// Maximum lengths of a mount path and of one component. The proxy passes on Waldur's backend_id
// unchanged, so anything can arrive here. Whatever is not plainly harmless is refused.
const (
	maxPath      = 4095
	maxComponent = 255
)

// checkMountPath says what is wrong with a mount path; empty if nothing is.
func checkMountPath(p string) string {
	switch {
	case p == "":
		return "the mount path is empty"
	case p[0] != '/':
		return fmt.Sprintf("the mount path %.80q is relative; it must begin with /", p)
	case len(p) > maxPath:
		return fmt.Sprintf("the mount path has %d bytes, at most %d are allowed", len(p), maxPath)
	}
	for c := range strings.SplitSeq(p[1:], "/") {
		if why := checkComponent(c); why != "" {
			return fmt.Sprintf("the mount path %.80q %s", p, why)
		}
	}
	return ""
}

func checkComponent(c string) string {
	switch {
	case c == "":
		return "has an empty component"
	case c == "." || c == "..":
		return "is not clean: it has the component " + c
	case len(c) > maxComponent:
		return fmt.Sprintf("has a component of %d bytes, at most %d are allowed", len(c),
			maxComponent)
	case c[0] == '.' || c[0] == '-':
		return fmt.Sprintf("has a component that begins with %q", c[0])
	case strings.ContainsFunc(c, outsideAlphabet):
		return "has a component with characters other than A-Z a-z 0-9 . _ @ + -"
	}
	return ""
}

// outsideAlphabet reports whether a character may not be in a path. It is called for each character
// of each path.
func outsideAlphabet(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("._@+-", c)
}

// systemOf finds the system block for the proxy's storageSystem.key.
func (s *Settings) systemOf(key string) *System {
	for i := range s.Systems {
		if s.Systems[i].answersTo(key) {
			return &s.Systems[i]
		}
	}
	return nil
}

// SystemNamed finds a system block by its label; nil if there is none.
func (s *Settings) SystemNamed(name string) *System {
	for i := range s.Systems {
		if s.Systems[i].Name == name {
			return &s.Systems[i]
		}
	}
	return nil
}

func (s *System) answersTo(key string) bool {
	if key == s.Name {
		return true
	}
	for _, slug := range s.Slugs {
		if key == slug {
			return true
		}
	}
	return false
}

// storagePath maps a checked mount path to its storage path; false if it is outside the system's
// paths.
func (s *System) storagePath(mountPath string) (string, bool) {
	first, rest, _ := strings.Cut(mountPath[1:], "/")
	if s.answersTo(first) {
		if first == s.Directory {
			return mountPath[1:], true // the same bytes: there are many of them
		}
		return join(s.Directory, rest), true
	}
	for _, m := range s.Paths {
		if mountPath == m.Prefix {
			return m.Folder, true
		}
		if rest, ok := strings.CutPrefix(mountPath, m.Prefix+"/"); ok {
			return join(m.Folder, rest), true
		}
	}
	return "", false
}

func join(dir, rest string) string {
	switch {
	case rest == "":
		return dir
	case dir == "" || dir == ".":
		return rest
	}
	return dir + "/" + rest
}

// ParentOf returns the storage path above p; false at the top.
func ParentOf(p string) (string, bool) {
	i := strings.LastIndexByte(p, '/')
	if i < 0 {
		return "", false
	}
	return p[:i], true
}

// Inside reports whether storage path p lies strictly below dir.
func Inside(p, dir string) bool {
	return len(p) > len(dir) && p[len(dir)] == '/' && p[:len(dir)] == dir
}

// reserved has the storage paths that no resource may have or enclose: systems, their folders,
// archives, and the directories of tenants and customers.
type reserved struct {
	what     map[string]string
	encloses map[string]string
	archives []string
}

func newReserved(s *Settings) *reserved {
	r := &reserved{what: map[string]string{}, encloses: map[string]string{}}
	for i := range s.Systems {
		sys := &s.Systems[i]
		r.add(sys.Directory, "the directory of system "+sys.Name)
		for _, m := range sys.Paths {
			r.add(m.Folder, "the folder of "+m.Prefix+" on system "+sys.Name)
		}
		r.add(sys.Archive, "the archive of system "+sys.Name)
		r.archives = append(r.archives, sys.Archive)
	}
	return r
}

func (r *reserved) add(path, what string) {
	if _, ok := r.what[path]; ok {
		return
	}
	r.what[path] = what
	for up, ok := ParentOf(path); ok; up, ok = ParentOf(up) {
		if _, ok := r.encloses[up]; ok {
			break
		}
		r.encloses[up] = what
	}
}

// check says why a resource may not have this storage path; empty if it may.
func (r *reserved) check(path string) string {
	if what, ok := r.what[path]; ok {
		return "its directory would be " + what
	}
	if what, ok := r.encloses[path]; ok {
		return "its directory would enclose " + what
	}
	return r.checkArchives(path)
}

func (r *reserved) checkArchives(path string) string {
	for _, a := range r.archives {
		if Inside(path, a) || path == a || Inside(a, path) {
			return "its directory would be in, or enclose, the archive " + a
		}
	}
	return ""
}
