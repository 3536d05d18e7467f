package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

func completionCommand() command {
	return command{name: "completion", args: "SHELL", least: 1, most: 1, short: "print completion for bash, zsh or fish",
		long: `
For bash: cscs-sync completion bash > /etc/bash_completion.d/cscs-sync
For zsh:  cscs-sync completion zsh > "${fpath[1]}/_cscs-sync"
For fish: cscs-sync completion fish > ~/.config/fish/completions/cscs-sync.fish`,
		setup: func(*pflag.FlagSet) action {
			return func(_ context.Context, a *app, args []string) error {
				script, ok := map[string]func() string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[args[0]]
				if !ok {
					return &usageError{"completion", fmt.Errorf("shell %q: want bash, zsh or fish", args[0])}
				}
				return a.print(script())
			}
		}}
}

// words are the first words of all commands, the second words of those with two, and the flags of each.
func completionWords() (first []string, second map[string][]string, flags map[string][]string) {
	second, flags = map[string][]string{}, map[string][]string{}
	for _, c := range commands() {
		one, two, _ := strings.Cut(c.name, " ")
		if len(first) == 0 || first[len(first)-1] != one {
			first = append(first, one)
		}
		if two != "" {
			second[one] = append(second[one], two)
		}
		f := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
		(&app{}).globals(f)
		c.setup(f)
		f.VisitAll(func(fl *pflag.Flag) { flags[c.name] = append(flags[c.name], "--"+fl.Name) })
	}
	return first, second, flags
}

func bashCompletion() string {
	first, second, flags := completionWords()
	var b strings.Builder
	b.WriteString("_cscs_sync() {\n  local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]} sub=${COMP_WORDS[2]}\n  local words=\n")
	fmt.Fprintf(&b, "  if [ \"$COMP_CWORD\" -eq 1 ]; then words=%q\n  else case \"$cmd $sub\" in\n", strings.Join(first, " "))
	for _, c := range commands() {
		pattern := c.name + "*"
		if !strings.Contains(c.name, " ") {
			pattern = c.name + " *"
		}
		fmt.Fprintf(&b, "    %q*) words=%q ;;\n", strings.TrimSuffix(pattern, "*"), strings.Join(flags[c.name], " "))
	}
	b.WriteString("  esac; fi\n  if [ \"$COMP_CWORD\" -eq 2 ]; then case \"$cmd\" in\n")
	for _, one := range first {
		if len(second[one]) > 0 {
			fmt.Fprintf(&b, "    %s) words=%q ;;\n", one, strings.Join(second[one], " "))
		}
	}
	b.WriteString("  esac; fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n}\ncomplete -o filenames -F _cscs_sync cscs-sync\n")
	return b.String()
}

func zshCompletion() string {
	return "#compdef cscs-sync\nautoload -U +X bashcompinit && bashcompinit\n" + bashCompletion()
}

func fishCompletion() string {
	first, second, _ := completionWords()
	var b strings.Builder
	for _, c := range commands() {
		one, two, _ := strings.Cut(c.name, " ")
		if two == "" {
			fmt.Fprintf(&b, "complete -c cscs-sync -n __fish_use_subcommand -f -a %s -d %q\n", one, c.short)
		} else {
			fmt.Fprintf(&b, "complete -c cscs-sync -n '__fish_seen_subcommand_from %s' -f -a %s -d %q\n", one, two, c.short)
		}
		f := pflag.NewFlagSet(c.name, pflag.ContinueOnError)
		c.setup(f)
		f.VisitAll(func(fl *pflag.Flag) {
			fmt.Fprintf(&b, "complete -c cscs-sync -n '__fish_seen_subcommand_from %s' -l %s -d %q\n", one, fl.Name, fl.Usage)
		})
	}
	for _, one := range first {
		if len(second[one]) > 0 {
			fmt.Fprintf(&b, "complete -c cscs-sync -n __fish_use_subcommand -f -a %s\n", one)
		}
	}
	return b.String()
}
