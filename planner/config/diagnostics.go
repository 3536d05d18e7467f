package config

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/mitchellh/go-wordwrap"
)

// Finding is the JSON form of a diagnostic. Line and column count from 1; they are 0 if it has no
// place.
type Finding struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail"`
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
}

// WriteJSON writes the diagnostics as a JSON array of [Finding].
func WriteJSON(w io.Writer, diags hcl.Diagnostics) error {
	findings := make([]Finding, 0, len(diags))
	for _, d := range diags {
		f := Finding{Severity: severity(d), Summary: d.Summary, Detail: d.Detail}
		if d.Subject != nil {
			f.File, f.Line, f.Column = d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column
		} else if whole, ok := d.Extra.(fileFinding); ok {
			f.File = whole.path
		}
		findings = append(findings, f)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(findings)
}

func severity(d *hcl.Diagnostic) string {
	if d.Severity == hcl.DiagWarning {
		return "warning"
	}
	return "error"
}

// sorted sorts diagnostics by place, those without a place first, and removes duplicates. HCL
// reports them in the order of its maps.
func sorted(diags hcl.Diagnostics) hcl.Diagnostics {
	key := func(d *hcl.Diagnostic) (string, int, int) {
		if d.Subject == nil {
			return "", 0, 0
		}
		return d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column
	}
	compare := func(a, b *hcl.Diagnostic) int {
		af, al, ac := key(a)
		bf, bl, bc := key(b)
		return cmp.Or(cmp.Compare(af, bf), cmp.Compare(al, bl), cmp.Compare(ac, bc),
			cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail,
				b.Detail))
	}
	slices.SortStableFunc(diags, compare)
	return slices.CompactFunc(diags, func(a, b *hcl.Diagnostic) bool { return compare(a, b) == 0 })
}

// WriteDiagnostics writes diagnostics for people: what is wrong, where, with the source line and a
// caret below the place, and why. files are [Config.Sources]. Texts are wrapped to width columns,
// or not at all if width is 0. With colour, there is a box around each diagnostic.
func WriteDiagnostics(w io.Writer, diags hcl.Diagnostics, files map[string]*hcl.File, width int,
	color bool) error {
	out := bufio.NewWriter(w)
	for i, d := range diags {
		if i > 0 && !color {
			_ = out.WriteByte('\n')
		}
		p := painter{color: color, code: "31", width: width}
		if d.Severity == hcl.DiagWarning {
			p.code = "38;5;136" // legible on black and on white
		}
		p.diagnostic(d, files)
		_, _ = p.out.WriteTo(out)
	}
	return out.Flush()
}

// noExcerpt is the Extra of a diagnostic whose line must not be shown.
type noExcerpt struct{}

// painter lays out one diagnostic.
type painter struct {
	out   bytes.Buffer
	color bool
	// code is the colour of the severity.
	code  string
	width int
}

func (p *painter) diagnostic(d *hcl.Diagnostic, files map[string]*hcl.File) {
	if p.color {
		p.out.WriteString(p.paint(p.code, "╷") + "\n")
	}
	p.wrapped(p.paint("1;"+p.code, capital(severity(d))+":")+" "+p.paint("1", escape(d.Summary)), 0)
	if d.Subject != nil {
		p.line("")
		_, hidden := d.Extra.(noExcerpt)
		p.excerpt(d.Subject, files[d.Subject.Filename], hidden)
	}
	if d.Detail != "" {
		p.line("")
		p.wrapped(escape(d.Detail), 0)
	}
	if p.color {
		p.out.WriteString(p.paint(p.code, "╵") + "\n")
	}
}

func (p *painter) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// line writes one line, without blanks at its end.
func (p *painter) line(s string) {
	if p.color {
		s = p.paint(p.code, "│") + strings.TrimRight(" "+s, " ")
	}
	p.out.WriteString(strings.TrimRight(s, " ") + "\n")
}

// room returns how many columns a line has; 0 for any number.
func (p *painter) room() int {
	if p.width > 0 && p.color {
		return max(p.width-2, 20)
	}
	return max(p.width, 0)
}

func (p *painter) wrapped(s string, indent int) {
	if room := p.room(); room > 0 {
		s = wordwrap.WrapString(s, uint(max(room-indent, 20)))
	}
	for l := range strings.SplitSeq(s, "\n") {
		p.line(strings.Repeat(" ", indent) + l)
	}
}

// excerpt shows the line on which the subject begins, and a caret below each of its columns.
func (p *painter) excerpt(r *hcl.Range, file *hcl.File, hidden bool) {
	where := fmt.Sprintf("on %s line %d", escape(r.Filename), r.Start.Line)
	if in := enclosing(file, r.Start.Byte); in != "" {
		where += ", in " + escape(in)
	}
	if file == nil || hidden {
		p.wrapped(where+".", 2)
		return
	}
	p.wrapped(where+":", 2)
	src, at := lineAt(file.Bytes, r.Start)
	from := min(max(r.Start.Byte-at, 0), len(src))
	to := len(src)
	if r.End.Line == r.Start.Line {
		to = min(max(r.End.Byte-at, from), len(src))
	}
	before, marked, after := escape(src[:from]), escape(src[from:to]),
		escape(strings.TrimRight(src[to:], "\r"))
	marked = strings.TrimRight(marked, " ")
	before, marked, after = p.cut(before, marked, after)
	number := fmt.Sprintf("%4d: ", r.Start.Line)
	p.line(number + before + p.paint("1;4", marked) + after)
	carets := strings.Repeat("^", max(utf8.RuneCountInString(marked), 1))
	p.line(strings.Repeat(" ", len(number)+utf8.RuneCountInString(before)) + p.paint(p.code, carets))
}

// cut shortens a long line around the marked part.
func (p *painter) cut(before, marked, after string) (string, string, string) {
	room := p.room() - 6
	if p.width <= 0 || room >= utf8.RuneCountInString(before+marked+after) {
		return before, marked, after
	}
	b, m, a := []rune(before), []rune(marked), []rune(after)
	if keep := room / 3; len(b) > keep && len(b)+len(m) > room {
		b = append([]rune("…"), b[len(b)-keep:]...)
	}
	if left := max(room-len(b), 1); len(m) > left {
		m, a = m[:left], nil
	}
	if left := room - len(b) - len(m); len(a) > left {
		a = append(a[:max(left-1, 0)], '…')
	}
	if len(b)+len(m)+len(a) > room && len(a) > 0 {
		a = nil
	}
	return string(b), string(m), string(a)
}

// enclosing names the blocks around a place: proxy, or override "name".
func enclosing(file *hcl.File, offset int) string {
	if file == nil {
		return ""
	}
	if nav, ok := file.Nav.(interface{ ContextString(int) string }); ok {
		return nav.ContextString(offset)
	}
	return ""
}

// lineAt returns the line of the position, and the offset at which it begins.
func lineAt(src []byte, pos hcl.Pos) (string, int) {
	offset := min(max(pos.Byte, 0), len(src))
	start := bytes.LastIndexByte(src[:offset], '\n') + 1
	end := len(src)
	if i := bytes.IndexByte(src[offset:], '\n'); i >= 0 {
		end = offset + i
	}
	return string(src[start:end]), start
}

// escape makes characters visible that could deceive the reader: control, bidirectional and
// invisible characters. Tabs become two blanks, so that carets stay below what they mark. Line ends
// in texts stay.
func escape(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '\t':
			b.WriteString("  ")
		case r == '\n':
			b.WriteByte('\n')
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
