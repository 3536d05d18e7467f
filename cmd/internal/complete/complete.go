// Package complete proposes words to shells that complete a command line.
package complete

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Directive says what a shell does with what is proposed.
type Directive = cobra.ShellCompDirective

// Func proposes words for the argument or the flag value at the cursor.
type Func = func(cmd *cobra.Command, args []string, word string) ([]string, Directive)

// OneOf proposes fixed words.
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

// TakesNone reports whether a command refuses an argument.
func TakesNone(c *cobra.Command) bool { return c.Args != nil && c.Args(c, []string{"one"}) != nil }

// Files returns the folders, and the files with an extension, whose paths begin with a word. More
// follows a folder, so the shell adds no blank to it.
func Files(word, extension string) (found []string, then Directive) {
	then = cobra.ShellCompDirectiveNoFileComp
	paths, err := filepath.Glob(word + "*")
	if err != nil { // a word with a bracket that is not closed is no pattern
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
