//go:build man

package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// guides are documents that become manual pages in sections 5 and 7.
var guides = map[string]string{
	"cscs-sync.hcl.5":         "reference/configuration.md",
	"cscs-sync-approvals.7":   "reference/approvals.md",
	"cscs-sync-expressions.7": "reference/expressions.md",
	"cscs-sync-loop.7":        "how-to/run-unattended.md",
	"cscs-sync-rounds.7":      "reference/rounds.md",
	"cscs-sync-reviewers.7":   "how-to/review.md",
	"cscs-sync-runbook.7":     "how-to/troubleshoot.md",
}

// Write writes the manual pages of a program to a folder: one for each command, from its
// definition, and those of the guides in docs.
func Write(root *cobra.Command, version, docs, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root.DisableAutoGenTag = true
	source := "cscs-sync " + version
	date := time.Unix(0, 0) // otherwise, two builds of one tree would differ
	header := &doc.GenManHeader{Section: "1", Source: source, Manual: "cscs-sync", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	for name, guide := range guides {
		text, err := os.ReadFile(filepath.Join(docs, guide))
		if err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
		section := name[len(name)-1:]
		title := fmt.Appendf(nil, "%% %q %q \"\" %q %q\n", name[:len(name)-2], section, source,
			"cscs-sync")
		page := md2man.Render(append(title, withoutTables(text)...))
		if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
			return fmt.Errorf("write manual pages: %w", err)
		}
	}
	return nil
}
