package lfssim

import (
	"strconv"
	"strings"
)

// maxID is the largest id that lfs accepts: 2^32-2.
const maxID = 1<<32 - 2

// parseID parses an id like quota and setquota: it tries the name first, so that a group named 1000
// wins over gid 1000, and then the number. An empty id is 0. Projects have names only in modern
// releases.
func (p *program) parseID(t Type, text string) (uint32, bool) {
	if t == Project && !p.rel.modern {
		return number(text)
	}
	if t == Project {
		return p.projectID(text)
	}
	if id, ok := p.names().idOf(t, text); ok {
		return id, true
	}
	return number(text)
}

// projectID parses the name of a project; u:USER and g:GROUP are names, too.
func (p *program) projectID(text string) (uint32, bool) {
	if id, ok := p.names().idOf(Project, text); ok {
		return id, true
	}
	kind, name, _ := strings.Cut(text, ":")
	switch kind {
	case "u":
		return p.names().idOf(User, name)
	case "g":
		return p.names().idOf(Group, name)
	}
	return number(text)
}

func number(text string) (uint32, bool) {
	if text == "" {
		return 0, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimLeft(text, " \t"), "+"), 10, 64)
	return uint32(n), err == nil && n <= maxID
}

func (p *program) names() Names { return p.srv.store.settings.Names }

// title returns a name as lfs prints it in titles.
func (p *program) title(t Type, id uint32) string {
	if name, ok := p.names().nameOf(t, id); ok {
		return name
	}
	return "<unknown>"
}
