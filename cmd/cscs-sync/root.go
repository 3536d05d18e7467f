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
	"github.com/waldur/cscs-storage-sync/cmd/internal/flags"
	"github.com/waldur/cscs-storage-sync/cmd/internal/help"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// The groups of commands in the overview.
const (
	groupChange = "change"
	groupLook   = "look"
	groupKeep   = "keep"
	groupSetUp  = "set up"
)

// root returns the root command, with all commands below it.
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

// ownVersion adds a flag that prints the version. cobra's own flag needs a template for this text,
// and templates keep the linker from leaving out methods.
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

// group returns a command that only has commands below it. By itself it prints its help.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

// unknownCommand refuses an unknown command and proposes similar ones.
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

// arguments checks the number of arguments. A most of -1 means any number.
func arguments(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || most >= 0 && n > most {
			return &usageError{pathOf(cmd), fmt.Errorf("%s given; usage: %s", planner.Count(n, "argument"),
				cmd.UseLine())}
		}
		return nil
	}
}

// pathOf returns a command's path as the help shows it, such as "state list".
func pathOf(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "cscs-sync"), " ")
}

// globals declares the global flags, which may be before or after a command.
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
	flags.OneOf(f, &a.term.Color, "color", "auto", "`WHEN` to use colour: auto, always or never (or "+
		"CSCS_SYNC_COLOR; NO_COLOR is honoured)", "auto", "always", "never")
	f.BoolVar(&a.noColor, "no-color", false, "as --color never")
	f.BoolVar(&a.term.NoPager, "no-pager", false, "never show results in a pager; "+
		"CSCS_SYNC_PAGER names another one than less")
	flags.OneOf(f, &a.logLevel, "log-level", "warn",
		"least `LEVEL` to log: debug, info, warn or error (or CSCS_SYNC_LOG_LEVEL)",
		"debug", "info", "warn", "error").Accepts(func(s string) bool {
		return new(slog.Level).UnmarshalText([]byte(s)) == nil // also in capitals
	})
	flags.OneOf(f, &a.logFormat, "log-format", "text",
		"log `FORMAT`: text or json (or CSCS_SYNC_LOG_FORMAT)", "text", "json")
}

// prepare runs before every command.
func (a *app) prepare(cmd *cobra.Command, args []string) error {
	if err := a.setUp(cmd); err != nil {
		return err
	}
	return a.heldArguments(args)
}

// setUp applies the global flags and their environment variables.
func (a *app) setUp(cmd *cobra.Command) error {
	if err := a.useFlags(cmd.Flags()); err != nil {
		return &usageError{pathOf(cmd), err}
	}
	return nil
}

func (a *app) useFlags(f *pflag.FlagSet) error {
	if err := flags.Filled(f); err != nil {
		return err
	}
	taken, err := flags.Environment(f, a.term.Getenv, "CSCS_SYNC_", "config", "color", "log-level",
		"log-format")
	if err != nil {
		return err
	}
	a.quietLog = f.Changed("log-level") || slices.Contains(taken, "log-level")
	if a.noColor {
		if f.Changed("color") && a.term.Color != "never" {
			return fmt.Errorf("--no-color and --color %s exclude one another", a.term.Color)
		}
		a.term.Color = "never"
	}
	name, set := a.term.Getenv("CSCS_SYNC_COLORS")
	palette, ok := render.PaletteOf(name)
	if set && name != "" && !ok {
		return fmt.Errorf("CSCS_SYNC_COLORS=%q: want %s", name, strings.Join(render.PaletteNames(), ", "))
	}
	a.term.Palette = palette
	if err := flags.Check(f); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return err
	}
	a.log = a.logger(level)
	return nil
}

// dispatch finds the command, parses its flags and runs it.
func (a *app) dispatch(ctx context.Context, args []string) error {
	root := a.root()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}
