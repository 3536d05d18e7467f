package complete

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

func TestOneOf(t *testing.T) {
	words := []string{"auto", "always", "never"}
	for word, want := range map[string][]string{"": words, "a": {"auto", "always"}, "n": {"never"},
		"x": {}} {
		got, then := OneOf(words...)(nil, nil, word)
		if !slices.Equal(got, want) || then != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("%q: %q, %d; want %q", word, got, then, want)
		}
	}
	if !slices.Equal(words, []string{"auto", "always", "never"}) {
		t.Errorf("the words have become %q", words)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.plan", "ab.txt", "b.plan"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "aside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "agone.plan")); err != nil {
		t.Fatal(err)
	}
	none, folders := cobra.ShellCompDirectiveNoFileComp,
		cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace
	for word, c := range map[string]struct {
		want []string
		then Directive
	}{
		"a": {[]string{dir + "/a.plan", dir + "/aside/"}, folders},
		"b": {[]string{dir + "/b.plan"}, none},
		"c": {nil, none},
		"[": {nil, none},
	} {
		got, then := Files(filepath.Join(dir, word), ".plan")
		if !slices.Equal(got, c.want) || then != c.then {
			t.Errorf("%q: %q, %d; want %q, %d", word, got, then, c.want, c.then)
		}
	}
}

func TestTakesNone(t *testing.T) {
	for name, c := range map[string]struct {
		args cobra.PositionalArgs
		want bool
	}{"any": {nil, false}, "none": {cobra.NoArgs, true}, "one": {cobra.ExactArgs(1), false}} {
		if got := TakesNone(&cobra.Command{Args: c.args}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
