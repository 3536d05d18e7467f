// Package help prints the help of a cobra command line in this program's style: in 80 columns, with
// commands and flags in the order in which they were added.
package help

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/mitchellh/go-wordwrap"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// prepareCobra makes the settings that cobra keeps for the whole process. It does so only once,
// because several commands may run at the same time in one process.
var prepareCobra = sync.OnceFunc(func() { cobra.EnableCommandSorting = false })

// Use makes a command line print its help in this style. Usage lines have flags before arguments.
func Use(root *cobra.Command) {
	prepareCobra()
	root.SetUsageFunc(usage)
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		c.Flags().SortFlags = false
		c.PersistentFlags().SortFlags = false
		c.DisableFlagsInUseLine = true
		// Not LocalFlags, which would copy the flags of all commands above at each start.
		c.Flags().VisitAll(NameValue)
		c.PersistentFlags().VisitAll(NameValue)
		name, args, _ := strings.Cut(c.Use, " ")
		if c.HasSubCommands() {
			args = "COMMAND"
		}
		c.Use = strings.TrimRight(name+" [flags] "+args, " ")
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(root)
}

// usage prints the help below a command's description, in 80 columns. It does not use cobra's
// templates: they call methods by name, which makes the linker keep every method of the program.
func usage(c *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n", c.UseLine())
	if c.HasAvailableSubCommands() {
		if len(c.Groups()) == 0 {
			b.WriteString("\nCommands:\n" + commandTable(c, ""))
		}
		for _, group := range c.Groups() {
			b.WriteString("\n" + group.Title + "\n" + commandTable(c, group.ID))
		}
	}
	if table := flagTable(c.LocalFlags()); table != "" {
		b.WriteString("\nFlags:\n" + table)
	}
	if table := flagTable(c.InheritedFlags()); table != "" {
		b.WriteString("\nGlobal flags:\n" + table)
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\nFor the flags of a command: %s COMMAND --help\n", c.CommandPath())
	}
	_, err := io.WriteString(c.OutOrStderr(), b.String())
	return err
}

// commandTable returns a table of the commands of a group below a command, and what they do.
func commandTable(c *cobra.Command, group string) string {
	var b strings.Builder
	for _, sub := range c.Commands() {
		if sub.GroupID == group && (sub.IsAvailableCommand() || sub.Name() == "help") {
			fmt.Fprintf(&b, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
		}
	}
	return b.String()
}

// ValueName is the annotation of a flag with the name of its value.
const ValueName = "value"

// NameValue moves the name of a flag's value out of its usage, where pflag marks it with
// backquotes, because completion shows the usage unchanged.
func NameValue(f *pflag.Flag) {
	if f.Annotations[ValueName] != nil {
		return
	}
	name, does := pflag.UnquoteUsage(f)
	if f.Value.Type() == "bool" {
		name = ""
	}
	f.Usage = does
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[ValueName] = []string{name}
}

// Command returns the command that explains commands. unknown returns the error for a command that
// does not exist below another one.
func Command(unknown func(below *cobra.Command, words []string) error) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "explain a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string,
			cobra.ShellCompDirective) {
			var words []string
			if at, rest := below(cmd.Root(), args); len(rest) == 0 {
				for _, c := range at.Commands() {
					if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), word) {
						words = append(words, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest := below(cmd.Root(), args)
			if len(rest) > 0 {
				return unknown(found, rest)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// below follows words from a command down to the commands below it, as far as the words name
// commands.
func below(c *cobra.Command, words []string) (found *cobra.Command, rest []string) {
	for i, word := range words {
		at := slices.IndexFunc(c.Commands(),
			func(sub *cobra.Command) bool { return sub.Name() == word })
		if at < 0 {
			return c, words[i:]
		}
		c = c.Commands()[at]
	}
	return c, nil
}

// flagTable returns a table of flags and what they do, in 80 columns.
func flagTable(flags *pflag.FlagSet) string {
	type row struct{ flag, does string }
	var rows []row
	width := 0
	flags.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		NameValue(f)
		name, does := f.Annotations[ValueName][0], f.Usage
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
