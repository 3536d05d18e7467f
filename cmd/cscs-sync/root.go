package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/build"
	"github.com/waldur/cscs-storage-sync/cmd/internal/help"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// Groups of the overview.
const (
	groupChange = "change"
	groupLook   = "look"
	groupKeep   = "keep"
	groupSetUp  = "set up"
)

// root is the whole command line.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "cscs-sync",
		Short: "plans, reviews and applies HPC storage",
		Long: `cscs-sync plans, reviews and applies HPC storage: directories and quotas as the
Waldur Storage Proxy asks for them.

The way of a change: plan --out FILE, show FILE, approve FILE, apply FILE.`,
		Args:              unknownCommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.prepare,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{pathOf(cmd), err}
	})
	root.SetOut(a.term.Out)
	root.SetErr(a.term.Err)
	root.SetIn(a.term.In)
	a.globals(root.PersistentFlags())
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{groupChange, "The way of a change:", []*cobra.Command{a.planCommand(), a.showCommand(),
			a.diffCommand(), a.approveCommand(),
			a.verifyCommand(), a.applyCommand(), a.runCommand()}},
		{groupLook, "Looking:", []*cobra.Command{a.explainCommand(), a.reportCommand(), a.scanCommand(),
			a.consoleCommand(), a.graphCommand(), a.doctorCommand()}},
		{groupKeep, "What is kept:", []*cobra.Command{a.stateCommand(), a.heldCommand(), a.holdCommand(),
			a.archiveCommand(), a.callbacksCommand()}},
		{groupSetUp, "Setting up:", []*cobra.Command{a.initCommand(), a.validateCommand(),
			a.fmtCommand(), a.completionCommand(), a.versionCommand()}},
	} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			root.AddCommand(c)
		}
	}
	for _, extra := range extraCommands {
		root.AddCommand(extra(a))
	}
	root.SetHelpCommand(help.Command(unknownCommand))
	root.SetHelpCommandGroupID(groupSetUp)
	help.Use(root)
	a.complete(root)
	a.ownVersion(root)
	return root
}

// ownVersion gives root a flag that prints the version. It is not cobra's own: to say it in these
// words takes a template, and with those the linker cannot leave out any method.
func (a *app) ownVersion(root *cobra.Command) {
	root.InitDefaultHelpFlag()
	version := root.Flags().BoolP("version", "v", false, "version for cscs-sync")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *version {
			return a.term.Print("cscs-sync " + build.Version() + "\n")
		}
		return cmd.Help()
	}
}

// extraCommands are commands that a build tag adds.
var extraCommands []func(*app) *cobra.Command

// group is a command that only has others below it. Alone it prints its help.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

// unknownCommand refuses words that are no command, and proposes those that are near.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("unknown command %q", strings.TrimPrefix(pathOf(cmd)+" "+args[0], " "))
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{pathOf(cmd), errors.New(text)}
}

// arguments bounds the number of arguments; most -1 is any number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || most >= 0 && n > most {
			return &usageError{pathOf(cmd), fmt.Errorf("%s given; usage: %s", planner.Count(n, "argument"),
				cmd.UseLine())}
		}
		return nil
	}
}

// pathOf names a command as the help does: "state list".
func pathOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "cscs-sync"), " ")
}

