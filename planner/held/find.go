package held

import (
	"fmt"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Prefix begins a plan argument that names a held plan.
const Prefix = "held:"

// leastDigits is how many digits of an id are enough to name a plan.
const leastDigits = 4

// Find returns the held plan that ref names: by its name, its id, or the first digits of its id.
func Find(ref string, plans []Plan) (Plan, error) {
	return find(ref, "held", plans, func(p Plan) (string, string) { return p.Name, p.ID })
}

// findRejected returns the rejection that ref names.
func findRejected(ref string, rejected []Rejection) (Rejection, error) {
	return find(ref, "rejected", rejected, func(r Rejection) (string, string) {
		return r.Name,
			r.Plan
	})
}

// means reports whether ref names a plan.
func means(ref, name, id string) bool {
	digits := strings.TrimPrefix(id, "sha256:")
	ref = strings.TrimPrefix(ref, Prefix)
	return ref == name || ref == id || len(ref) >= leastDigits && strings.HasPrefix(digits, ref)
}

func find[T any](ref, what string, list []T, names func(T) (name, id string)) (found T, err error) {
	n := 0
	var all []string
	for _, x := range list {
		name, id := names(x)
		all = append(all, name)
		if means(ref, name, id) {
			found = x
			n++
		}
	}
	switch {
	case n == 1:
		return found, nil
	case n > 1:
		return found, fmt.Errorf("%s means %d %s plans: give more digits, or the name; see "+
			"`cscs-sync held list`", render.Quote(ref), n, what)
	case len(all) == 0:
		return found, fmt.Errorf("no %s plan is %s: there is none", what, render.Quote(ref))
	}
	return found, fmt.Errorf("no %s plan is %s; there are %s", what, render.Quote(ref),
		strings.Join(all[:min(5, len(all))], ", "))
}
