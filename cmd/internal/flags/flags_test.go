package flags

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// given is a set of flags after a command line.
func given(t *testing.T, args ...string) (f *pflag.FlagSet, when, level *string) {
	t.Helper()
	f = pflag.NewFlagSet("test", pflag.ContinueOnError)
	when, level = new(string), new(string)
	OneOf(f, when, "when", "auto", "`WHEN`", "auto", "always", "never")
	OneOf(f, level, "log-level", "warn", "`LEVEL`", "debug", "warn").
		Accepts(func(s string) bool { return strings.EqualFold(s, "warn") || strings.EqualFold(s, "debug") })
	f.String("text", "", "")
	f.StringArray("list", nil, "")
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f, when, level
}

func TestChoice(t *testing.T) {
	for args, want := range map[string]string{
		"":                  "",
		"--when=never":      "",
		"--when=sometimes":  `--when "sometimes": want auto, always or never`,
		"--log-level=DEBUG": "",
		"--log-level=loud":  `--log-level "loud": want debug or warn`,
	} {
		f, _, _ := given(t, strings.Fields(args)...)
		got := ""
		if err := Check(f); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
	f, when, level := given(t)
	if *when != "auto" || *level != "warn" || f.Lookup("when").DefValue != "auto" || f.Lookup("log-level").DefValue != "warn" {
		t.Errorf("by default %s and %s", *when, *level)
	}
}

func TestFilled(t *testing.T) {
	for args, want := range map[string]bool{"": true, "--text=a": true, "--text=": false, "--list=a --list=": false} {
		f, _, _ := given(t, strings.Fields(args)...)
		if err := Filled(f); (err == nil) != want {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestEnvironment: a flag wins over its variable, and an empty variable is none.
func TestEnvironment(t *testing.T) {
	env := map[string]string{"X_WHEN": "never", "X_LOG_LEVEL": "debug", "X_TEXT": ""}
	getenv := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	f, when, level := given(t, "--when=always")
	taken, err := Environment(f, getenv, "X_", "when", "log-level", "text")
	if err != nil || *when != "always" || *level != "debug" || len(taken) != 1 || taken[0] != "log-level" {
		t.Errorf("%v %s %s %q", err, *when, *level, taken)
	}
	env["X_WHEN"] = "purple"
	f, _, _ = given(t)
	if _, err := Environment(f, getenv, "X_", "when"); err != nil {
		t.Error(err)
	}
	if err := Check(f); err == nil || err.Error() != `--when "purple": want auto, always or never` {
		t.Errorf("%v", err)
	}
}
