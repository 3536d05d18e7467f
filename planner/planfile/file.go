package planfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/parallel"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// MaxSize is the largest size of a plan file, in bytes.
const MaxSize = 256 << 20

// begin is how every plan file begins.
const begin = "cscs-sync plan v1"

// MayReplace refuses to replace a file that is not a plan file.
func MayReplace(existing []byte) error {
	if !bytes.HasPrefix(existing, []byte(begin)) {
		return errors.New("it is not a plan file; name another file, or remove it")
	}
	return nil
}

// MayReplaceJSON refuses to replace a file that is not the JSON of a plan.
func MayReplaceJSON(existing []byte) error {
	var head struct {
		Version string `json:"format_version"`
		ID      string `json:"id"`
	}
	err := json.Unmarshal(existing, &head)
	if err != nil || head.Version == "" || !strings.HasPrefix(head.ID, "sha256:") {
		return errors.New("it is not the JSON of a plan; name another file, or remove it")
	}
	return nil
}

// textLine is the line on which the readable part begins.
const textLine = 3

// File is a plan file that has passed all checks.
type File struct {
	Plan *planner.Plan
	// Text is the readable part of the file. Do not show the text of a foreign file: nobody knows
	// whether it fits the plan.
	Text []byte
	// Colored reports whether Text is the coloured rendering.
	Colored bool
	// Foreign reports whether the file was written by another [Renderer] version: see [File.Check].
	Foreign bool
	// Approvals are the blocks of approvals, as [EncodeApproval] writes them, in the order of the
	// file.
	Approvals [][]byte
	// id and digest are the plan's id and the digest of the machine's part.
	id, digest string
	// head is the file up to the end of the machine's part.
	head []byte
}

// Marshal returns the plan file of a plan. It refuses a plan that no reader would accept.
func Marshal(plan *planner.Plan, opt render.Options) ([]byte, error) {
	if plan.Context.Renderer != canonical.Renderer {
		return nil, &ForeignError{Renderer: plan.Context.Renderer}
	}
	plan = canonical.Normal(plan)
	part, id := canonical.EncodeWithID(plan)
	if bytes.ContainsRune(part, utf8.RuneError) {
		// Perhaps something was not UTF-8. A reader will have what is rendered.
		var err error
		if plan, err = decode(part); err != nil {
			return nil, err
		}
	}
	if err := validate(plan); err != nil {
		return nil, ownMistake(err)
	}
	shown := parallel.Meanwhile(func() []byte { return rendering(plan, id, opt.Color) })
	packed, err := compress(part)
	if err != nil {
		return nil, fmt.Errorf("plan file: compress: %w", err)
	}
	data := slices.Concat([]byte(begin+"\n\n"), shown(), []byte("\n"), armor(planLabel, packed))
	if len(data) > MaxSize {
		return nil, &FormatError{Problem: fmt.Sprintf("would have %s, more than %s",
			planner.Bytes(len(data)), planner.Bytes(MaxSize)),
			Hint: "split the plan with --target or --exclude"}
	}
	return data, nil
}

// ownMistake changes the hint of an error: a plan that was just made has no author to ask.
func ownMistake(err error) error {
	var bad *FormatError
	if !errors.As(err, &bad) {
		return err
	}
	return &FormatError{Line: bad.Line, Problem: bad.Problem,
		Hint: "nothing was written; this is a mistake of cscs-sync, please report it"}
}

// rendering returns the readable part of a plan file: always the full one, at 80 columns.
func rendering(plan *planner.Plan, id string, color bool) []byte {
	return render.TextOf(plan, id, render.Options{Color: color})
}

// Parse reads a plan file. It refuses everything that Marshal and AddApproval would not have
// written, except for differences in compression. An error is a [*FormatError] or, for a file that
// another version wrote and this one can't even show, a [*ForeignError].
func Parse(data []byte) (*File, error) {
	if len(data) > MaxSize {
		return nil, damaged(0, "it has more than %s", planner.Bytes(MaxSize))
	}
	data = normalise(data)
	text, block, line, err := cutText(data)
	if err != nil {
		return nil, err
	}
	packed, rest, err := unarmor(planLabel, block, line)
	if err != nil {
		return nil, err
	}
	f := &File{head: data[:len(data)-len(rest)], Text: text}
	if err := f.open(packed, int64(len(data))); err != nil {
		return nil, err
	}
	return f, f.readApprovals(rest, line+bytes.Count(block[:len(block)-len(rest)], []byte("\n")))
}

// open decompresses and checks the machine's part, and checks the text against it.
func (f *File) open(packed []byte, size int64) error {
	// JSON is two to four times as long as its text and its compressed form. A factor of sixteen
	// leaves room and stops a decompression bomb.
	part, err := decompress(packed, 16<<20+16*size)
	if err != nil {
		return err
	}
	shown, err := f.read(part)
	if err != nil {
		// Another version of cscs-sync has other members and other words.
		if other := canonical.RendererOf(part); other != canonical.Renderer {
			f.Foreign = true
			return &ForeignError{Renderer: other, Unreadable: err}
		}
		return err
	}
	if f.Foreign = f.Plan.Context.Renderer != canonical.Renderer; f.Foreign {
		return nil
	}
	return f.compareText(shown())
}

