package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// reported counts the resources whose usage Waldur has.
func (s *service) reported() (n int) {
	for _, r := range s.sim.State() {
		if r.Usages["storage"] != "" {
			n++
		}
	}
	return n
}

// TestUsageAfterKills: a loop that is killed while it reports usage goes on where it stopped, and
// orders are carried out while Waldur does not answer reports.
func TestUsageAfterKills(t *testing.T) {
	s := newService(t, "")
	s.edit("waldur {", "waldur {\n  report_usage = true")
	const n = 60
	for i := range n {
		s.create(fmt.Sprint("p", i), int64(31000+i))
	}
	s.ok("plan", "--out", "p.plan")
	s.ok("approve", "p.plan")
	s.ok("apply", "p.plan")
	s.check(s.sim.Inject(waldursim.Fault{Kind: waldursim.FaultSlow, Path: "set_usage", Count: -1,
		Delay: waldursim.Duration(20 * time.Millisecond)}))
	for done := 5; done < n; done += 20 {
		s.start("--interval", "1s")
		s.until("some usage", func() bool { return s.reported() >= done })
		s.check(s.cmd.Process.Kill())
		<-s.ended
	}
	s.sim.ClearFaults()
	s.check(s.sim.Inject(waldursim.Fault{Kind: waldursim.FaultSlow, Path: "set_usage",
		Delay: waldursim.Duration(8 * time.Second)}))
	s.create("late", 31999)
	s.start("--interval", "1s")
	s.until("an order that is done although a report hangs",
		func() bool { return s.lastOrder("capstor-late-store").State == waldursim.Done })
	s.check(s.cmd.Process.Kill())
	<-s.ended
	s.sim.ClearFaults()
	s.start("--interval", "1s")
	s.until("all usage", func() bool { return s.reported() == n+1 })
	if strings.Contains(s.log(), waldursim.DefaultWaldurToken) {
		t.Error("the token is in the log")
	}
	tells := 0
	for _, q := range s.sim.Requests() {
		if strings.Contains(q.Path, "set_usage") && q.TookEffect {
			tells++
		}
	}
	if tells > 2*n+2 { // a kill costs what was told since the memory was written
		t.Errorf("%d resources were told %d times", n+1, tells)
	}
}
