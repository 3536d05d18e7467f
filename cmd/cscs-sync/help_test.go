package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/flags"
)

// output is what a command line prints, and its exit code.
func output(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	a := testApp()
	var out, errors bytes.Buffer
	a.term.In, a.term.Out, a.term.Err = strings.NewReader(""), &out, &errors
	code = run(context.Background(), a, args)
	return out.String(), errors.String(), code
}

// everyCommand is a command with all below it, groups too.
func everyCommand(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, everyCommand(sub)...)
	}
	return all
}

// TestHelpFits: the overview and every command's help have at most 80 columns, nothing on stderr, and exit 0.
func TestHelpFits(t *testing.T) {
	lines := [][]string{{}, {"help"}, {"--help"}, {"help", "help"}, {"--color", "never", "help"}}
	for _, c := range everyCommand(testApp().root()) {
		name := strings.Fields(pathOf(c))
		lines = append(lines, append([]string{"help"}, name...), append(slices.Clone(name), "-h"))
	}
	for _, args := range lines {
		stdout, stderr, code := output(t, args...)
		if code != exitDone || stderr != "" || !strings.Contains(stdout, "Usage: cscs-sync") {
			t.Errorf("%q: exit %d, stderr %q, stdout %.60q", args, code, stderr, stdout)
		}
		for l := range strings.SplitSeq(stdout, "\n") {
			if utf8.RuneCountInString(l) > 80 {
				t.Errorf("%q is wider than 80 columns: %s", args, l)
			}
		}
	}
}

// TestWrongCommandLines: each is an error on stderr, exit 1, and nothing on stdout.
func TestWrongCommandLines(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"paln", `unknown command "paln"; did you mean plan?`},
		{"aprove x", `unknown command "aprove"; did you mean approve?`},
		{"terraform", "unknown command \"terraform\"\n"},
		{"state paln", `unknown command "state paln"`},
		{"state lst", `unknown command "state lst"; did you mean list?`},
		{"help paln", `unknown command "paln"; did you mean plan?`},
		{"help state paln", `unknown command "state paln"`},
		{"--nope", "unknown flag: --nope"},
		{"-c", "flag needs an argument"},
		{"--color", "flag needs an argument"},
		{"--color purple", "want auto, always or never"},
		{"--color purple plan", "want auto, always or never"},
		{"--log-level loud version", "want debug, info, warn or error"},
		{"--log-format xml version", "want text or json"},
		{"plan --nope", "unknown flag: --nope"},
		{"plan one", "1 argument given; usage: cscs-sync plan [flags]"},
		{"show", "which plan?"},
		{"diff one", "1 argument given"},
		{"show --json --html x", "exclude one another"},
		{"graph --format png", "png"},
		{"completion tcsh", "want bash, zsh or fish"},
		{"plan --target capstor", `Error: glob "capstor": want a whole address`},
		{"plan --reject /a", "want ADDRESS=REASON"},
		{"plan --reject /a=", "want ADDRESS=REASON"},
		{"plan --reject /a=x --fail /a=y", "to be both rejected and failed"},
		{"plan --reject /a=x --reject /a=y", "/a is given two reasons to be rejected"},
		{"plan --fail /a=x --fail /a=y", "/a is given two reasons to be failed"},
		{"plan --parallelism -1", "--parallelism -1: want 1 or more"},
		{"apply --parallelism -1 x.plan", "--parallelism -1: want 1 or more"},
		{"apply --lock-timeout -1s x.plan", "--lock-timeout -1s: want a time that is not negative"},
		{"apply --auto-approve x.plan", "applied as it is"},
		{"apply --target /x/** x.plan", "applied as it is"},
		{"apply", "asks on a terminal, and there is none"},
		{"run --interval -1s", "--interval -1s: want a time that is not negative"},
		{"hold add capstor", "want a whole address"},
		{"hold add /capstor/x", "--reason is needed"},
		{"hold add /capstor/x --reason y --until tomorrow", "want a day such as"},
		{"hold add /capstor/x --reason y --until 2020-01-01", "is over already"},
		{"hold add /capstor/x --reason y --until 0s", "is over already"},
		{"state rm", "want either ADDRESS or --root SYSTEM"},
		{"state rm --root a /b", "want either ADDRESS or --root SYSTEM"},
		{"state history --head x", "--head goes with --verify"},
		{"state abandon x", "--reason is needed"},
		{"callbacks drop 1", "--reason is needed"},
		{"callbacks drop x", "is not the number of a callback"},
		{"archive restore /x", "--out FILE is needed"},
	} {
		args := strings.Fields(tc.line)
		if stdout, stderr, code := output(t, args...); code != exitError || stdout != "" || !strings.Contains(stderr, tc.want) || !strings.Contains(stderr, "cscs-sync help") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want %q and a hint at the help", tc.line, code, stdout, stderr, tc.want)
		}
	}
}

