package main

import (
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// TestProgressOnATerminal: a listing that takes long shows a status line, which is gone at the end; with --json there is none.
func TestProgressOnATerminal(t *testing.T) {
	s := newService(t, "")
	s.withoutQuotas()
	s.create("bio", 30500)
	run := func(args ...string) string {
		s.check(s.sim.Inject(waldursim.Fault{Path: "storage-resources", Kind: waldursim.FaultSlow, Delay: waldursim.Duration(time.Second)}))
		x := newPseudo(t)
		cmd := s.command(args...)
		cmd.Stderr = x.slave
		cmd.Env = append(cmd.Env, "TERM=xterm")
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, x.text())
		}
		x.readAll()
		return x.text()
	}
	shown := run("plan")
	if !strings.Contains(shown, "\rListing resources\x1b[K") || !strings.HasSuffix(shown, "\r\x1b[K") {
		t.Errorf("the terminal shows %q", shown)
	}
	if shown := run("plan", "--json"); shown != "" {
		t.Errorf("with --json the terminal shows %q", shown)
	}
}
