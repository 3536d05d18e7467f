package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// defaultMarkdownSize fits into a comment of the ticket systems with the usual limit of 65,536 characters.
const defaultMarkdownSize = 60_000

func (a *app) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show PLAN",
		Short: "render a plan file, offline",
		Args:  arguments(1, 1),
		Long: `Renders a plan file again from its machine-readable part, after checking that
the file is intact. Needs neither configuration nor storage.

Exit codes: 0 done; 1 error; 3 the file fails its checks.`,
	}
	f := cmd.Flags()
	var json, markdown, html, plainText, commands, compact bool
	f.BoolVar(&json, "json", false, "print the plan as JSON")
	f.BoolVar(&markdown, "markdown", false, "print it for a ticket")
	f.BoolVar(&html, "html", false, "print it as a page")
	f.BoolVar(&plainText, "plain", false, "print it as text without colour, for a ticket")
	f.BoolVar(&commands, "commands", false, "show the equivalent shell lines")
	f.BoolVar(&compact, "compact", false, "fold changes of the same shape")
	maxSize := f.Int("max-size", defaultMarkdownSize, "keep --markdown below `N` characters: ticket systems take about 64,000; 0 is no limit")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if json && markdown || json && html || markdown && html {
			return &usageError{"show", errors.New("--json, --markdown and --html exclude one another")}
		}
		if n := *maxSize; n != 0 && n < render.LeastMarkdown {
			return &usageError{"show", fmt.Errorf("--max-size %d: want 0, or at least %d", n, render.LeastMarkdown)}
		}
		file, err := a.readPlan(args[0])
		if err != nil {
			return err
		}
		if file.Foreign {
			a.tell("Warning: %s was written by another version of cscs-sync: its text could not be compared with its "+
				"content; below is the content", args[0])
		}
		o := planfile.Options{Color: !plainText && a.colored(a.stdout), Commands: commands, Compact: compact, Width: a.width, MaxSize: *maxSize}
		switch {
		case json:
			return a.print(string(render.JSON(file.Plan)))
		case markdown:
			return a.print(string(render.Markdown(file.Plan, o)))
		case html:
			return a.print(string(render.HTML(file.Plan, o)))
		}
		return a.page(string(planfile.Text(file.Plan, o)))
	}
	return cmd
}
