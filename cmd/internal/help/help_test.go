package help_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/help"
)

// program is a command line with a command and a flag with a long usage.
func program(out *strings.Builder) *cobra.Command {
	nothing := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "prog", Short: "a program", Run: nothing}
	plan := &cobra.Command{Use: "plan FILE", Short: "make a plan", Run: nothing}
	plan.Flags().String("zoo", "x", "read `ANIMALS`, one a line, "+strings.Repeat("and so on ", 12))
	plan.Flags().Bool("all", false, "read all")
	root.AddCommand(plan, &cobra.Command{Use: "apply", Short: "run a plan", Run: nothing})
	root.SetHelpCommand(help.Command(func(below *cobra.Command, words []string) error {
		return errors.New("no " + words[0] + " below " + below.Name())
	}))
	help.Use(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetOut(out)
	return root
}

// TestHelp: the help has 80 columns, and what was added first comes first.
func TestHelp(t *testing.T) {
	var out strings.Builder
	root := program(&out)
	root.SetArgs([]string{"help", "plan"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	zoo, all := strings.Index(text, "--zoo ANIMALS"), strings.Index(text, "--all")
	if !strings.Contains(text, "Usage: prog plan [flags] FILE\n") || zoo < 0 || all < zoo ||
		!strings.Contains(strings.Join(strings.Fields(text), " "), "so on (default x)") {
		t.Error(text)
	}
	for line := range strings.Lines(text) {
		if len(line) > 81 || strings.Contains(line, "`") {
			t.Errorf("%q", line)
		}
	}
}

// TestUnknown: help for an unknown command is the program's own error.
func TestUnknown(t *testing.T) {
	root := program(&strings.Builder{})
	root.SetArgs([]string{"help", "plan", "x"})
	if err := root.Execute(); err == nil || err.Error() != "no x below plan" {
		t.Error(err)
	}
}

// TestCompletion: the shell completes the commands that help explains, and shows what they do.
func TestCompletion(t *testing.T) {
	var out strings.Builder
	root := program(&out)
	root.SetArgs([]string{cobra.ShellCompRequestCmd, "help", "p"})
	if err := root.Execute(); err != nil || !strings.HasPrefix(out.String(), "plan\tmake a plan\n") {
		t.Errorf("%q, %v", out.String(), err)
	}
}
