package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/waldur/cscs-storage-sync/cmd/internal/prompt"
	"github.com/waldur/cscs-storage-sync/cmd/internal/session"
	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/explain"
	"github.com/waldur/cscs-storage-sync/planner/expr"
	"github.com/waldur/cscs-storage-sync/planner/override"
)

// maxExpression is the greatest length of a line of the console, in bytes.
const maxExpression = 64 << 10

func (a *app) consoleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "console",
		Short: "evaluate expressions of the configuration",
		Args:  arguments(0, 0),
		Long: `Evaluates expressions as overrides do, one a line, and prints their values:
var.NAME, local.NAME, the functions, and with --address what the proxy says of
that resource (upstream). Reads a terminal or a pipe until its end, or until a
line "exit". Changes nothing, and shows no secret.

Exit codes: 0 done; 1 error, also of a line that came from a pipe.`,
	}
	f := cmd.Flags()
	address := f.String("address", "", "let expressions see upstream of the resource at `ADDRESS`")
	resources := f.StringArray("resources", nil, "read saved responses from `FILE` instead of "+
		"the proxy")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *address == "" && len(*resources) > 0 {
			return &usageError{"console", errors.New("--resources goes with --address")}
		}
		c, err := a.newConsole(cmd.Context(), *address, *resources)
		if err != nil {
			return err
		}
		return c.run(cmd.Context())
	}
	return cmd
}

// console evaluates expressions, one a line.
type console struct {
	a    *app
	expr expr.Console
}

func (a *app) newConsole(ctx context.Context, address string, files []string) (*console, error) {
	secrets := config.Skip
	switch {
	case address != "" && len(files) == 0:
		secrets = config.Read
	case address != "":
		secrets = config.CheckOnly
	}
	s, err := a.open(secrets)
	if err != nil {
		return nil, err
	}
	var u *planner.Upstream
	if address != "" {
		if u, err = a.upstream(ctx, s, address, files); err != nil {
			return nil, err
		}
	}
	return &console{a, expr.Console{Scope: s.Config.Scope, Context: override.Context(s.Config.Scope, u),
		Resource: u != nil}}, nil
}

// upstream returns what the proxy, or saved responses, say about a resource.
func (a *app) upstream(ctx context.Context, s *session.Session, address string,
	files []string) (*planner.Upstream, error) {
	source, err := s.Source(files)
	if err != nil {
		return nil, err
	}
	var waldur explain.Waldur
	if len(files) == 0 {
		waldur = s.Engine()
	}
	in := &planner.Input{Settings: &s.Config.Settings, Now: a.now()}
	return explain.Upstream(ctx, in, source, waldur, address)
}

// run reads lines from a terminal or a pipe and evaluates them.
func (c *console) run(ctx context.Context) error {
	if f, ok := c.a.term.In.(*os.File); ok && c.a.term.Is(c.a.term.In) && c.a.term.Is(c.a.term.Out) {
		return prompt.Lines(ctx, f, c.a.term.Out, "> ", func(line string) (string, bool) {
			text, _ := c.evaluate(line)
			return text, strings.TrimSpace(line) != "exit"
		})
	}
	lines := bufio.NewScanner(c.a.term.In)
	lines.Buffer(nil, maxExpression)
	failed := false
	for lines.Scan() && ctx.Err() == nil {
		text, ok := c.evaluate(lines.Text())
		if text == "" {
			continue
		}
		if !ok {
			failed = true
			fmt.Fprint(c.a.term.Err, text)
			continue
		}
		if err := c.a.term.Print(text); err != nil {
			return err
		}
	}
	if err := errors.Join(lines.Err(), context.Cause(ctx)); err != nil {
		return fmt.Errorf("read expressions: %w", err)
	}
	if failed {
		return ended(exitError)
	}
	return nil
}

// evaluate returns the value of a line or its error, with a line end. It returns nothing for a line
// without an expression.
func (c *console) evaluate(line string) (text string, ok bool) {
	if line = strings.TrimSpace(line); !expr.IsExpression(line) || line == "exit" {
		return "", true
	}
	v, diags := c.expr.Evaluate(line)
	if !diags.HasErrors() {
		return v + "\n", true
	}
	var b bytes.Buffer
	files := map[string]*hcl.File{expr.ConsoleFile: {Bytes: []byte(line)}}
	if err := c.a.term.WriteDiagnostics(&b, diags, files); err != nil {
		return diags.Error() + "\n", false
	}
	return b.String(), false
}
