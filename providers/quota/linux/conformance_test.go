//go:build kernel

package linux

import (
	"context"
	"fmt"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota/quotatest"
)

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		traits, err := s.client.Traits(t.Context(), s.dir)
		s.ok(err)
		quotatest.Run(t, quotatest.Rig{
			Traits:  traits,
			Subject: func(*testing.T) int { return int(s.id()) },
			Get: func(ctx context.Context, id int) planner.QuotaState {
				return s.client.Get(ctx, s.dir, s.by, uint32(id))
			},
			Set: func(ctx context.Context, id int, q planner.Limits) error {
				return s.client.Set(ctx, s.dir, s.by, uint32(id), q, planner.Grace{})
			},
			List: func(ctx context.Context) (map[int]planner.QuotaState, error) {
				all, err := s.client.List(ctx, s.dir, s.by, 40000, 50000)
				by := map[int]planner.QuotaState{}
				for id, state := range all {
					by[int(id)] = state
				}
				return by, err
			},
			Use: func(t *testing.T, id int, n planner.Bytes) {
				s.ok(s.write(s.tree(uint32(id)), "used", int(n)))
			},
			Break: func(t *testing.T) func() {
				works := s.client.call
				s.client.call = func(string, uint32, planner.QuotaBy, uint32, unsafe.Pointer) error {
					return fmt.Errorf("broken for the test: %w", unix.EIO)
				}
				return func() { s.client.call = works }
			},
		})
	})
}
