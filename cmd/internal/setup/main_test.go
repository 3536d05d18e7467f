package main

import (
	"slices"
	"strings"
	"testing"
)

// Each kind of tests is known to somebody, and each program has a package and names what is left out without it.
func TestNeedsAreWhole(t *testing.T) {
	for _, n := range needs() {
		if n.program == "" || n.deb == "" || n.tests == "" || !slices.Contains([]string{"test", "kernel", "packages"}, n.kind) {
			t.Errorf("%+v", n)
		}
	}
}

func TestMissingProgramsAreNamedOnce(t *testing.T) {
	got := packages([]need{{deb: "rpm rpmlint"}, {deb: "gcc"}, {deb: "gcc"}})
	if strings.Join(got, " ") != "gcc rpm rpmlint" {
		t.Error(got)
	}
	if there("no-such-program-at-all") || !there("sh") || there("/no/such/file") {
		t.Error("what is there is not what is found")
	}
}
