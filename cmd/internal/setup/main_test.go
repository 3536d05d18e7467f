package main

import (
	"slices"
	"strings"
	"testing"
)

// Each group of tests is known, and each program has a package and names the tests that are skipped
// without it.
func TestNeedsAreWhole(t *testing.T) {
	for _, n := range tools() {
		if n.program == "" || n.deb == "" || n.tests == "" ||
			!slices.Contains([]string{"test", "kernel", "packages"}, n.kind) {
			t.Errorf("%+v", n)
		}
	}
}

func TestMissingProgramsAreNamedOnce(t *testing.T) {
	got := packages([]tool{{deb: "rpm rpmlint"}, {deb: "gcc"}, {deb: "gcc"}})
	if strings.Join(got, " ") != "gcc rpm rpmlint" {
		t.Error(got)
	}
	if isInstalled("no-such-program-at-all") || !isInstalled("sh") || isInstalled("/no/such/file") {
		t.Error("what is there is not what is found")
	}
}
