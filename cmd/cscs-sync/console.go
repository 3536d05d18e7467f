package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/explain"
	"github.com/waldur/cscs-storage-sync/planner/expr"
	"github.com/waldur/cscs-storage-sync/planner/override"
)

// maxExpression bounds a line of the console.
const maxExpression = 64 << 10

// consoleFile is what diagnostics call a line of the console.
const consoleFile = "console"

func (a *app) consoleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "console",
		Short: "evaluate expressions of the configuration",
		Args:  arguments(0, 0),
		Long: `Evaluates expressions as overrides do, one a line, and prints their values:
var.NAME, local.NAME, the functions, and with --address what the proxy says of
that resource, upstream. Reads a terminal or a pipe; exit or the end of the
input ends it. Changes nothing, and shows no secret.

Exit codes: 0 done; 1 error, also of a line that came from a pipe.`,
	}
	f := cmd.Flags()
	address := f.String("address", "", "let expressions see upstream of the resource at `ADDRESS`")
	resources := f.StringArray("resources", nil, "read saved responses from `FILE` in place of the proxy")
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

// console evaluates lines.
type console struct {
	*app
	scope *expr.Scope
	ctx   *hcl.EvalContext
	// about reports whether expressions see a resource.
	about bool
}

func (a *app) newConsole(ctx context.Context, address string, resources []string) (*console, error) {
	secrets := config.Skip
	switch {
	case address != "" && len(resources) == 0:
		secrets = config.Read
	case address != "":
		secrets = config.CheckOnly
	}
	s, err := a.open(secrets)
	if err != nil {
		return nil, err
	}
	c := &console{app: a, scope: s.cfg.Scope, about: address != ""}
	var u *planner.Upstream
	if c.about {
		if u, err = s.upstream(ctx, address, resources); err != nil {
			return nil, err
		}
	}
	c.ctx = override.Context(s.cfg.Scope, u)
	return c, nil
}

// upstream is what the proxy says of a resource. It looks at no storage.
func (s *session) upstream(ctx context.Context, address string, resources []string) (*planner.Upstream, error) {
	source, err := s.source(resources)
	if err != nil {
		return nil, err
	}
	items, err := source.List(ctx, nil)
	if err != nil {
		return nil, &engine.ListingError{Err: err}
	}
	w := &planner.Input{Settings: &s.cfg.Settings, Items: items, Complete: true, Now: s.now()}
	if len(resources) == 0 {
		about := slices.DeleteFunc(slices.Clone(items), func(it planner.Item) bool { return it.MountPath != address })
		w.Orders = s.engine().Ask(ctx, planner.Questions(&s.cfg.Settings, &w.Selection, about), false)
	}
	graph := planner.Desire(w)
	u, ok := graph.Upstream(address)
	if !ok {
		return nil, fmt.Errorf("the proxy lists nothing of a configured system at %s%s", address, explain.Nearest(graph.Views(), address))
	}
	return &u, nil
}

// run reads a terminal or a pipe.
func (c *console) run(ctx context.Context) error {
	if f, ok := c.stdin.(*os.File); ok && c.terminal(c.stdin) && c.terminal(c.stdout) {
		return c.interact(ctx, f)
	}
	lines := bufio.NewScanner(c.stdin)
	lines.Buffer(nil, maxExpression)
	failed := false
	for lines.Scan() && ctx.Err() == nil {
		text, ok := c.evaluate(lines.Text())
		if text == "" {
			continue
		}
		if !ok {
			failed = true
			fmt.Fprint(c.stderr, text)
			continue
		}
		if err := c.print(text); err != nil {
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

// interact reads lines with a prompt, and lets them be edited.
func (c *console) interact(ctx context.Context, f *os.File) error {
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return fmt.Errorf("read the terminal: %w", err)
	}
	restore := func() { _ = term.Restore(int(f.Fd()), before) }
	defer restore()
	defer context.AfterFunc(ctx, restore)()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{f, c.stdout}, "> ")
	for {
		line, err := t.ReadLine()
		if errors.Is(err, io.EOF) || strings.TrimSpace(line) == "exit" {
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return fmt.Errorf("read the terminal: %w", err)
		}
		if text, _ := c.evaluate(line); text != "" {
			if _, err := io.WriteString(t, text); err != nil {
				return fmt.Errorf("write to the terminal: %w", err)
			}
		}
	}
}

// evaluate gives the value of a line, or what is wrong with it, with a line end; nothing for a line without an expression.
func (c *console) evaluate(line string) (text string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "#") || line == "exit" {
		return "", true
	}
	v, diags := c.value(line)
	if !diags.HasErrors() {
		return v + "\n", true
	}
	var b bytes.Buffer
	files := map[string]*hcl.File{consoleFile: {Bytes: []byte(line)}}
	if err := config.WriteDiagnostics(&b, diags, files, min(c.width, 100), c.colored(c.stderr)); err != nil {
		return diags.Error() + "\n", false
	}
	return b.String(), false
}

func (c *console) value(line string) (string, hcl.Diagnostics) {
	if err := expr.CheckSource([]byte(line)); err != nil {
		return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unsuitable expression", Detail: err.Error()}}
	}
	e, diags := hclsyntax.ParseExpression([]byte(line), consoleFile, hcl.InitialPos)
	if diags.HasErrors() {
		return "", diags
	}
	for _, t := range e.Variables() {
		if t.RootName() == "upstream" && !c.about {
			return "", hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No resource", Subject: t.SourceRange().Ptr(),
				Detail: "The word upstream means a resource. Name one: cscs-sync console --address ADDRESS."}}
		}
	}
	if diags := c.scope.Check(e); diags.HasErrors() {
		return "", diags
	}
	v, diags := e.Value(c.ctx)
	if diags.HasErrors() {
		return "", diags
	}
	return expr.ShowLines(v), nil
}
