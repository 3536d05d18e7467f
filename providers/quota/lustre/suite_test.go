package lustre

import (
	"context"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/quota/quotatest"
)

// TestSuite holds each client to the rules of all backends.
func TestSuite(t *testing.T) {
	for name, make := range everyRig(t) {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			var c quota.Client = &onSystem{r.client, r.dir}
			last := 40000
			group := func(n int) planner.Subject { return planner.Subject{By: planner.ByGroup, ID: uint32(n)} }
			quotatest.Run(t, quotatest.Rig{
				Traits:  Traits(),
				Subject: func(*testing.T) int { last++; return last },
				Get:     func(ctx context.Context, n int) planner.QuotaState { return c.Get(ctx, group(n)) },
				Set: func(ctx context.Context, n int, q planner.Limits) error {
					_, err := c.Set(ctx, group(n), q, planner.Grace{})
					return err
				},
				List: func(ctx context.Context) (map[int]planner.QuotaState, error) {
					all, err := c.List(ctx, planner.ByGroup, []uint32{40000, 50000})
					by := map[int]planner.QuotaState{}
					for id, state := range all {
						by[int(id)] = state
					}
					return by, err
				},
				NoList: !r.lists,
				Use:    func(_ *testing.T, n int, space planner.Bytes) { r.use(planner.ByGroup, uint32(n), space, 1) },
				Break: func(*testing.T) func() {
					r.fail(unix.EIO)
					return func() { r.fail(0) }
				},
			})
		})
	}
}

var traits = Traits()
