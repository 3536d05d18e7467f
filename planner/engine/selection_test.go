package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner/engine"
)

// TestSelectionText: a selection is read with its files, and all its mistakes are reported at once.
func TestSelectionText(t *testing.T) {
	t.Parallel()
	read := func(path string) ([]byte, error) {
		switch path {
		case "globs":
			return []byte("/s/b\n/s/a\n"), nil
		case "bad":
			return []byte("b\n"), nil
		}
		return nil, errors.New("no such file")
	}
	good := engine.SelectionText{Targets: []string{"/s/b"}, TargetFiles: []string{"globs"},
		Excludes: []string{"/s/c"}, Rejects: []string{"/s/a=too large"}}
	sel, err := good.Parse(read)
	if err != nil || !slices.Equal(sel.Targets, []string{"/s/a", "/s/b"}) ||
		len(sel.Excludes) != 1 ||
		sel.Rejects[0].Reason != "too large" {
		t.Errorf("%+v, %v", sel, err)
	}
	bad := engine.SelectionText{TargetFiles: []string{"bad"}, ExcludeFiles: []string{"none"},
		Rejects: []string{"/a"}, Fails: []string{"=b"}}
	_, err = bad.Parse(read)
	for _, want := range []string{"bad:1: ", "no such file", `--reject "/a"`, `--fail "=b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	both := engine.SelectionText{Rejects: []string{"/a=x"}, Fails: []string{"/a=y"}}
	if _, err := both.Parse(read); err == nil {
		t.Error("an order is to be rejected and to be failed")
	}
	if good.IsEmpty() || !(&engine.SelectionText{}).IsEmpty() {
		t.Error("empty, or not")
	}
}
