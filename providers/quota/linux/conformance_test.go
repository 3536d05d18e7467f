//go:build kernel

package linux

import (
	"fmt"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota/quotatest"
)

func TestConformance(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		quotatest.Run(t, quotatest.Rig{
			Client: &onSystem{s.client, s.dir, s.by, 4096},
			Subject: func(*testing.T) planner.Subject {
				return planner.Subject{By: s.by,
					ID: s.id()}
			},
			Use: func(t *testing.T, of planner.Subject, n planner.Bytes) {
				s.ok(s.write(s.tree(of.ID), "used", int(n)))
			},
			Break: func(t *testing.T) func() {
				works := s.client.call
				s.client.call = func(string, uint32, planner.QuotaBy, uint32,
					unsafe.Pointer) error {
					return fmt.Errorf("broken for the test: %w", unix.EIO)
				}
				return func() { s.client.call = works }
			},
			Lose: func(*testing.T) {
				works := s.client.call
				s.client.call = func(dir string, cmd uint32, by planner.QuotaBy, id uint32,
					data unsafe.Pointer) error {
					err := works(dir, cmd, by, id, data)
					if cmd == setQuota && err == nil {
						s.client.call, err = works, fmt.Errorf("lost for the test: %w", unix.EIO)
					}
					return err
				}
			},
			Pass: func() { time.Sleep(2100 * time.Millisecond) },
		})
	})
}
