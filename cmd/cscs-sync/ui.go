package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/fatih/color"
	"github.com/hashicorp/hcl/v2"

	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// The rules of what is printed:
//
//   - Results go to stdout, and nothing else does. Logs, progress, warnings and errors go to stderr.
//   - Long work shows how far it is: as a status line on a terminal, which disappears at its end, and
//     as a line every ten seconds elsewhere. Where JSON is asked for, nothing is shown.
//   - An error is "Error: " and one message that says what failed, on what, why, and what to do next.
//     Diagnostics of the configuration show the source line with a caret.
//   - Colour appears only where the stream is a terminal, unless --color says otherwise. NO_COLOR wins
//     over auto.
//   - What comes from outside is escaped before it is shown.

// print writes a result.
func (a *app) print(s string) error {
	_, err := io.WriteString(a.stdout, s)
	if err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// tell writes a remark for people to stderr.
func (a *app) tell(format string, args ...any) {
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	for i := range lines {
		lines[i] = render.Escape(lines[i])
	}
	fmt.Fprintln(besideProgress{a, a.stderr}, strings.Join(lines, "\n"))
}

// colored reports whether a stream gets colour.
func (a *app) colored(stream any) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	if v, set := a.getenv("NO_COLOR"); set && v != "" {
		return false
	}
	if term, _ := a.getenv("TERM"); term == "dumb" {
		return false
	}
	return a.terminal(stream)
}

// paint colours a text for a stream.
func (a *app) paint(stream any, s string, attributes ...color.Attribute) string {
	if !a.colored(stream) {
		return s
	}
	c := color.New(attributes...)
	c.EnableColor()
	return c.Sprint(s)
}

// diagnosed is an error that is shown as diagnostics.
type diagnosed struct {
	diags hcl.Diagnostics
	files map[string]*hcl.File
}

func (d *diagnosed) Error() string { return d.diags.Error() }

// printError shows an error the way its kind is shown.
func (a *app) printError(err error) {
	var silent *outcome
	if err == nil || errors.As(err, &silent) && silent.err == nil || unread(err) {
		return
	}
	var d *diagnosed
	if errors.As(err, &d) {
		a.showDiagnostics(d.diags, d.files)
		return
	}
	text := strings.ReplaceAll(strings.TrimRight(err.Error(), "\n"), context.Canceled.Error(), "interrupted")
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(a.stderr, a.paint(a.stderr, "Error: ", color.FgRed, color.Bold)+render.Escape(line))
	}
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(a.stderr, strings.TrimRight("For help: cscs-sync help "+usage.command, " "))
	}
}

// unread reports whether the reader of standard output went away, as head does. Then nobody reads a
// message.
func unread(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Path == os.Stdout.Name() && errors.Is(at.Err, syscall.EPIPE)
}

func (a *app) showDiagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	if err := config.WriteDiagnostics(a.stderr, diags, files, min(a.width, 100), a.colored(a.stderr)); err != nil {
		fmt.Fprintln(a.stderr, diags.Error())
	}
}
