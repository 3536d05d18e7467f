package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/flags"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/graph"
)

func (a *app) graphCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "graph [PLAN]",
		Short: "draw the desired-state graph: dot, mermaid or svg",
		Args:  arguments(0, 1),
		Long: `Draws tenants, customers and resources with the quotas that they claim; with
PLAN, only what the plan changes. Groups them by system and by customer. A
colour shows what is done, and the label says it, too. A thick red border marks
danger. For a picture, where Graphviz is installed:
  cscs-sync graph --format svg > graph.svg`,
	}
	f := cmd.Flags()
	var o planOptions
	var format string
	flags.OneOf(f, &format, "format", "dot", "`FORMAT`: dot, mermaid, or svg by Graphviz",
		slices.Sorted(maps.Keys(drawings))...)
	o.resourcesFlag(f)
	f.StringArrayVar(&o.selects.Targets, "target", nil,
		"only resources whose address matches `GLOB`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		d, err := o.graph(cmd.Context(), a, args)
		if err != nil {
			return err
		}
		text, err := drawings[format](cmd.Context(), d)
		if err != nil {
			return err
		}
		return a.term.Print(text)
	}
	return cmd
}

// drawings are the formats of a drawing.
var drawings = map[string]func(context.Context, *graph.Drawing) (string, error){
	"dot":     func(_ context.Context, d *graph.Drawing) (string, error) { return d.DOT(), nil },
	"mermaid": func(_ context.Context, d *graph.Drawing) (string, error) { return d.Mermaid(), nil },
	"svg":     func(ctx context.Context, d *graph.Drawing) (string, error) { return svg(ctx, d.DOT()) },
}

// graph draws a plan file or the proxy's listing.
func (o *planOptions) graph(ctx context.Context, a *app, args []string) (*graph.Drawing, error) {
	if len(args) == 1 {
		file, err := a.readPlan(args[0])
		if err != nil {
			return nil, err
		}
		return graph.Planned(file.Plan), nil
	}
	secrets := config.Read
	if len(o.resources) > 0 {
		secrets = config.CheckOnly
	}
	s, err := a.open(secrets)
	if err != nil {
		return nil, err
	}
	sel, err := o.selection()
	if err != nil {
		return nil, &usageError{"graph", err}
	}
	p, err := o.make(ctx, a, s, sel)
	if err != nil {
		return nil, err
	}
	return graph.Listed(p.Graph.Views()), nil
}

// drawingTime is how long Graphviz may take. Large graphs take long.
const drawingTime = 2 * time.Minute

// svg draws the picture with Graphviz.
func svg(ctx context.Context, dot string) (string, error) {
	program, err := exec.LookPath("dot")
	if err != nil {
		return "", errors.New("graph --format svg: Graphviz draws it, and there is no program " +
			"dot: install the package graphviz, or run dot elsewhere on the output of --format dot")
	}
	ctx, cancel := context.WithTimeout(ctx, drawingTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-Tsvg")
	var out, problems bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(dot), &out, &problems
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("graph --format svg: %s: %w: %.500s", program, err, problems.String())
	}
	return out.String(), nil
}
