package policy

import (
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxName bounds a held plan's name, which people type and which stands in the subjects of
// messages.
const maxName = 60

// Name returns how people name a held plan: what it does, where, and the first eight digits of its
// id, such as archive-capstor-uzh-old-1a83b1ae. The digits alone tell it from every other plan; the
// words are for people.
func Name(core *planner.Core, id string) string {
	digits := strings.TrimPrefix(id, "sha256:")
	digits = digits[:min(8, len(digits))]
	words := wordsOf(core)
	if most := maxName - len(digits) - 1; len(words) > most {
		words = strings.TrimRight(words[:most], "-")
	}
	return words + "-" + digits
}

// wordsOf says what a plan does: its first action that is not for a directory above others, or how
// many there are.
func wordsOf(core *planner.Core) string {
	var first *planner.Action
	more := 0
	same := true
	for i := range core.Actions {
		switch a := &core.Actions[i]; {
		case a.Target.IsBranch() && a.Kind == planner.Create:
		case first == nil:
			first = a
		default:
			more++
			same = same && a.Kind == first.Kind
		}
	}
	switch {
	case first == nil && len(core.Actions) > 0:
		first = &core.Actions[0]
	case first == nil:
		return "nothing"
	}
	kind := string(first.Kind)
	if !same {
		kind = "change"
	}
	if more > 0 {
		return plain(fmt.Sprintf("%s-%s-%d-resources", kind, first.System, more+1))
	}
	parts := strings.Split(strings.Trim(first.Address, "/"), "/")
	if len(parts) > 2 {
		parts = parts[len(parts)-2:]
	}
	return plain(kind + "-" + first.System + "-" + strings.Join(parts, "-"))
}

// plain keeps what needs no quoting anywhere: lower case letters, digits, dots and underscores; all
// else becomes a dash.
func plain(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			b.WriteRune(r)
		} else if !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-.")
}