// TestEnvironmentStandsInForFlags: global flags can be set as environment variables; a flag wins.
func TestEnvironmentStandsInForFlags(t *testing.T) {
	for _, tc := range []struct{ variable, value, want string }{
		{"CSCS_SYNC_COLOR", "purple", `--color "purple"`}, {"CSCS_SYNC_LOG_LEVEL", "loud", `--log-level "loud"`},
		{"CSCS_SYNC_LOG_FORMAT", "xml", `--log-format "xml"`}, {"CSCS_SYNC_CONFIG", "/no/such/folder", "/no/such/folder"},
	} {
		a := testApp()
		var out, errors bytes.Buffer
		a.term.Out, a.term.Err = &out, &errors
		a.term.Getenv = func(name string) (string, bool) { return tc.value, name == tc.variable }
		if code := run(context.Background(), a, []string{"validate"}); code != exitError || !strings.Contains(errors.String(), tc.want) {
			t.Errorf("%s=%s: exit %d, %s", tc.variable, tc.value, code, errors.String())
		}
	}
	a := testApp()
	var out bytes.Buffer
	a.term.Out = &out
	a.term.Getenv = func(name string) (string, bool) { return "purple", name == "CSCS_SYNC_COLOR" }
	if code := run(context.Background(), a, []string{"--color", "never", "version"}); code != exitDone || out.Len() == 0 {
		t.Errorf("a flag does not win over its variable: exit %d", code)
	}
}

// TestCompletions: what may stand at the cursor.
func TestCompletions(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"pl", "plan"},
		{"st", "state"},
		{"state ", "list show rm history pull abandon take nodes fence copy"},
		{"state h", "history"},
		{"hold ", "add rm list"},
		{"state rm --r", "--root"},
		{"hold add --r", "--reason"},
		{"plan --o", "--out"},
		{"plan --compact --o", "--out"},
		{"-c x.hcl plan --o", "--out"},
		{"--color never st", "state"},
		{"--co", "--config --color"},
		{"--color a", "auto always"},
		{"--color=al", "always"},
		{"graph --format ", "dot mermaid svg"},
		{"state history export --format ", "csv jsonl"},
		{"completion ", "bash fish zsh"},
		{"help pl", "plan"},
		{"help state p", "pull"},
		{"show testdata/completion/", "testdata/completion/below/ testdata/completion/change.plan"},
		{"diff testdata/completion/change.plan testdata/completion/c", "testdata/completion/change.plan"},
		{"show testdata/completion/change.plan ", ""},
		{"show x.plan --ma", "--markdown --max-size"},
		{"doctor ", ""},
		{"nonsense ", ""},
	} {
		got := proposed(t, strings.Split(tc.line, " ")...)
		if g := strings.Join(got, " "); g != tc.want {
			t.Errorf("%q: %q, want %q", tc.line, g, tc.want)
		}
	}
}

// proposed are the words that completion proposes for the last word of a command line.
func proposed(t *testing.T, line ...string) (words []string) {
	t.Helper()
	stdout, _, _ := output(t, append([]string{"__complete"}, line...)...)
	for l := range strings.Lines(stdout) {
		word, _, _ := strings.Cut(strings.TrimRight(l, "\n"), "\t")
		if !strings.HasPrefix(word, ":") && word != "" {
			words = append(words, word)
		}
	}
	return words
}

// TestChoices: for each flag that takes one of some words, completion proposes just those that are
// taken, and help names them all. A flag whose help lists words is such a flag.
func TestChoices(t *testing.T) {
	lists := regexp.MustCompile(`: (\w+, )*\w+,? or \w+`)
	seen := 0
	for _, c := range everyCommand(testApp().root()) {
		path := strings.Fields(pathOf(c))
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			choice, ok := f.Value.(*flags.Choice)
			if !ok {
				if lists.MatchString(f.Usage) {
					t.Errorf("%s --%s: its help lists words, and it takes any", pathOf(c), f.Name)
				}
				return
			}
			seen++
			words := choice.Words()
			if got := proposed(t, slices.Concat(path, []string{"--" + f.Name, ""})...); !slices.Equal(got, words) {
				t.Errorf("%s --%s: completion proposes %q, want %q", pathOf(c), f.Name, got, words)
			}
			for _, word := range words {
				if !regexp.MustCompile(`\b` + word + `\b`).MatchString(f.Usage) {
					t.Errorf("%s --%s: help does not name %s: %s", pathOf(c), f.Name, word, f.Usage)
				}
				if err := errors.Join(f.Value.Set(word), flags.Check(c.Flags())); err != nil {
					t.Errorf("%s --%s %s: %v", pathOf(c), f.Name, word, err)
				}
			}
			_ = f.Value.Set("nonsense")
			if err := flags.Check(c.Flags()); err == nil {
				t.Errorf("%s --%s takes nonsense", pathOf(c), f.Name)
			}
			_ = f.Value.Set(f.DefValue)
		})
	}
	if seen != 5 {
		t.Errorf("%d flags take one of some words, want 5: --color, --log-level, --log-format and two --format", seen)
	}
}
