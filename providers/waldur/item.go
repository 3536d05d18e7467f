package waldur

import (
	"fmt"
	"strconv"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/chunk"
)

// How much the parser remembers in order to share equal strings and numbers between items.
const (
	maxInterned      = 1 << 16
	maxInternedBytes = 128
	maxDecimals      = 1 << 12
	maxLists         = 1 << 12
	maxListBytes     = 512
)

// The largest values of an item, in bytes. A longer value is a problem of that item and is not
// kept.
const (
	maxURL  = 2048
	maxPath = 4096 // Linux's PATH_MAX
	maxWord = 255
)

// Bounds of a whole listing. A proxy that never stops, or that is not ours, must not fill the
// memory.
const (
	maxTotal = 2_000_000
	maxKept  = 1 << 30
	// itemOverhead is roughly what an item takes besides its texts, in bytes.
	itemOverhead = 512
)

// parser parses pages, items and orders. It is reused for the pages of a listing, so that equal
// strings (systems, data types, parents, …) are stored once. It is not safe for concurrent use.
type parser struct {
	in scanner
	// got are the values of the text, the item and the quota that is being parsed.
	got [fields]value
	// before are the values of the item before, if it is one with which the next may be compared.
	// members are the members of its objects, in their order.
	before  [fields]value
	members [fields][]memberBefore
	problem string
	strings map[string]string
	// words are the strings that the fields had last.
	words    [fields]string
	decimals map[string]planner.Decimal
	// lists are the limits of arrays of quotas, by their text.
	lists  map[string]*planner.ProxyQuotas
	buf    []byte
	idRoom [32]byte
	// texts and limits hold the memory of the items.
	texts  chunk.Texts
	limits chunk.Items[planner.ProxyQuotas]
	// repeats, if not nil, has the entries that are not parsed again.
	repeats *repeats
	// kept is roughly how many bytes the items so far take. It is at most maxKept.
	kept, maxKept int
}

func newParser() *parser {
	return &parser{strings: map[string]string{}, decimals: map[string]planner.Decimal{},
		lists: map[string]*planner.ProxyQuotas{}, maxKept: maxKept}
}

// start begins to read another text.
func (p *parser) start(text []byte) {
	p.in.start(text)
	p.problem = ""
	clear(p.got[:])
	clear(p.before[:])
}

// bad notes what is wrong with a field of the current item or order. Only the first problem is
// kept.
func (p *parser) bad(at field, format string, args ...any) {
	p.badField(at.String(), format, args...)
}

func (p *parser) badField(field, format string, args ...any) {
	if p.problem == "" {
		p.problem = field + ": " + fmt.Sprintf(format, args...)
	}
}

// store parses the value of a field.
func (p *parser) store(to field) {
	c := p.in.peek()
	switch {
	case to == unread:
		p.in.skip()
	case c == '[' && (to == itemQuotas || to == itemNewQuotas):
		p.got[to] = value{kind: kindArray, limits: p.quotaList(to)}
	case c == '{' && to.composite():
		p.got[to] = value{kind: kindObject}
		p.got[to].count = int32(p.collect(to))
	case c == '{', c == '[':
		start := p.in.pos
		k := p.in.skip()
		p.got[to] = value{kind: k, raw: p.in.text[start:p.in.pos]}
	default:
		p.got[to] = p.in.scalar()
	}
	if k := p.got[to].kind; k != kindObject && k != kindNull && k != kindMissing && to.composite() {
		p.bad(to, "want an object, got %v", k)
	}
}

// item parses one entry of a listing. position counts from 1, and names the entry if it has no
// readable id.
func (p *parser) item(it *planner.Item, position int) {
	p.problem = ""
	if p.in.peek() != '{' {
		it.Problem = fmt.Sprintf("entry %d: want an object, got %v", position, p.in.skip())
		return
	}
	p.collect(inItem)
	if p.in.err != nil {
		return
	}
	it.Quotas, it.NewQuotas = p.got[itemQuotas].limits, p.got[itemNewQuotas].limits
	p.identity(it)
	p.intent(it)
	p.target(it)
	p.callbacks(it)
	it.Problem = p.problem
	if it.Problem != "" && it.Key.Item == "" {
		it.Problem = fmt.Sprintf("entry %d: %s", position, it.Problem)
	}
	p.nextItem()
}

// identity parses the three parts of the key, as far as they can be read, and the parent.
func (p *parser) identity(it *planner.Item) {
	it.Key.Item = p.texts.Keep(p.id(itemID))
	it.Key.System = p.interned(itemSystemKey)
	if it.Key.System == "" {
		p.bad(itemSystemKey, "empty")
	}
	if p.got[itemDataTypeKey].kind != kindNull {
		it.Key.DataType = p.interned(itemDataTypeKey)
	}
	if k := p.got[itemParent].kind; k != kindNull && k != kindMissing {
		it.Parent = p.intern(itemParent, p.id(itemParent))
	}
}

// intent parses what the directory should be.
func (p *parser) intent(it *planner.Item) {
	if s := planner.Status(p.interned(itemStatus)); s.IsKnown() {
		it.Status = s
	} else {
		p.bad(itemStatus, "unknown value %.40q", string(s))
	}
	it.MountPath = p.texts.Keep(p.shortString(itemMountDefault, maxPath))
	it.Permission = p.interned(itemPermissionValue)
	if !isOctal(it.Permission) {
		p.bad(itemPermissionValue, "%.40q is not three or four octal digits", it.Permission)
		it.Permission = ""
	}
	if v := p.got[itemPermissionType]; v.kind != kindMissing &&
		string(p.str(itemPermissionType)) != "octal" {
		p.bad(itemPermissionType, "want \"octal\", got %.40q", v.raw)
	}
	for _, q := range []field{itemQuotas, itemNewQuotas} {
		if k := p.got[q].kind; k != kindArray && k != kindNull && k != kindMissing {
			p.bad(q, "want an array or null, got %v", k)
		}
	}
}

