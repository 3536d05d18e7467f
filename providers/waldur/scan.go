package waldur

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/waldur/cscs-storage-sync/planner"
)

// maxNesting is how deeply objects and arrays may be nested; the proxy's answers need 6.
const maxNesting = 32

// kind is the JSON type of a value. Its zero value means that there is no value.
type kind byte

const (
	kindMissing kind = 0
	kindNull    kind = 'n'
	kindString  kind = '"'
	kindNumber  kind = '0'
	kindBool    kind = 't'
	kindObject  kind = '{'
	kindArray   kind = '['
)

// String returns the kind's name for messages.
func (k kind) String() string {
	switch k {
	case kindNull:
		return "null"
	case kindString:
		return "a string"
	case kindNumber:
		return "a number"
	case kindBool:
		return "true or false"
	case kindObject:
		return "an object"
	case kindArray:
		return "an array"
	}
	return "nothing"
}

// value is a JSON value in the scanned text. raw is the text of a number, or the text between a
// string's quotes. It is valid as long as the text.
type value struct {
	kind    kind
	escaped bool
	// count is the number of members of an object whose members were collected.
	count int32
	raw   []byte
	// limits are those of an array of quotas.
	limits *planner.ProxyQuotas
}

// scanner reads one JSON text (RFC 8259) strictly, in one pass and without building values. It
// refuses what encoding/json accepts: a member that occurs twice, at any depth, and nesting beyond
// maxNesting. The text must be valid UTF-8; see start. After the first error, every method does
// nothing.
type scanner struct {
	text  []byte
	pos   int
	depth int
	// names are the member names of all open objects. Those of the innermost object come last.
	names [][]byte
	err   error
}

// frame is an object or array that is being read.
type frame struct {
	count int
	base  int
	// mask has a bit for each name seen, by a weak hash. A name is compared with the others only if
	// its bit is set.
	mask uint64
	// many replaces the comparison, which would be quadratic, in objects with very many members.
	many map[string]struct{}
}

// start begins to read another text. It keeps the buffers.
func (s *scanner) start(text []byte) {
	s.text, s.pos, s.depth, s.names, s.err = text, 0, 0, s.names[:0], nil
	if !utf8.Valid(text) {
		s.fail("invalid UTF-8")
	}
}

// finish fails if anything follows the value.
func (s *scanner) finish() error {
	if c := s.peek(); s.err == nil && (c != 0 || s.pos < len(s.text)) {
		s.fail("unexpected text after the end")
	}
	return s.err
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("byte %d: %s", s.pos, fmt.Sprintf(format, args...))
	}
}

func (s *scanner) unexpected(want string) {
	if s.pos >= len(s.text) {
		s.fail("the text ends where %s should be", want)
		return
	}
	r, _ := utf8.DecodeRune(s.text[s.pos:])
	s.fail("%q where %s should be", r, want)
}

// peek skips white space and returns the byte after it, or 0 at the end of the text.
func (s *scanner) peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// open enters the object or array at peek.
func (s *scanner) open() frame {
	s.depth++
	if s.depth > maxNesting {
		s.fail("nesting is deeper than %d", maxNesting)
	}
	s.pos++
	return frame{base: len(s.names)}
}

// element moves to the next element. It returns false after an error, and at the closing byte,
// which it consumes.
func (s *scanner) element(f *frame, closing byte) bool {
	if s.err != nil {
		return false
	}
	c := s.peek()
	if c == closing {
		s.pos++
		s.depth--
		s.names = s.names[:f.base]
		return false
	}
	if f.count > 0 {
		if c != ',' {
			s.unexpected("a comma or " + string(closing))
			return false
		}
		s.pos++
		s.peek()
	}
	f.count++
	return true
}

// member moves to the value of the next member and returns its name. It returns false at the
// object's end and after an error.
func (s *scanner) member(f *frame) ([]byte, bool) {
	if !s.element(f, '}') {
		return nil, false
	}
	return s.name(f)
}

