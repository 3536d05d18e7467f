package planfile

import "github.com/waldur/cscs-storage-sync/planner"

func (v *view) folded(order []int) []func(*printer) {
	_ = planner.Create
	var list []func(*printer)
	for _, i := range order {
		list = append(list, func(p *printer) { v.action(p, i) })
	}
	return list
}
