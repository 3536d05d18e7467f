package approval

import (
	"fmt"
	"strings"
	"unicode"
)

// count marks one approval of each person as counted. Two approvals are by one person if they share
// a name (in any case) or a key, also through a third one: ann with key 1, ann with key 2 and bea
// with key 2 are one person.
func (in Input) count(v *Verdict, all []genuine) {
	people := newGroups(len(all))
	seen := map[string]int{}
	for i, g := range all {
		if v.Approvals[i].Why != "" || g.approval.Kind == KindPolicy {
			continue
		}
		for _, mark := range marks(g, v.Approvals[i]) {
			if first, ok := seen[mark]; ok {
				people.join(first, i)
			} else {
				seen[mark] = i
			}
		}
	}
	for i, g := range all {
		j := &v.Approvals[i]
		switch first := people.of(i); {
		case j.Why != "":
		case g.approval.Kind == KindPolicy:
			j.Counted, v.ByPolicy = true, true
		case first == i:
			j.Counted = true
			v.Counted++
		default:
			j.Why = fmt.Sprintf("by a person who is already counted: %s", sameAs(v.Approvals[first], *j))
		}
	}
}

// marks returns the names, keys and logins by which approvals of one person are recognised.
func marks(g genuine, j Judged) []string {
	name := "name " + fold(j.Name)
	if g.approval.Kind == KindSSH {
		return []string{name, "key " + j.Key}
	}
	return []string{name, "login " + j.Login}
}

// fold gives names that [strings.EqualFold] calls equal the same form: each letter becomes the
// least of its forms.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

func sameAs(first, j Judged) string {
	switch {
	case strings.EqualFold(first.Name, j.Name):
		return fmt.Sprintf("%q", first.Name)
	case j.Key != "" && first.Key == j.Key:
		return fmt.Sprintf("%q signed with the same key", first.Name)
	case j.Login != "" && first.Login == j.Login:
		return fmt.Sprintf("%q approved from the same login", first.Name)
	}
	return fmt.Sprintf("%q, by other names and keys among these approvals", first.Name)
}

// groups are disjoint sets of indexes. Each is named by its lowest index.
type groups []int

func newGroups(n int) groups {
	g := make(groups, n)
	for i := range g {
		g[i] = i
	}
	return g
}

func (g groups) of(i int) int {
	for g[i] != i {
		i = g[i]
	}
	return i
}

func (g groups) join(a, b int) {
	a, b = g.of(a), g.of(b)
	g[max(a, b)] = min(a, b)
}
