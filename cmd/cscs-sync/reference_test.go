package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/help"
)

var writeReference = flag.Bool("write-reference", false, "write docs/reference/commands.md")

const commandsPage = "../../docs/reference/commands.md"

const commandsIntroduction = "# Commands\n\nThis page lists every command and flag. `cscs-sync help COMMAND` shows the " +
	"same in a terminal, and\n`man cscs-sync-COMMAND` too. The page is made from the code: run\n" +
	"`go test ./cmd/cscs-sync -run TestReference -write-reference`.\n\n" +
	"See also [exit codes](exit-codes.md), [file formats](files.md) and [the JSON contracts](../schema/README.md).\n" +
	"[Addresses and globs](files.md#addresses-and-globs) says what a GLOB matches.\n"

// TestReferenceIsTheCommandLine makes docs/reference/commands.md from the definitions of the commands.
func TestReferenceIsTheCommandLine(t *testing.T) {
	page := commandsReference(testApp().root())
	if *writeReference {
		if err := os.WriteFile(commandsPage, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(commandsPage); err != nil || !bytes.Equal(got, page) {
		t.Errorf("docs/reference/commands.md is not the command line; refresh it with "+
			"go test ./cmd/cscs-sync -run TestReference -write-reference (%v)", err)
	}
}

// TestReferenceNamesEveryCommand: the page has a section for each command, and a row for each flag.
func TestReferenceNamesEveryCommand(t *testing.T) {
	page := string(commandsReference(testApp().root()))
	for _, c := range everyCommand(testApp().root()) {
		if c.Hidden || c.Name() == "cscs-sync" {
			continue
		}
		_, section, found := strings.Cut(page, "\n## "+pathOf(c)+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found {
			t.Errorf("there is no section for %s", pathOf(c))
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(section, "`--"+f.Name) {
				t.Errorf("%s: --%s is not named", pathOf(c), f.Name)
			}
		})
	}
}

func commandsReference(root *cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString(commandsIntroduction)
	b.WriteString("\n## Global flags\n\nEvery command takes these flags.\n\n")
	flagRows(&b, root.PersistentFlags())
	for _, c := range everyCommand(root)[1:] {
		if c.Hidden {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n```text\n%s\n```\n", pathOf(c), sentence(c.Short), c.UseLine())
		if c.Long != "" {
			b.WriteString("\n" + paragraphs(c.Long))
		}
		if c.LocalNonPersistentFlags().HasAvailableFlags() {
			b.WriteByte('\n')
			flagRows(&b, c.LocalNonPersistentFlags())
		}
	}
	return b.Bytes()
}

// sentence begins with a capital.
func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// paragraphs are a help text as Markdown: indented lines are code, the others are prose.
func paragraphs(long string) string {
	var b strings.Builder
	isCode := false
	for line := range strings.Lines(strings.TrimSpace(long) + "\n") {
		indented := strings.HasPrefix(line, "  ")
		if indented != isCode {
			if indented {
				b.WriteByte('\n')
			}
			b.WriteString("```")
			if indented {
				b.WriteString("text")
			}
			b.WriteByte('\n')
			if !indented && line != "\n" {
				b.WriteByte('\n')
			}
			isCode = indented
		}
		b.WriteString(line)
	}
	if isCode {
		b.WriteString("```\n")
	}
	return b.String()
}

func flagRows(b *bytes.Buffer, flags *pflag.FlagSet) {
	cell := strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`)
	flags.SortFlags = false
	rows := 0
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		if rows++; rows == 1 {
			b.WriteString("| flag | meaning |\n|---|---|\n")
		}
		help.NameValue(f)
		name := "--" + f.Name
		if value := f.Annotations[help.ValueName][0]; value != "" {
			name += " " + value
		}
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		does := f.Usage
		if f.DefValue != "" && f.Value.Type() == "string" {
			does += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(name, "|", `\|`), cell.Replace(does))
	})
}
