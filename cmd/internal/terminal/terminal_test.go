package terminal

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// streams is a terminal in memory, with an environment. Both outputs are one, where is says so.
func streams(is bool, env map[string]string) (t *Terminal, out, problems *bytes.Buffer) {
	out, problems = &bytes.Buffer{}, &bytes.Buffer{}
	return &Terminal{In: strings.NewReader(""), Out: out, Err: problems, Width: 80,
		Is: func(any) bool { return is }, Now: time.Now, Color: "auto",
		Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}, out, problems
}

func TestColored(t *testing.T) {
	for _, c := range []struct {
		name, when string
		is         bool
		env        map[string]string
		want       bool
	}{
		{"a terminal", "auto", true, nil, true},
		{"a file", "auto", false, nil, false},
		{"a file, asked for", "always", false, map[string]string{"NO_COLOR": "1"}, true},
		{"a terminal, not wanted", "never", true, nil, false},
		{"NO_COLOR", "auto", true, map[string]string{"NO_COLOR": "1"}, false},
		{"an empty NO_COLOR", "auto", true, map[string]string{"NO_COLOR": ""}, true},
		{"a terminal without colours", "auto", true, map[string]string{"TERM": "dumb"}, false},
	} {
		x, _, _ := streams(c.is, c.env)
		x.Color = c.when
		if got := x.Colored(x.Out); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestWhatGoesWhere: results go to stdout, and the rest to stderr, escaped.
func TestWhatGoesWhere(t *testing.T) {
	x, out, problems := streams(false, nil)
	if err := errors.Join(x.Print("result\n"), x.PrintJSON(map[string]int{"a": 1})); err != nil {
		t.Fatal(err)
	}
	x.Tell("told %s\nmore", "\x1b[31mred")
	x.Error("a\nb\x07")
	x.Diagnostics(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Wrong"}}, nil)
	if got := out.String(); got != "result\n{\n  \"a\": 1\n}\n" {
		t.Errorf("stdout: %q", got)
	}
	got := problems.String()
	if strings.ContainsAny(got, "\x1b\x07") || !strings.Contains(got, "told ") ||
		!strings.Contains(got, "\nmore\nError: a\nError: b") || !strings.Contains(got, "Wrong") {
		t.Errorf("stderr: %q", got)
	}
}

// TestErrorInColour: only what begins it is coloured.
func TestErrorInColour(t *testing.T) {
	x, _, problems := streams(true, nil)
	x.Error("it failed")
	if got := problems.String(); !strings.Contains(got, "\x1b[31") || !strings.HasSuffix(got, "mit failed\n") {
		t.Errorf("%q", got)
	}
}

// TestPage: only what is longer than the screen goes through the pager, and a pager that cannot show it is no error.
func TestPage(t *testing.T) {
	long := strings.Repeat("line\n", 30)
	paged := 0
	page := func(is bool, pager, text string) (string, string) {
		x, out, problems := streams(is, map[string]string{"CSCS_SYNC_PAGER": pager})
		x.Paging = func() { paged++ }
		if err := x.Page(text); err != nil {
			t.Fatal(err)
		}
		return out.String(), problems.String()
	}
	for name, got := range map[string]func() (string, string){
		"short":    func() (string, string) { return page(true, "/nowhere/pager", "line\n") },
		"a file":   func() (string, string) { return page(false, "/nowhere/pager", long) },
		"no pager": func() (string, string) { return page(true, "", long) },
	} {
		if out, problems := got(); !strings.HasPrefix(out, "line\n") || problems != "" {
			t.Errorf("%s: %q %q", name, out, problems)
		}
	}
	if paged != 0 {
		t.Errorf("a pager ran %d times", paged)
	}
	out, problems := page(true, "/nowhere/pager", long)
	if out != long || !strings.Contains(problems, "Warning: pager /nowhere/pager") || paged != 1 {
		t.Errorf("%q %q %d", out, problems, paged)
	}
}

// TestDurationsInJSONLogs: a time in a JSON log says its unit.
func TestDurationsInJSONLogs(t *testing.T) {
	x, _, problems := streams(false, nil)
	x.Logger(slog.LevelInfo, true).Info("round", "took", 1500*time.Millisecond, "lane", "audit")
	var got map[string]any
	if err := json.Unmarshal(problems.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["took_seconds"] != 1.5 || got["took"] != nil || got["lane"] != "audit" {
		t.Errorf("%s", problems.Bytes())
	}
}

// TestProgressGivesWay: what is written beside a status line does not break into it.
func TestProgressGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _, problems := streams(true, nil)
		end := x.ShowProgress()
		x.Progress("Listing resources", 0, 0)
		time.Sleep(5 * time.Second)
		x.Tell("told")
		end()
		x.Progress("nobody hears it", 1, 2)
		got := problems.String()
		if !strings.Contains(got, "Listing resources") || !strings.Contains(got, "\r\x1b[Ktold\n") ||
			strings.Contains(got, "nobody") {
			t.Errorf("%q", got)
		}
	})
}

func TestIsUnread(t *testing.T) {
	broken := func(name string) error { return &fs.PathError{Op: "write", Path: name, Err: syscall.EPIPE} }
	if !IsUnread(broken(os.Stdout.Name())) || IsUnread(broken("/some/file")) || IsUnread(syscall.EPIPE) {
		t.Error("only a reader of standard output that went away is meant")
	}
}
