package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/waldursim"
)

// signer makes an SSH key that both nodes accept as anna's, with the stock ssh-keygen. It returns
// the file of the private key.
func (g *pair) signer() string {
	g.t.Helper()
	key := filepath.Join(g.dir, "anna")
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput()
	if err != nil {
		g.t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	public, err := os.ReadFile(key + ".pub")
	g.check(err)
	g.check(os.WriteFile(filepath.Join(g.dir, "signers"),
		fmt.Appendf(nil, "anna@example.com %s", public), 0o600))
	return key
}

// TestApprovedOnAStandby: the leader holds a plan, a person approves it on the standby, and the
// leader applies it. A copy of the plan that somebody changed on the leader's node counts for
// nothing. A plan that is rejected on the standby goes away on the leader.
func TestApprovedOnAStandby(t *testing.T) {
	g := newPair(t)
	key := g.signer()
	g.trusted()
	g.create("second", 30600)
	a := g.loopOn("a")
	a.leads()
	b := g.loopOn("b")
	b.standsBy()
	g.until("the second directory", func() bool {
		r, err := g.sim.Resource("capstor-second-store")
		return err == nil && r.State == waldursim.OK
	})

	_, err := g.sim.UpdateResource("capstor-second-store",
		waldursim.UpdateSpec{Limits: map[string]any{"storage": 20}})
	g.check(err)
	held := func() string { // the first plan in the list
		for line := range strings.Lines(g.must("b", "held", "list")) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(name, "update-") {
				return name
			}
		}
		return ""
	}
	g.until("the held plan on b", func() bool { return held() != "" })
	ref := held()
	copies, err := filepath.Glob(filepath.Join(g.dir, "state-a", "pending", "*.plan"))
	g.check(err)
	if len(copies) != 1 {
		t.Fatalf("copies on a: %q", copies)
	}
	g.check(os.WriteFile(copies[0], []byte("not the plan"), 0o600))
	g.must("b", "held", "approve", ref, "--key", key)
	g.until("the order", func() bool {
		r, err := g.sim.Resource("capstor-second-store")
		return err == nil && r.State == waldursim.OK && fmt.Sprint(r.Limits["storage"]) == "20"
	})
	history := g.must("b", "state", "history")
	if !strings.Contains(history, "anna@example.com") || b.says("action=update")() {
		t.Errorf("the history is\n%s\nand b says\n%s", history, b.log())
	}

	_, err = g.sim.UpdateResource("capstor-second-store",
		waldursim.UpdateSpec{Limits: map[string]any{"storage": 30}})
	g.check(err)
	g.until("the next held plan on b", func() bool { n := held(); return n != "" && n != ref })
	g.must("b", "held", "reject", held(), "--reason", "no room")
	a.until("the rejection on a", a.says("somebody rejected it"))
	if out := g.must("a", "held", "list"); strings.Contains(out, "update-") &&
		!strings.Contains(out, "ejected") {
		t.Errorf("a still holds it:\n%s", out)
	}
}
