package lustre

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota/quotatest"
)

// TestSuite tests each client against the rules of all backends.
func TestSuite(t *testing.T) {
	for name, make := range everyRig(t) {
		t.Run(name, func(t *testing.T) {
			r := make(t)
			last := uint32(40000)
			var lose func(*testing.T)
			if r.lost != nil {
				lose = func(*testing.T) { r.lost() }
			}
			quotatest.Run(t, quotatest.Rig{
				Client: &onSystem{r.client, r.dir},
				Subject: func(*testing.T) planner.Subject {
					last++
					return planner.Subject{By: planner.ByGroup, ID: last}
				},
				Use: func(_ *testing.T, of planner.Subject, n planner.Bytes) {
					r.use(of.By, of.ID, n, 1)
				},
				Break: func(*testing.T) func() {
					r.fail(unix.EIO)
					return func() { r.fail(0) }
				},
				NoList: !r.lists,
				Lose:   lose,
				Pass:   func() { r.pass(time.Hour) },
			})
		})
	}
}

var traits = Traits()
