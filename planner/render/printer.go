package render

import (
	"bytes"
	"strings"

	"github.com/fatih/color"
)

// Options say how to render a plan. The zero value gives the text in plan files: plain, full, at 80
// columns.
type Options struct {
	// Color adds SGR sequences and nothing else.
	Color bool
	// Palette is the palette of the colours. Plan files have the usual one.
	Palette Palette
	// Compact folds changes of the same shape into one entry, except dangerous ones.
	Compact bool
	// Commands adds the shell lines that would do the same.
	Commands bool
	// Width is the width of a line in columns; 0 means [DefaultWidth]. Paths are never broken, so that
	// they can be copied.
	Width int
	// MaxSize is how many bytes [Markdown] may return; 0 means no limit. Other renderings ignore it.
	MaxSize int
}

// DefaultWidth is the width of a line in plan files, in columns.
const DefaultWidth = 80

func (o Options) width() int {
	if o.Width <= 0 {
		return DefaultWidth
	}
	return max(o.Width, 60)
}

const esc = 0x1b

// style is the look of a piece of text.
type style uint8

const (
	plain style = iota
	bold
	dim
	green
	yellow
	red
	cyan
	magenta
	boldRed
	boldGreen
	boldCyan
	boldYellow
	struck // what an inline change removes
	added  // what it adds
	styles // the number of styles
)

// span is a piece of a line in one style. Its text is already escaped.
type span struct {
	style style
	text  string
}

type line []span

func text(s string) line             { return line{{plain, s}} }
func in(s style, t string) span      { return span{s, t} }
func (l line) add(more ...span) line { return append(l, more...) }

func (l line) columns() (n int) {
	for _, s := range l {
		n += columns(s.text)
	}
	return n
}

// printer writes lines as plain text or with SGR sequences.
type printer struct {
	buf         bytes.Buffer
	width       int
	open, close [styles]string
}

func newPrinter(opt Options) *printer {
	p := &printer{width: opt.width()}
	if opt.Color {
		p.open, p.close = sequences(opt.Palette)
	}
	return p
}

// sequences returns the sequences around a text of each style. It uses colour instances of its own
// that are switched on explicitly, so that environment, terminal and the library's global switch
// have no influence.
func sequences(c Palette) (open, closing [styles]string) {
	params := [styles][]color.Attribute{
		bold: {color.Bold}, dim: {color.Faint}, green: c.Green(), yellow: c.Yellow(), red: c.Red(),
		cyan: c.Cyan(), magenta: c.magenta(),
		boldRed: append(c.Red(), color.Bold), boldGreen: append(c.Green(), color.Bold),
		boldCyan:   append(c.Cyan(), color.Bold),
		boldYellow: append(c.Yellow(), color.Bold), struck: append(c.Red(), color.CrossedOut),
		added: append(c.Green(), color.Bold),
	}
	for s, attributes := range params {
		if len(attributes) == 0 {
			continue
		}
		c := color.New(attributes...)
		c.EnableColor()
		open[s], closing[s], _ = strings.Cut(c.Sprint("\x00"), "\x00")
		if len(attributes) > 1 {
			closing[s] = "\x1b[0m" // shorter than one sequence for each attribute
		}
	}
	return open, closing
}

// put writes one line, without blanks at its end.
func (p *printer) put(l line) {
	for len(l) > 0 {
		last := &l[len(l)-1]
		trimmed := strings.TrimRight(last.text, " ")
		if len(trimmed) == len(last.text) && trimmed != "" {
			break
		}
		if trimmed != "" {
			l = append(l[:len(l)-1:len(l)-1], span{last.style, trimmed})
			break
		}
		l = l[:len(l)-1]
	}
	now := plain
	for _, s := range l {
		if s.text == "" {
			continue
		}
		if s.style != now {
			p.buf.WriteString(p.close[now])
			p.buf.WriteString(p.open[s.style])
			now = s.style
		}
		p.buf.WriteString(s.text)
	}
	p.buf.WriteString(p.close[now])
	p.buf.WriteByte('\n')
}

func (p *printer) blank() { p.buf.WriteByte('\n') }

// prose writes a text after a prefix. Further lines get a prefix of their own with a mark that no
// text can remove.
func (p *printer) prose(first, next line, s string, st style) {
	for _, t := range prose(s, p.width-max(first.columns(), next.columns())) {
		p.put(append(append(line{}, first...), in(st, t)))
		first = next
	}
}
