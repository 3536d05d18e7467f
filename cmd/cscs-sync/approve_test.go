package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestApproveAsksOnATerminal: approve shows the plan and what is about to be signed, in 80 columns, and takes nothing but
// yes.
func TestApproveAsksOnATerminal(t *testing.T) {
	t.Parallel()
	s := newService(t, "")
	s.create("bio", 30500)
	s.ok("plan", "--out", "p.plan")
	path := filepath.Join(s.dir, "p.plan")
	before, err := os.ReadFile(path)
	s.check(err)
	const question = "Only 'yes' will be accepted to approve."
	for _, answer := range []string{"no\n", "y\n", "\n"} {
		x := newPseudo(t)
		if code := x.converse(t, s.command("approve", path), question, answer); code != exitRefused {
			t.Errorf("answer %q: exit %d, want 3\n%s", answer, code, x.text())
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("an answer that is not yes changed the file: %v", err)
	}
	x := newPseudo(t)
	if code := x.converse(t, s.command("approve", path), question, "yes\n"); code != exitDone {
		t.Errorf("answer yes: exit %d\n%s", code, x.text())
	}
	shown, asked, _ := strings.Cut(strings.ReplaceAll(x.text(), "\r", ""), "\nYou approve exactly the 3 actions above")
	if !strings.Contains(shown, "will be created") || !strings.Contains(asked, "\ncontext sha256:") {
		t.Errorf("not shown before it is signed:\n%s", x.text())
	}
	for line := range strings.Lines(asked) {
		if len(line) > 81 && !strings.Contains(line, path) {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
	if out, err := s.command("verify", path).CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS  approved  1 of 1") {
		t.Errorf("%v\n%s", err, out)
	}
}
