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
				script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}[args[0]]
				if !ok {
					return &usageError{"completion", fmt.Errorf("shell %q: want bash, zsh or fish", args[0])}
				}
				return a.print(script)
			}
		}}
}

// completeName is what the scripts below call: it prints what may stand in place of the last of the words after it, each
// with a tab and what it is. Where that is a file, it prints nothing.
const completeName = "__complete"

const bashCompletion = `_cscs_sync() {
  local IFS=$'\n'
  COMPREPLY=($("$1" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _cscs_sync cscs-sync
`

const zshCompletion = `#compdef cscs-sync
_cscs_sync() {
  local -a found
  found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null | cut -f1)}")
  if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
if [[ "${funcstack[1]}" = _cscs-sync ]]; then _cscs_sync; else compdef _cscs_sync cscs-sync; fi
`

const fishCompletion = `function __cscs_sync
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l found ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\n' $found
  else
    __fish_complete_path "$current"
  end
end
complete -c cscs-sync -f -a '(__cscs_sync)'
`

func completeCommand() *command {
	return &command{name: completeName, short: "what completion asks", most: -1, setup: func(*pflag.FlagSet) action {
		return func(_ context.Context, a *app, words []string) error {
			var b strings.Builder
			for _, c := range completions(words) {
				fmt.Fprintf(&b, "%s\t%s\n", c.word, c.what)
			}
			return a.print(b.String())
		}
	}}
}

// candidate is a word that may stand at the cursor, and what it is.
type candidate struct{ word, what string }

// completions are what may stand in place of the last of words; none where that is a file, or anybody's guess. Bash gives
// --flag=value as three words.
func completions(words []string) []candidate {
	if len(words) == 0 {
		return nil
	}
	before, current := words[:len(words)-1], words[len(words)-1]
	if current == "=" {
		before, current = words, ""
	}
	if n := len(before); n > 1 && before[n-1] == "=" {
		before = before[:n-1]
	}
	if n := len(before); n > 0 && takesValue(before[n-1]) {
		return starting(current, valuesOf(before[n-1]))
	}
	if flag, value, ok := strings.Cut(current, "="); ok && strings.HasPrefix(flag, "-") {
		var values []candidate
		for _, v := range valuesOf(flag) {
			values = append(values, candidate{flag + "=" + v.word, v.what})
		}
		return starting(flag+"="+value, values)
	}
	var said []string
	for i, w := range before {
		if !strings.HasPrefix(w, "-") && (i == 0 || !takesValue(before[i-1])) {
			said = append(said, w)
		}
	}
	return starting(current, wordsAfter(said, strings.HasPrefix(current, "-")))
}

// wordsAfter are the commands, arguments or flags that may follow what was said.
func wordsAfter(said []string, flags bool) []candidate {
	if len(said) > 0 && said[0] == "help" {
		said = said[1:]
		flags = false
	}
	cmd := commandOf(said)
	switch {
	case flags:
		return flagsOf(cmd)
	case cmd != nil && cmd.name == "completion" && len(said) == 1:
		return []candidate{{"bash", ""}, {"zsh", ""}, {"fish", ""}}
	case cmd != nil:
		return nil
	}
	return nextWords(said)
}

// commandOf is the command that the words begin with; nil if they name none yet.
func commandOf(said []string) *command {
	all := commands()
	for i := range all {
		name := strings.Fields(all[i].name)
		if len(said) >= len(name) && strings.Join(said[:len(name)], " ") == all[i].name {
			return &all[i]
		}
	}
	return nil
}

// nextWords are the next words of the commands that begin with the words said.
func nextWords(said []string) []candidate {
	var found []candidate
	for _, c := range commands() {
		name := strings.Fields(c.name)
		if len(name) <= len(said) || strings.Join(name[:len(said)], " ") != strings.Join(said, " ") {
			continue
		}
		next := candidate{name[len(said)], c.short}
		if len(name) > len(said)+1 {
			next.what = name[0] + " " + name[1] + ", …"
		}
		if n := len(found); n == 0 || found[n-1].word != next.word {
			found = append(found, next)
		}
	}
	return found
}

// flagsOf are a command's flags and the global ones.
func flagsOf(c *command) []candidate {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&app{}).globals(f)
	if c != nil {
		c.setup(f)
	}
	var found []candidate
	f.VisitAll(func(fl *pflag.Flag) {
		_, does := pflag.UnquoteUsage(fl)
		found = append(found, candidate{"--" + fl.Name, does})
	})
	return found
}

// takesValue tells flags that are followed by a value. A name means the same with every command.
func takesValue(flag string) bool {
	if flag == "-c" {
		return true
	}
	if !strings.HasPrefix(flag, "--") {
		return false
	}
	for _, c := range commands() {
		f := pflag.NewFlagSet("", pflag.ContinueOnError)
		(&app{}).globals(f)
		c.setup(f)
		if found := f.Lookup(flag[2:]); found != nil {
			return found.Value.Type() != "bool"
		}
	}
	return false
}

// valuesOf are the words that a flag takes; none if it takes anything.
func valuesOf(flag string) (values []candidate) {
	for _, v := range map[string][]string{"--color": {"auto", "always", "never"}, "--log-format": {"text", "json"},
		"--log-level": {"debug", "info", "warn", "error"}, "--format": {"dot", "mermaid"}}[flag] {
		values = append(values, candidate{v, ""})
	}
	return values
}

func starting(prefix string, all []candidate) (found []candidate) {
	for _, c := range all {
		if strings.HasPrefix(c.word, prefix) {
			found = append(found, c)
		}
	}
	return found
}
