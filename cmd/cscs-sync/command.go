package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mitchellh/go-wordwrap"
	"github.com/sergi/go-diff/diffmatchpatch"
	"github.com/spf13/pflag"
)

// action runs a command whose flags have been parsed.
type action func(ctx context.Context, a *app, args []string) error

// command is one command of the command line.
type command struct {
	// name is one word, or two: "state list".
	name string
	// args names the arguments, for the usage line; flags are added to it.
	args string
	// least and most bound the number of arguments; most -1 is any number.
	least, most int
	short       string
	// long explains the command, and its exit codes where they are special.
	long string
	// setup declares the flags and returns what to do with them.
	setup func(*pflag.FlagSet) action
}

func (c *command) usage() string {
	u := c.name + " [flags]"
	if c.args != "" {
		u += " " + c.args
	}
	return u
}

// commands lists all commands in the order of the help.
func commands() []command {
	return slices.Concat(
		[]command{initCommand(), validateCommand(), fmtCommand()},
		[]command{planCommand(), showCommand(), diffCommand(), approveCommand(), verifyCommand(), applyCommand(), runCommand()},
		[]command{graphCommand(), explainCommand(), doctorCommand()},
		stateCommands(), holdCommands(), archiveCommands(), callbacksCommands(),
		[]command{completionCommand(), versionCommand()},
	)
}

// findCommand splits a command line into its command and the rest. Global flags may stand before the command.
func findCommand(args []string) (*command, []string, error) {
	before, rest := splitGlobals(args)
	switch {
	case len(rest) == 0 && slices.Contains(before, "--version"):
		version := versionCommand()
		return &version, slices.DeleteFunc(before, func(s string) bool { return s == "--version" }), nil
	case len(rest) == 0, rest[0] == "--help", rest[0] == "-h":
		return overviewCommand(), before, nil
	case rest[0] == "help":
		return helpFor(before, rest[1:])
	case rest[0] == completeName:
		return completeCommand(), append([]string{"--"}, rest[1:]...), nil
	}
	all := commands()
	for words := 2; words > 0; words-- {
		if len(rest) < words {
			continue
		}
		name := strings.Join(rest[:words], " ")
		for i := range all {
			if all[i].name == name {
				return &all[i], append(before, rest[words:]...), nil
			}
		}
	}
	return nil, nil, unknownCommand(all, rest[0])
}

func unknownCommand(all []command, word string) error {
	var below []string
	for _, c := range all {
		if strings.HasPrefix(c.name, word+" ") {
			below = append(below, c.name)
		}
	}
	if len(below) > 0 {
		return &usageError{"", fmt.Errorf("%s needs another word: %s", word, strings.Join(below, ", "))}
	}
	return &usageError{"", fmt.Errorf("unknown command %q%s", word, similar(all, word))}
}

// similar proposes the command whose name is at most two letters away.
func similar(all []command, word string) string {
	for distance := 1; distance <= 2; distance++ {
		for _, c := range all {
			first, _, _ := strings.Cut(c.name, " ")
			d := diffmatchpatch.New()
			if d.DiffLevenshtein(d.DiffMain(word, first, false)) == distance {
				return fmt.Sprintf("; did you mean %s?", first)
			}
		}
	}
	return ""
}

// splitGlobals cuts off the global flags that stand before the command.
func splitGlobals(args []string) (before, rest []string) {
	i := 0
	for i < len(args) && strings.HasPrefix(args[i], "-") && args[i] != "-h" && args[i] != "--help" {
		takesValue := !strings.Contains(args[i], "=") && slices.Contains([]string{"-c", "--config", "--color", "--log-level", "--log-format"},
			args[i])
		i++
		if takesValue && i < len(args) {
			i++
		}
	}
	return slices.Clone(args[:i]), args[i:]
}

// helpFor is the help of the command that words name, or the overview.
func helpFor(before, words []string) (*command, []string, error) {
	if len(words) == 0 || words[0] == "help" {
		return overviewCommand(), before, nil
	}
	cmd, _, err := findCommand(words)
	return cmd, append(before, "--help"), err
}

// overviewCommand prints all commands. It takes the global flags, so that a wrong one is an error without a command too.
func overviewCommand() *command {
	return &command{name: "help", short: "list all commands", args: "[COMMAND]", most: -1, setup: func(*pflag.FlagSet) action {
		return func(_ context.Context, a *app, _ []string) error { return a.overview() }
	}}
}

// overview prints all commands.
func (a *app) overview() error {
	var b strings.Builder
	b.WriteString("cscs-sync plans, reviews and applies HPC storage: directories and quotas as the\nWaldur Storage Proxy asks for them.\n\n")
	b.WriteString("Usage: cscs-sync [global flags] COMMAND [flags] [arguments]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-17s %s\n", c.name, c.short)
	}
	b.WriteString("\nThe way of a change: plan --out FILE, show FILE, approve FILE, apply FILE.\nFor the flags " +
		"of a command: cscs-sync help COMMAND\n")
	return a.print(b.String())
}

// help prints one command's help.
func (a *app) help(c *command) error {
	flags := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
	flags.SortFlags = false
	c.setup(flags)
	global := pflag.NewFlagSet("global", pflag.ContinueOnError)
	global.SortFlags = false
	(&app{}).globals(global)
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\nUsage: cscs-sync %s\n", strings.ToUpper(c.short[:1])+c.short[1:], c.usage())
	if c.long != "" {
		b.WriteString("\n" + strings.TrimSpace(c.long) + "\n")
	}
	if u := flagTable(flags); u != "" {
		b.WriteString("\nFlags:\n" + u)
	}
	b.WriteString("\nGlobal flags:\n" + flagTable(global))
	return a.print(b.String())
}

// flagTable lists flags and what they do, in 80 columns.
func flagTable(flags *pflag.FlagSet) string {
	type row struct{ flag, does string }
	var rows []row
	width := 0
	flags.VisitAll(func(f *pflag.Flag) {
		name, does := pflag.UnquoteUsage(f)
		if f.Value.Type() == "bool" {
			name = ""
		}
		if f.DefValue != "" && f.Value.Type() == "string" {
			does += " (default " + f.DefValue + ")"
		}
		short := "    "
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		rows = append(rows, row{strings.TrimRight("  "+short+"--"+f.Name+" "+name, " "), does})
		width = max(width, len(rows[len(rows)-1].flag)+2)
	})
	var b strings.Builder
	for _, r := range rows {
		lines := strings.Split(wordwrap.WrapString(r.does, uint(80-width)), "\n")
		fmt.Fprintf(&b, "%-*s%s\n", width, r.flag, lines[0])
		for _, l := range lines[1:] {
			fmt.Fprintf(&b, "%*s%s\n", width, "", l)
		}
	}
	return b.String()
}
