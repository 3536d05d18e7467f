package main

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestConsoleOnATerminal: it prompts, goes on after an error, and gives the terminal back as it was.
func TestConsoleOnATerminal(t *testing.T) {
	t.Parallel()
	s := newService(t, "locals {\n  names = [\"a\"]\n}\n")
	x := newPseudo(t)
	before, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	s.check(err)
	if code := x.converse(t, s.command("console"), "> ", "local.nams\r1 + 41\rexit\r"); code != exitDone {
		t.Errorf("exit %d", code)
	}
	for _, want := range []string{`Did you mean "names"?`, "\n42\r\n"} {
		if !strings.Contains(x.text(), want) {
			t.Errorf("the terminal shows no %q:\n%q", want, x.text())
		}
	}
	after, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	s.check(err)
	if *after != *before {
		t.Errorf("the terminal was %+v, is %+v", *before, *after)
	}
}