func isOctal(s string) bool {
	if len(s) != 3 && len(s) != 4 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '7' {
			return false
		}
	}
	return true
}

// target parses whom the item is for. The type of the target says where its name and group are.
func (p *parser) target(it *planner.Item) {
	name, gid := unread, unread
	switch t := planner.Target(p.interned(itemTargetType)); t {
	case planner.TargetTenant, planner.TargetCustomer:
		it.Target, name = t, itemTargetKey
	case planner.TargetProject:
		it.Target, name, gid = t, itemTargetName, itemTargetGID
	case planner.TargetUser:
		it.Target, name, gid = t, itemPrimaryName, itemPrimaryGID
	default:
		p.bad(itemTargetType, "unknown value %.40q", string(t))
		return
	}
	if p.got[itemTargetItem].kind != kindObject {
		p.bad(itemTargetItem, "want an object, got %v", p.got[itemTargetItem].kind)
		return
	}
	switch k := p.got[name].kind; {
	case k == kindNull || k == kindMissing:
	case it.Target == planner.TargetProject: // hardly any two have the same name
		it.Name = p.texts.Keep(p.shortString(name, maxWord))
	default:
		it.Name = p.interned(name)
	}
	if gid != unread {
		it.GID, it.HasGID = p.gid(gid)
		if p.got[itemQuotas].kind == kindMissing {
			p.bad(itemQuotas, "missing")
		}
	}
}

// gid parses a group id, which may be any whole number. If it is null or missing, the proxy knows
// none.
func (p *parser) gid(at field) (int64, bool) {
	switch v := p.got[at]; v.kind {
	case kindNull, kindMissing:
	case kindNumber:
		n, err := strconv.ParseInt(string(v.raw), 10, 64)
		if err == nil {
			return n, true
		}
		p.bad(at, "%.40q is not a whole number within 64 bits", v.raw)
	default:
		p.bad(at, "want a number, got %v", v.kind)
	}
	return 0, false
}

// callbacks parses the URLs. Package planner checks their targets.
func (p *parser) callbacks(it *planner.Item) {
	for s := itemApprove; s <= itemUpdateOptions; s++ {
		if k := p.got[s].kind; k == kindMissing || k == kindNull {
			continue
		}
		switch u := p.str(s); {
		case len(u) == 0:
			p.bad(s, "empty")
		case len(u) > maxURL:
			p.bad(s, "longer than %d bytes", maxURL)
		default:
			if it.URLs == nil {
				it.URLs = make(map[planner.Callback]string, 6)
			}
			it.URLs[callbackOf[s]] = string(u)
		}
	}
}

// str returns the string at a field, valid until the next call. Anything else is a problem.
func (p *parser) str(at field) []byte {
	v := p.got[at]
	switch {
	case v.kind == kindMissing:
		p.bad(at, "missing")
		return nil
	case v.kind != kindString:
		p.bad(at, "want a string, got %v", v.kind)
		return nil
	case !v.escaped:
		return v.raw
	}
	var ok bool
	if p.buf, ok = unescape(p.buf[:0], v.raw); !ok {
		p.bad(at, "half a surrogate pair, which is not valid text")
		return nil
	}
	return p.buf
}

// uuid returns the UUID at a field, without dashes, or "" if it is not a UUID.
func (p *parser) uuid(at field) string { return string(p.id(at)) }

// id returns the same as uuid, valid until the next call.
func (p *parser) id(at field) []byte {
	s := p.str(at)
	id, ok := planner.AppendUUID(p.idRoom[:0], s)
	if !ok {
		p.bad(at, "%.40q is not a UUID", s)
	}
	return id
}

// interned returns the string at a field, which is stored once however many items have it.
func (p *parser) interned(at field) string { return p.intern(at, p.shortString(at, maxWord)) }

// shortString returns the string at a field, or nil if it is longer than most bytes.
func (p *parser) shortString(at field, most int) []byte {
	s := p.str(at)
	if len(s) > most {
		p.bad(at, "longer than %d bytes", most)
		return nil
	}
	return s
}

// keep adds up how much memory the items take.
func (p *parser) keep(it *planner.Item) {
	p.kept += itemOverhead + len(it.MountPath) + len(it.Name) + len(it.Key.Item) + len(it.Key.System) +
		len(it.Key.DataType) + len(it.Problem)
	for _, u := range it.URLs {
		p.kept += len(u) + 32
	}
	if p.kept > p.maxKept {
		p.in.fail("the listing takes more than %d MiB of memory, so it is not used: check that "+
			"proxy.url is the Storage Proxy", p.maxKept>>20)
	}
}

// intern returns b, which is from a field of the current item, as a string that is stored once.
func (p *parser) intern(at field, b []byte) string {
	if last := p.words[at]; string(b) == last {
		return last
	}
	s, ok := p.strings[string(b)]
	if !ok {
		s = p.texts.Keep(b)
	}
	if !ok && len(p.strings) < maxInterned && len(b) <= maxInternedBytes {
		p.strings[s] = s
	}
	p.words[at] = s
	return s
}

// decimal parses a number exactly.
func (p *parser) decimal(raw []byte) (planner.Decimal, error) {
	if d, ok := p.decimals[string(raw)]; ok {
		return d, nil
	}
	d, err := planner.ParseDecimal(string(raw))
	if err == nil && len(p.decimals) < maxDecimals && len(raw) <= maxInternedBytes {
		p.decimals[string(raw)] = d
	}
	return d, err
}