// globals declares the flags before or after every command.
func (a *app) globals(f *pflag.FlagSet) {
	f.StringVarP(&a.configPath, "config", "c", a.configPath,
		"configuration: an .hcl `FILE`, or a folder whose *.hcl are read together (default "+
			"./cscs-sync.hcl, else /etc/cscs-sync; "+
			"or CSCS_SYNC_CONFIG)")
	f.Var(config.VariableFlag{To: &a.variables}, "var",
		"give a variable of the configuration a value: `NAME=VALUE` (may be repeated; or "+
			"CSCS_SYNC_VAR_NAME)")
	f.Var(config.VariableFlag{To: &a.variables, File: true}, "var-file",
		"read values of variables from `FILE`: lines of NAME = VALUE (may be repeated)")
	f.StringVar(&a.term.Color, "color", "auto", "`WHEN` to use colour: auto, always or never (or "+
		"CSCS_SYNC_COLOR; NO_COLOR is honoured)")
	f.BoolVar(&a.noColor, "no-color", false, "as --color never")
	f.BoolVar(&a.term.NoPager, "no-pager", false, "never show results in a pager; "+
		"CSCS_SYNC_PAGER names another one than less")
	f.StringVar(&a.logLevel, "log-level", "warn",
		"least `LEVEL` to log: debug, info, warn or error (or CSCS_SYNC_LOG_LEVEL)")
	f.StringVar(&a.logFormat, "log-format", "text",
		"log `FORMAT`: text or json (or CSCS_SYNC_LOG_FORMAT)")
}

// prepare comes before every command.
func (a *app) prepare(cmd *cobra.Command, args []string) error {
	if err := a.setUp(cmd); err != nil {
		return err
	}
	return a.heldArguments(args)
}

// setUp applies the global flags, and what the environment says in their place.
func (a *app) setUp(cmd *cobra.Command) error {
	name := pathOf(cmd)
	flags := cmd.Flags()
	if err := emptyFlags(flags); err != nil {
		return &usageError{name, err}
	}
	a.quietLog = flags.Changed("log-level")
	for _, flag := range []string{"config", "color", "log-level", "log-format"} {
		variable := "CSCS_SYNC_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		value, ok := a.term.Getenv(variable)
		if !ok || value == "" || flags.Changed(flag) {
			continue
		}
		if err := flags.Lookup(flag).Value.Set(value); err != nil {
			return &usageError{name, fmt.Errorf("%s=%q: %w", variable, value, err)}
		}
		a.quietLog = a.quietLog || flag == "log-level"
	}
	if a.noColor {
		if flags.Changed("color") && a.term.Color != "never" {
			return &usageError{name, fmt.Errorf("--no-color and --color %s exclude one another",
				a.term.Color)}
		}
		a.term.Color = "never"
	}
	if err := a.useGlobals(); err != nil {
		return &usageError{name, err}
	}
	return nil
}

// useGlobals checks the global flags, and makes the log.
func (a *app) useGlobals() error {
	if !slices.Contains([]string{"auto", "always", "never"}, a.term.Color) {
		return fmt.Errorf("--color %q: want auto, always or never", a.term.Color)
	}
	name, set := a.term.Getenv("CSCS_SYNC_COLORS")
	palette, ok := render.PaletteOf(name)
	if set && name != "" && !ok {
		return fmt.Errorf("CSCS_SYNC_COLORS=%q: want %s", name, strings.Join(render.PaletteNames(), ", "))
	}
	a.term.Palette = palette
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return fmt.Errorf("--log-level %q: want debug, info, warn or error", a.logLevel)
	}
	if a.logFormat != "text" && a.logFormat != "json" {
		return fmt.Errorf("--log-format %q: want text or json", a.logFormat)
	}
	a.log = a.logger(level)
	return nil
}

// emptyFlags refuses flags that are given with an empty value: a script's variable that is not set
// must not be taken for a flag that is absent.
func emptyFlags(flags *pflag.FlagSet) error {
	var errs []error
	flags.Visit(func(f *pflag.Flag) {
		list, isList := f.Value.(pflag.SliceValue)
		if f.Value.Type() == "string" && f.Value.String() == "" || isList &&
			slices.Contains(list.GetSlice(), "") {
			errs = append(errs, fmt.Errorf("--%s: the value is empty; give one, or leave the flag out",
				f.Name))
		}
	})
	return errors.Join(errs...)
}

// dispatch finds the command, parses its flags and runs it.
func (a *app) dispatch(ctx context.Context, args []string) error {
	root := a.root()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}
