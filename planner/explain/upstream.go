package explain

import (
	"context"
	"fmt"
	"slices"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/engine"
)

// Upstream returns what the source says about the resource at an address, as overrides see it. It
// looks at no storage. It asks waldur about the resource's order, unless waldur is nil.
func Upstream(ctx context.Context, in *planner.Input, source engine.Source, waldur Waldur,
	address string) (*planner.Upstream, error) {
	items, err := source.List(ctx, nil)
	if err != nil {
		return nil, &engine.ListingError{Err: err}
	}
	in.Items, in.Complete = items, true
	if waldur != nil {
		about := slices.DeleteFunc(slices.Clone(items), func(it planner.Item) bool {
			return it.MountPath != address
		})
		questions := planner.Questions(in.Settings, &in.Selection, about)
		in.Orders = waldur.Ask(ctx, questions, false)
	}
	graph := planner.Desire(in)
	u, ok := graph.Upstream(address)
	if !ok {
		return nil, fmt.Errorf("the proxy lists nothing of a configured system at %s%s", address,
			Nearest(graph.Views(), address))
	}
	return &u, nil
}
