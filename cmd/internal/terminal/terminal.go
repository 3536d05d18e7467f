// Package terminal prints what commands say. The rules:
//
//   - Results go to stdout, and nothing else does. Logs, progress, warnings and errors go to stderr.
//   - Long work shows how far it is: as a status line on a terminal, which disappears at its end, and
//     as a line every ten seconds elsewhere. Where JSON is asked for, nothing is shown.
//   - An error is "Error: " and one message that says what failed, on what, why, and what to do next.
//     Diagnostics of the configuration show the source line with a caret.
//   - Colour appears only where the stream is a terminal, unless Color says otherwise. NO_COLOR wins
//     over auto.
//   - What comes from outside is escaped before it is shown.
package terminal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fatih/color"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/term"

	"github.com/waldur/cscs-storage-sync/cmd/internal/pager"
	"github.com/waldur/cscs-storage-sync/cmd/internal/progress"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// diagnosticsWidth is the greatest width of a diagnostic, which is prose.
const diagnosticsWidth = 100

// Terminal is where a command reads and writes.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Is reports whether a stream is a terminal.
	Is func(stream any) bool
	// Width is how many columns texts may have.
	Width  int
	Getenv func(string) (string, bool)
	Now    func() time.Time
	// Color is when there is colour: auto, always or never.
	Color   string
	Palette render.Palette
	// NoPager means that results are never shown in a pager.
	NoPager bool
	// Paging is called before a pager takes the interrupts.
	Paging func()

	// line shows the progress of a command; nil if nothing does.
	line atomic.Pointer[progress.Progress]
}

// OfProcess returns the streams of this process.
func OfProcess(now func() time.Time) *Terminal {
	t := &Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv, Now: now,
		Is: isTerminal, Width: 80}
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && w >= 60 {
		t.Width = min(w, 120)
	}
	return t
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Print writes a result.
func (t *Terminal) Print(s string) error {
	_, err := io.WriteString(t.Out, s)
	if err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// PrintJSON prints a value as one JSON document.
func (t *Terminal) PrintJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return t.Print(string(render.EscapeJSON(b)) + "\n")
}

// Tell writes a remark to stderr.
func (t *Terminal) Tell(format string, args ...any) {
	lines := strings.Split(fmt.Sprintf(format, args...), "\n")
	for i := range lines {
		lines[i] = render.Escape(lines[i])
	}
	fmt.Fprintln(t.Beside(t.Err), strings.Join(lines, "\n"))
}

// Error writes a message about what failed.
func (t *Terminal) Error(message string) {
	for line := range strings.SplitSeq(message, "\n") {
		fmt.Fprintln(t.Err, t.paint("Error: ", color.FgRed, color.Bold)+render.Escape(line))
	}
}

// Diagnostics shows what is wrong with a configuration.
func (t *Terminal) Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) {
	if err := t.WriteDiagnostics(t.Err, diags, files); err != nil {
		fmt.Fprintln(t.Err, diags.Error())
	}
}

// WriteDiagnostics writes diagnostics to out as they appear on stderr.
func (t *Terminal) WriteDiagnostics(out io.Writer, diags hcl.Diagnostics,
	files map[string]*hcl.File) error {
	return config.WriteDiagnostics(out, diags, files, min(t.Width, diagnosticsWidth), t.Colored(t.Err))
}

// Colored reports whether output to a stream is coloured.
func (t *Terminal) Colored(stream any) bool {
	switch t.Color {
	case "always":
		return true
	case "never":
		return false
	}
	if v, set := t.Getenv("NO_COLOR"); set && v != "" {
		return false
	}
	if kind, _ := t.Getenv("TERM"); kind == "dumb" {
		return false
	}
	return t.Is(stream)
}

// Rendering returns the options for showing plans on a stream.
func (t *Terminal) Rendering(stream any) render.Options {
	return render.Options{Color: t.Colored(stream), Palette: t.Palette, Width: t.Width}
}

// paint colours a text for stderr.
func (t *Terminal) paint(s string, attributes ...color.Attribute) string {
	return Paint(t.Colored(t.Err), s, attributes...)
}

// Paint returns a text in a colour, or as it is.
func Paint(colored bool, s string, attributes ...color.Attribute) string {
	if !colored {
		return s
	}
	c := color.New(attributes...)
	c.EnableColor()
	return c.Sprint(s)
}

// Page writes a result that people read. On a terminal, a result that is longer than the screen
// goes through a pager.
func (t *Terminal) Page(s string) error {
	if t.NoPager || !t.Is(t.Out) || !t.Is(t.In) {
		return t.Print(s)
	}
	args := pager.Command(t.Getenv)
	if len(args) == 0 || strings.Count(s, "\n") < t.height() {
		return t.Print(s)
	}
	t.Paging()
	if err := pager.Show(args, s, t.Out, t.Err, t.Getenv); err != nil {
		t.Tell("Warning: pager %s: %v; set CSCS_SYNC_PAGER to another one, or give --no-pager",
			args[0], err)
		return t.Print(s)
	}
	return nil
}

// height returns how many lines the terminal has.
func (t *Terminal) height() int {
	if f, ok := t.Out.(*os.File); ok {
		if _, h, err := term.GetSize(int(f.Fd())); err == nil && h > 0 {
			return h
		}
	}
	return 24
}

// IsUnread reports whether the reader of standard output has gone away, as head does. Then nobody
// reads messages.
func IsUnread(err error) bool {
	var at *fs.PathError
	return errors.As(err, &at) && at.Path == os.Stdout.Name() && errors.Is(at.Err, syscall.EPIPE)
}
