package waldur

import "bytes"

// maxBefore is how many members of an object are compared with those of the item before.
const maxBefore = 32

// memberBefore is a member of an object of the item before. Items mostly have the same members in
// the same order, and most of these have the very same bytes: the system, the data type, the
// parent. What has the same bytes has the same value, and is not read again.
type memberBefore struct {
	// begin is the member's text up to the colon, and value the text after it.
	begin, value []byte
	name         []byte
	at           field
}

// collect parses the object at peek and keeps the values of its fields. It returns the number of
// members.
func (p *parser) collect(in field) int {
	f := p.in.open()
	if p.before[in].kind != kindObject {
		p.members[in] = p.members[in][:0]
	}
	for p.in.element(&f, '}') {
		m := p.placeOf(in, f.count-1)
		if !p.sameName(&f, m) && !p.readName(&f, m, in) {
			break
		}
		if start := p.in.pos; !p.sameValue(m) {
			p.store(m.at)
			m.value = p.in.text[start:p.in.pos]
		}
	}
	if f.count < len(p.members[in]) {
		p.members[in] = p.members[in][:f.count]
	}
	return f.count
}

// placeOf returns the nth member of the same object of the item before, to be overwritten. It
// is empty if there is none. All members beyond maxBefore share one place.
func (p *parser) placeOf(in field, n int) *memberBefore {
	if n = min(n, maxBefore); n == len(p.members[in]) {
		p.members[in] = append(p.members[in], memberBefore{})
	}
	return &p.members[in][n]
}

// sameName reports whether the next member has the name of m. If so, it moves to the value.
func (p *parser) sameName(f *frame, m *memberBefore) bool {
	if len(m.begin) == 0 || !bytes.HasPrefix(p.in.text[p.in.pos:], m.begin) ||
		p.in.seen(f, m.name) {
		return false
	}
	p.in.pos += len(m.begin)
	return true
}

// readName reads the next member's name into m and moves to the value. It returns false after an
// error.
func (p *parser) readName(f *frame, m *memberBefore, in field) bool {
	start := p.in.pos
	name, ok := p.in.name(f)
	*m = memberBefore{name: name, begin: p.in.text[start:p.in.pos], at: fieldOf(in, name)}
	return ok
}

// sameValue reports whether the value has the bytes of m, up to the comma or brace after it. If so,
// it moves past the value and takes the result of the item before.
func (p *parser) sameValue(m *memberBefore) bool {
	rest, n := p.in.text[p.in.pos:], len(m.value)
	if n == 0 || n >= len(rest) || rest[n] != ',' && rest[n] != '}' ||
		!bytes.HasPrefix(rest, m.value) {
		return false
	}
	p.in.pos += n
	if m.at != unread {
		copy(p.got[m.at:within[m.at]+1], p.before[m.at:])
	}
	return true
}

// nextItem ends an item and makes room for the values of the next, which is compared with this one.
// After an item with a problem, the next is read in full, so that it has its own problem.
func (p *parser) nextItem() {
	items := p.got[firstItemField : lastItemField+1]
	if p.problem == "" {
		copy(p.before[firstItemField:], items)
		p.before[inItem].kind = kindObject
	} else {
		clear(p.before[:])
	}
	clear(items)
}
