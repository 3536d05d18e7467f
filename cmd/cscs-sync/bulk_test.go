package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/lfssim"
)

// On a release that can list quotas, a plan over many asks for ranges, and for what they leave out.
func TestQuotasInBulk(t *testing.T) {
	const n = 80
	for release, bulk := range map[string]bool{"2.17.57": true, "2.15.8": false} {
		t.Run(release, func(t *testing.T) {
			s := newService(t, "")
			state := filepath.Join(s.dir, "lfs.json")
			s.check(lfssim.Update(state, func(st *lfssim.State) error { st.Release = release; return nil }))
			for i := range n {
				s.active(fmt.Sprint("m", i), int64(30700+i))
			}
			s.settle()
			before, err := lfssim.ReadLog(state)
			s.check(err)
			if out := s.ok("plan"); !strings.Contains(out, "No changes.") {
				t.Errorf("nothing changed, and the plan is\n%s", out)
			}
			calls, err := lfssim.ReadLog(state)
			s.check(err)
			lists, singly := 0, 0
			for _, c := range calls[len(before):] {
				switch args := c.Args; {
				case slices.Contains(args, "-a"):
					lists++
				case slices.Contains(args, "quota"):
					singly++
				}
			}
			// Either one list between two single answers, or each by itself, once, after the first list was not understood.
			if bulk && (lists != 1 || singly != 2) || !bulk && (lists != 1 || singly != n) {
				t.Errorf("%d lists, %d read singly", lists, singly)
			}
		})
	}
}
