package policy

import (
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxName is the most characters in the name of a held plan, which people type and which is in the
// subjects of messages.
const maxName = 60

// Name returns the name of a held plan for people: what it does, where, and the first eight digits
// of its id, such as archive-capstor-uzh-old-1a83b1ae. The digits alone identify the plan; the
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

// wordsOf says what a plan does: its first action that is not on a directory above others, or how
// many actions there are.
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

// plain keeps the characters that need no quoting anywhere: lower-case letters, digits, dots and
// underscores. Everything else becomes a dash.
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
