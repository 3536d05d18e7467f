//go:build man

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// With the build tag "man" the program has one more command, which writes its manual pages: one for each command, from its
// definition, and those of the guides that belong into a manual. Nothing is written twice.
//
//	go run -tags man ./cmd/cscs-sync man DIR

func init() { extraCommands = append(extraCommands, manCommand) }

func manCommand(a *app) *cobra.Command {
	return &cobra.Command{Use: "man DIR", Short: "write the manual pages", Args: arguments(1, 1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error { return writeManual(cmd.Root(), args[0]) }}
}

// guides are documents that become manual pages of section 5 and 7.
var guides = map[string]string{
	"cscs-sync.hcl.5":         "reference/configuration.md",
	"cscs-sync-approvals.7":   "reference/approvals.md",
	"cscs-sync-expressions.7": "reference/expressions.md",
	"cscs-sync-loop.7":        "how-to/run-unattended.md",
	"cscs-sync-rounds.7":      "reference/rounds.md",
	"cscs-sync-reviewers.7":   "how-to/review.md",
	"cscs-sync-runbook.7":     "how-to/troubleshoot.md",
}

func writeManual(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	date := time.Unix(0, 0) // else two builds of one tree would differ
	header := &doc.GenManHeader{Section: "1", Source: "cscs-sync " + version(), Manual: "cscs-sync", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	for name, guide := range guides {
		text, err := os.ReadFile(filepath.Join("docs", guide))
		if err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
		section := name[len(name)-1:]
		title := fmt.Appendf(nil, "%% %q %q \"\" %q %q\n", name[:len(name)-2], section, "cscs-sync "+version(), "cscs-sync")
		page := md2man.Render(append(title, withoutTables(text)...))
		if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
	}
	return nil
}

// withoutTables turns the rows of tables into lists, because a page of 80 columns has no room for wide tables, and drops the
// targets of links, which lead nowhere from a manual, and comments.
func withoutTables(text []byte) []byte {
	var b strings.Builder
	var names []string
	for line := range strings.Lines(regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(string(text), "$1")) {
		if strings.HasPrefix(strings.TrimSpace(line), "<!--") {
			continue // for the tests
		}
		if !strings.HasPrefix(line, "|") {
			names = nil
			b.WriteString(line)
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(strings.TrimSpace(line), `\|`, "\x00"), "|"), "|")
		switch {
		case names == nil:
			names = cells
			continue
		case strings.Trim(cells[0], " -:") == "":
			continue
		}
		fmt.Fprintf(&b, "* **%s**", manCell(cells[0]))
		for i, c := range cells[1:] {
			if c = manCell(c); c != "" && i < len(cells)-2 && i+1 < len(names) {
				c = manCell(names[i+1]) + " " + c
			}
			if c != "" {
				b.WriteString(": " + c)
			}
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

func manCell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(s), "\x00", "|"), "`", "")
}
