package pager_test

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/cmd/internal/pager"
)

// env returns an environment with these variables.
func env(vars map[string]string) pager.Getenv {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

// TestCommand: people can choose the pager, or none.
func TestCommand(t *testing.T) {
	t.Parallel()
	for set, want := range map[string][]string{"most -s  $(x)": {"most", "-s", "$(x)"}, "": nil,
		"cat":     nil,
		" cat -v": nil} {
		if got := pager.Command(env(map[string]string{"CSCS_SYNC_PAGER": set})); !slices.Equal(got,
			want) {
			t.Errorf("%q: %q, want %q", set, got, want)
		}
	}
	if got := pager.Command(env(map[string]string{"TERM": "dumb",
		"CSCS_SYNC_PAGER": "most"})); got != nil {
		t.Errorf("on a dumb terminal: %q", got)
	}
}

// script is a pager that runs these lines.
func script(t *testing.T, lines string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pager")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+lines), 0o700); err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// TestShow: it is no error if people leave the pager early. It is an error if the pager does not
// run.
func TestShow(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("line\n", 100_000)
	for lines, want := range map[string]string{
		"echo $LESSSECURE $LESS; cat >/dev/null": "1 FRX\n",
		"read line; echo $line; exit 3":          "line\n",
		"exit 0":                                 "",
	} {
		var out strings.Builder
		if err := pager.Show(script(t, lines), long, &out, io.Discard, env(nil)); err != nil ||
			out.String() != want {
			t.Errorf("%s: %q, %v", lines, out.String(), err)
		}
	}
	var out strings.Builder
	if err := pager.Show([]string{"/nothing/here"}, long, &out, io.Discard, env(nil)); err == nil ||
		out.Len() > 0 {
		t.Errorf("no pager: %q, %v", out.String(), err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("#!/nothing/here\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := pager.Show([]string{empty}, long, &out, io.Discard, env(nil)); err == nil {
		t.Error("a pager that cannot start has shown something")
	}
}