// name reads a member's name and moves to its value.
func (s *scanner) name(f *frame) ([]byte, bool) {
	if s.peek() != '"' {
		s.unexpected("a member's name")
		return nil, false
	}
	v := s.quoted()
	name, ok := v.raw, true
	if v.escaped {
		if name, ok = unescape(nil, v.raw); !ok {
			s.fail("a member's name has half a surrogate pair")
		}
	}
	if s.err == nil && s.peek() != ':' {
		s.unexpected("a colon")
	}
	if s.err == nil && s.seen(f, name) {
		s.fail("duplicate member %.40q", name)
	}
	if s.err != nil {
		return nil, false
	}
	s.pos++
	return name, true
}

// seen records a name and reports whether the object already has it.
func (s *scanner) seen(f *frame, name []byte) bool {
	const few = 64
	if f.count > few {
		return f.seenAmongMany(s.names[f.base:], name)
	}
	bit := uint64(1)
	if n := len(name); n > 0 {
		bit = 1 << ((uint(n)*7 + uint(name[0])*3 + uint(name[n-1]) + uint(name[n/2])*5) & 63)
	}
	if f.mask&bit != 0 {
		for _, other := range s.names[f.base:] {
			if bytes.Equal(other, name) {
				return true
			}
		}
	}
	f.mask |= bit
	s.names = append(s.names, name)
	return false
}

func (f *frame) seenAmongMany(before [][]byte, name []byte) bool {
	if f.many == nil {
		f.many = make(map[string]struct{}, 2*len(before))
		for _, n := range before {
			f.many[string(n)] = struct{}{}
		}
	}
	_, dup := f.many[string(name)]
	f.many[string(name)] = struct{}{}
	return dup
}

// skip reads past a value of any kind and checks all of it.
func (s *scanner) skip() kind {
	switch c := s.peek(); c {
	case '{':
		f := s.open()
		for _, ok := s.member(&f); ok; _, ok = s.member(&f) {
			s.skip()
		}
		return kindObject
	case '[':
		f := s.open()
		for s.element(&f, ']') {
			s.skip()
		}
		return kindArray
	}
	return s.scalar().kind
}

// scalar reads a value that is neither an object nor an array.
func (s *scanner) scalar() value {
	if s.err != nil {
		return value{}
	}
	switch c := s.peek(); {
	case c == '"':
		return s.quoted()
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case s.word("null"):
		return value{kind: kindNull}
	case s.word("true"), s.word("false"):
		return value{kind: kindBool}
	}
	s.unexpected("a value")
	return value{}
}

func (s *scanner) word(w string) bool {
	if end := s.pos + len(w); end <= len(s.text) && string(s.text[s.pos:end]) == w {
		s.pos = end
		return true
	}
	return false
}

// quoted reads the string at pos.
func (s *scanner) quoted() value {
	start, escaped := s.pos+1, false
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return value{kind: kindString, escaped: escaped, raw: s.text[start:i]}
		case c == '\\':
			escaped = true
			n := escapeLen(s.text[i:])
			if n == 0 {
				s.pos = i
				s.fail("bad escape in a string")
				return value{}
			}
			i += n - 1
		case c < ' ':
			s.pos = i
			s.fail("control character %q in a string", c)
			return value{}
		}
	}
	s.pos = len(s.text)
	s.unexpected("the end of a string")
	return value{}
}

// number reads the number at pos.
func (s *scanner) number() value {
	start := s.pos
	s.byteIn("-", "")
	if !s.byteIn("0", "") && !s.digits() {
		s.unexpected("a digit")
	}
	if s.byteIn(".", "") && !s.digits() {
		s.unexpected("a digit")
	}
	if s.byteIn("e", "E") {
		s.byteIn("+", "-")
		if !s.digits() {
			s.unexpected("a digit")
		}
	}
	return value{kind: kindNumber, raw: s.text[start:s.pos]}
}

// byteIn consumes the next byte if it is a or b.
func (s *scanner) byteIn(a, b string) bool {
	if s.pos < len(s.text) && (s.text[s.pos] == a[0] || b != "" && s.text[s.pos] == b[0]) {
		s.pos++
		return true
	}
	return false
}

// digits consumes one or more digits.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}
