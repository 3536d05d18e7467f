package report

import (
	"cmp"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Branch is a tenant, a customer or a project, with what is promised and used below it. A shared
// quota counts once, at the first resource that claims it.
type Branch struct {
	Name           string
	Promised, Used planner.Bytes
	Resources      int
	Branches       []*Branch
}

// tree returns the report's resources as tenants, customers and projects, those with most promised
// space first.
func (r *Report) tree() *Branch {
	root := &Branch{}
	at := map[string]*Branch{}
	child := func(parent *Branch, name string) *Branch {
		if b := at[name]; b != nil {
			return b
		}
		b := &Branch{Name: name}
		at[name] = b
		parent.Branches = append(parent.Branches, b)
		return b
	}
	counted := map[string]bool{}
	for i := range r.Resources {
		x := &r.Resources[i]
		path := []*Branch{root}
		for _, name := range []string{x.Tenant, x.Customer, x.Address} {
			if name != "" {
				path = append(path, child(path[len(path)-1], name))
			}
		}
		promised, _ := x.space().Hard.Number()
		used, _ := x.space().Used.Number()
		if id := x.System + " " + x.Quota; x.Sharing > 1 && counted[id] {
			promised, used = 0, 0
		} else {
			counted[id] = true
		}
		for _, b := range path {
			b.Resources++
			b.Promised, b.Used = plus(b.Promised, planner.Bytes(promised)),
				plus(b.Used, planner.Bytes(used))
		}
	}
	root.sort()
	return root
}

func (b *Branch) sort() {
	slices.SortStableFunc(b.Branches, func(x, y *Branch) int {
		return cmp.Or(cmp.Compare(y.Promised, x.Promised), cmp.Compare(x.Name, y.Name))
	})
	for _, c := range b.Branches {
		c.sort()
	}
}

// leaves returns the branches without branches below them.
func (b *Branch) leaves() []*Branch {
	if len(b.Branches) == 0 {
		return []*Branch{b}
	}
	var list []*Branch
	for _, c := range b.Branches {
		list = append(list, c.leaves()...)
	}
	return list
}
