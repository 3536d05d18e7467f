// Package complete suggests words to shells that complete a command line.
package complete

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Directive says what a shell does with the suggestions.
type Directive = cobra.ShellCompDirective

// Func suggests words for the argument or the flag value at the cursor.
type Func = func(cmd *cobra.Command, args []string, word string) ([]string, Directive)

// OneOf returns a function that suggests fixed words.
func OneOf(words ...string) Func {
	return func(_ *cobra.Command, _ []string, word string) ([]string, Directive) {
		return Starting(words, word), cobra.ShellCompDirectiveNoFileComp
	}
}

// Starting returns the words that begin with a prefix.
func Starting(words []string, prefix string) []string {
	others := func(w string) bool { return !strings.HasPrefix(w, prefix) }
	return slices.DeleteFunc(slices.Clone(words), others)
}

// TakesNone reports whether a command accepts no argument.
func TakesNone(c *cobra.Command) bool { return c.Args != nil && c.Args(c, []string{"one"}) != nil }

// Files returns the folders, and the files with an extension, whose paths begin with word. The
// shell adds no blank after a folder, because more follows.
func Files(word, extension string) (found []string, then Directive) {
	then = cobra.ShellCompDirectiveNoFileComp
	paths, err := filepath.Glob(word + "*")
	if err != nil { // a word with an unclosed bracket is not a valid pattern
		return nil, then
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			found, then = append(found, path+"/"), then|cobra.ShellCompDirectiveNoSpace
		case strings.HasSuffix(path, extension):
			found = append(found, path)
		}
	}
	return found, then
}
