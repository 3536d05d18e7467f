package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/planner/render"
)

// defaultMarkdownSize fits into a comment of ticket systems, whose usual limit is 65,536
// characters.
const defaultMarkdownSize = 60_000

// showOptions are the flags of show.
type showOptions struct {
	json, markdown, html, plain, commands, compact bool
	maxSize                                        int
}

func (a *app) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [PLAN]",
		Short: "render a plan file, offline",
		Args:  arguments(0, 1),
		Long: `Checks that a plan file is intact, and renders it again from its
machine-readable part. Needs neither configuration nor storage. Without PLAN it
shows the newest plan that the loop holds.

Exit codes: 0 done; 1 error; 3 the file fails its checks.`,
	}
	f := cmd.Flags()
	var o showOptions
	f.BoolVar(&o.json, "json", false, "print the plan as JSON")
	f.BoolVar(&o.markdown, "markdown", false, "print it for a ticket")
	f.BoolVar(&o.html, "html", false, "print it as a page")
	f.BoolVar(&o.plain, "plain", false, "print it as text without colour, for a ticket")
	f.BoolVar(&o.commands, "commands", false, "show the equivalent shell lines")
	f.BoolVar(&o.compact, "compact", false, "fold changes of the same shape")
	f.IntVar(&o.maxSize, "max-size", defaultMarkdownSize, "keep --markdown below `N` characters: "+
		"ticket systems take about 64,000; 0 is no limit")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if o.json && o.markdown || o.json && o.html || o.markdown && o.html {
			return &usageError{"show", errors.New("--json, --markdown and --html exclude one " +
				"another")}
		}
		if n := o.maxSize; n != 0 && n < render.LeastMarkdown {
			return &usageError{"show", fmt.Errorf("--max-size %d: want 0, or at least %d", n,
				render.LeastMarkdown)}
		}
		if len(args) == 1 {
			return o.run(a, args[0])
		}
		path, err := a.newestHeld()
		if err != nil {
			return err
		}
		return o.run(a, path)
	}
	return cmd
}

// run renders a plan file as the flags say.
func (o *showOptions) run(a *app, path string) error {
	file, err := a.readPlan(path)
	if err != nil {
		return err
	}
	if file.Foreign {
		a.term.Tell("Warning: %s was written by another version of cscs-sync: its text could not be "+
			"compared with its content; below is the content", path)
	}
	how := a.term.Rendering(a.term.Out)
	how.Color = how.Color && !o.plain
	how.Commands, how.Compact, how.MaxSize = o.commands, o.compact, o.maxSize
	switch {
	case o.json:
		return a.term.Print(string(render.JSON(file.Plan)))
	case o.markdown:
		return a.term.Print(string(render.Markdown(file.Plan, how)))
	case o.html:
		return a.term.Print(string(render.HTML(file.Plan, how)))
	}
	return a.term.Page(string(file.Show(how)))
}