// read reads and checks the machine's part. While its form is compared, the text that the file
// should have is rendered. shown waits for that text; it is nil for a foreign file.
func (f *File) read(part []byte) (shown func() []byte, err error) {
	reading, err := canonical.Begin(part)
	if err != nil {
		return nil, unread(err)
	}
	plan := reading.Plan
	invalid := validate(plan)
	f.Colored = len(f.Text) > 0 && f.Text[0] == '\x1b' // the first line is bold
	if invalid == nil && plan.Context.Renderer == canonical.Renderer {
		shown = parallel.Meanwhile(func() []byte {
			return rendering(plan, reading.ID, f.Colored)
		})
	}
	if err := reading.Check(); err != nil {
		return nil, unread(err)
	}
	if invalid == nil {
		f.Plan, f.id, f.digest = plan, reading.ID, canonical.Digest(part)
	}
	return shown, invalid
}

// ID returns what [canonical.ID] computes for the plan, and ContextDigest what
// [canonical.ContextDigest] does. Both are taken from the file, which was compared with what these
// would encode.
func (f *File) ID() string { return f.id }

// ContextDigest returns the digest of the machine's part: see ID.
func (f *File) ContextDigest() string { return f.digest }

// Show returns [render.Text] of the plan. If the text of the file is the same or differs only by
// colour, Show uses it, because it is known to be right.
func (f *File) Show(opt render.Options) []byte {
	asked := opt
	asked.MaxSize = 0 // texts ignore it
	if asked.Width == render.DefaultWidth {
		asked.Width = 0
	}
	switch {
	case f.Foreign:
	case asked == render.Options{Palette: opt.Palette}:
		return uncolored(f.Text)
	case asked == render.Options{Color: f.Colored}:
		return f.Text
	}
	return render.TextOf(f.Plan, f.id, opt)
}

// uncolored returns a text without the sequences ESC [ … m, which are all that colour adds. What a
// plan says never contains an escape character, because [render.Escape] shows it as text.
func uncolored(text []byte) []byte {
	plain := make([]byte, 0, len(text))
	for {
		before, rest, found := bytes.Cut(text, []byte("\x1b["))
		plain = append(plain, before...)
		if !found {
			return plain
		}
		_, text, _ = bytes.Cut(rest, []byte("m"))
	}
}

// compareText refuses a file whose text is neither the coloured nor the plain rendering of its
// plan.
func (f *File) compareText(want []byte) error {
	if bytes.Equal(f.Text, want) {
		return nil
	}
	line, found, wanted := whereTheyDiffer(f.Text, want)
	return damaged(line+textLine-1, "the text does not show what the machine's part does: "+
		"found %s, want %s", found, wanted)
}

func (f *File) readApprovals(rest []byte, line int) error {
	for len(rest) > 0 {
		_, after, err := unarmor(approvalLabel, rest, line)
		if err != nil {
			return err
		}
		block := rest[:len(rest)-len(after)]
		f.Approvals = append(f.Approvals, bytes.Clone(block))
		line += bytes.Count(block, []byte("\n"))
		rest = after
	}
	return nil
}

// cutText splits off the first line and the readable part. block is what follows, and line is where
// that begins.
func cutText(data []byte) (text, block []byte, line int, err error) {
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	if string(first) != begin {
		if bytes.HasPrefix(first, []byte("cscs-sync plan v")) {
			return nil, nil, 0, &FormatError{Line: 1, Problem: "unknown version " + excerpt(first),
				Hint: "use the version of cscs-sync that made it"}
		}
		return nil, nil, 0, &FormatError{Line: 1,
			Problem: "this is not a plan file, it should begin with `" + begin + "`",
			Hint:    "name the file that `cscs-sync plan --out` wrote"}
	}
	rest, ok := bytes.CutPrefix(rest, []byte("\n"))
	if !ok {
		return nil, nil, 0, damaged(2, "want an empty line")
	}
	text, _, ok = bytes.Cut(rest, []byte("\n\n"+beginLine(planLabel)+"\n"))
	if !ok {
		return nil, nil, 0, damaged(0, "there is no line %q after an empty one", beginLine(planLabel))
	}
	text = rest[:len(text)+1]
	block = rest[len(text)+1:]
	return text, block, textLine + 1 + bytes.Count(text, []byte("\n")), nil
}

// normalise undoes what mail and ticket systems do to text: CRLF, blanks at line ends, and a
// missing last line end.
func normalise(data []byte) []byte {
	if bytes.HasSuffix(data, []byte("\n")) && bytes.IndexByte(data, '\r') < 0 && !bytes.Contains(data,
		[]byte(" \n")) &&
		!bytes.Contains(data, []byte("\t\n")) {
		return data
	}
	out := make([]byte, 0, len(data)+1)
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		out = append(append(out, bytes.TrimRight(line, " \t")...), '\n')
	}
	return out
}

// Bytes returns the file in its normal form, with all approvals.
func (f *File) Bytes() []byte { return slices.Concat(append([][]byte{f.head}, f.Approvals...)...) }

// AddApproval adds one approval at the end. The block must be one of [EncodeApproval].
func (f *File) AddApproval(block []byte) error {
	payload, err := DecodeApproval(block)
	if err != nil {
		return err
	}
	f.Approvals = append(f.Approvals, EncodeApproval(payload))
	return nil
}

// Check refuses a file that may be shown but not approved or applied, because its text could not be
// compared.
func (f *File) Check() error {
	if f.Foreign {
		return &ForeignError{Renderer: f.Plan.Context.Renderer}
	}
	return nil
}
