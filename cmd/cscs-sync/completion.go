package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/complete"
	"github.com/waldur/cscs-storage-sync/cmd/internal/flags"
	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
)

func (a *app) completionCommand() *cobra.Command {
	shells := map[string]func(*cobra.Command) error{
		"bash": func(root *cobra.Command) error { return root.GenBashCompletionV2(a.term.Out, true) },
		"zsh":  func(root *cobra.Command) error { return root.GenZshCompletion(a.term.Out) },
		"fish": func(root *cobra.Command) error { return root.GenFishCompletion(a.term.Out, true) },
	}
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "print completion for bash, zsh or fish",
		Args:      arguments(1, 1),
		ValidArgs: slices.Sorted(maps.Keys(shells)),
		Long: `For bash: cscs-sync completion bash > /etc/bash_completion.d/cscs-sync
For zsh:  cscs-sync completion zsh > "${fpath[1]}/_cscs-sync"
For fish: cscs-sync completion fish > ~/.config/fish/completions/cscs-sync.fish`,
		RunE: func(cmd *cobra.Command, args []string) error {
			print, ok := shells[args[0]]
			if !ok {
				return &usageError{"completion", fmt.Errorf("shell %q: want bash, zsh or fish", args[0])}
			}
			return print(cmd.Root())
		},
	}
}

// complete adds completion of arguments and of flag values to all commands.
func (a *app) complete(root *cobra.Command) {
	arguments := map[string]complete.Func{
		"show": a.planArguments(1), "approve": a.planArguments(1), "verify": a.planArguments(1),
		"apply": a.planArguments(1),
		"graph": a.planArguments(1), "state abandon": a.planArguments(1), "diff": a.planArguments(2),
		"explain": a.recorded, "state show": a.recorded, "state rm": a.recorded, "hold add": a.recorded,
		"archive restore": a.archived,
	}
	values := map[string]complete.Func{"target": a.recorded, "exclude": a.recorded, "root": a.systems}
	var each func(*cobra.Command)
	each = func(c *cobra.Command) {
		if f := arguments[pathOf(c)]; f != nil {
			c.ValidArgsFunction = f
		} else if c.ValidArgs == nil && !c.HasSubCommands() && complete.TakesNone(c) {
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		for _, declared := range []*pflag.FlagSet{c.LocalNonPersistentFlags(), c.PersistentFlags()} {
			declared.VisitAll(func(f *pflag.Flag) {
				propose := values[f.Name]
				if choice, ok := f.Value.(*flags.Choice); ok {
					propose = complete.OneOf(choice.Words()...)
				}
				if propose != nil {
					// It fails only for a flag that does not exist, or twice.
					_ = c.RegisterFlagCompletionFunc(f.Name, propose)
				}
			})
		}
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(root)
}

// planArguments proposes plan files, folders and held plans, for at most so many arguments.
func (a *app) planArguments(most int) complete.Func {
	return func(cmd *cobra.Command, args []string, word string) ([]string, complete.Directive) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, then := complete.Files(word, ".plan")
		if s, err := a.quietSession(cmd); err == nil {
			found = append(found, complete.Starting(s.HeldFiles(), word)...)
		}
		slices.Sort(found)
		return slices.Compact(found), then
	}
}

// recorded proposes the addresses of recorded resources, for the first argument or for a flag. If
// the state can't be read, it proposes nothing, because completion shows no errors.
func (a *app) recorded(cmd *cobra.Command, args []string, word string) (
	[]string, complete.Directive) {
	return a.addresses(cmd, args, word, func(tx ledger.Tx) (found []string, err error) {
		recorded, err := tx.Recorded()
		for r := range recorded.Records.All() {
			found = append(found, r.Address)
		}
		return found, err
	})
}

// archived proposes the addresses of archived directories.
func (a *app) archived(cmd *cobra.Command, args []string, word string) (
	[]string, complete.Directive) {
	return a.addresses(cmd, args, word, func(tx ledger.Tx) (found []string, err error) {
		register, err := tx.ArchiveRegister()
		for _, x := range register {
			found = append(found, x.Address)
		}
		return found, err
	})
}

// addresses proposes the addresses that begin with a word, for the first argument only.
func (a *app) addresses(cmd *cobra.Command, args []string, word string,
	read func(ledger.Tx) ([]string, error)) ([]string, complete.Directive) {
	s, err := a.quietSession(cmd)
	if err != nil || len(args) > 0 && cmd.Flags().NArg() > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	if err := s.Store.View(func(tx ledger.Tx) (err error) {
		found, err = read(tx)
		return err
	}); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found = complete.Starting(found, word)
	slices.Sort(found)
	return slices.Compact(found), cobra.ShellCompDirectiveNoFileComp
}

// systems proposes the systems of the configuration.
func (a *app) systems(cmd *cobra.Command, _ []string, _ string) ([]string, complete.Directive) {
	s, err := a.quietSession(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, system := range s.Config.Settings.Systems {
		names = append(names, system.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// quietSession opens the configuration without showing anything. Completion runs without the hooks
// that set up a command.
func (a *app) quietSession(cmd *cobra.Command) (*session.Session, error) {
	if err := a.setUp(cmd); err != nil {
		return nil, err
	}
	return a.quietly()
}
