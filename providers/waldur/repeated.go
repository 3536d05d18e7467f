package waldur

import (
	"bytes"
	"sync"

	"github.com/waldur/cscs-storage-sync/planner"
)

const (
	// maxRemembered bounds the entries of one status that a process remembers, in bytes.
	maxRemembered = 64 << 20
	// lookAhead is how many entries may be gone at one place of a listing before the rest of it is
	// parsed again.
	lookAhead = 8
)

// entries are the entries of a listing by status, in its order. The next listing has nearly all of
// them again: tenants and customers are always pending. An item follows from the bytes of its
// entry alone, so the item of an entry that has not changed is not made again. Entries do not
// change once they are remembered, and nobody changes their items.
type entries struct {
	texts [][]byte
	items []planner.Item
	// size is the length of all texts.
	size int
	// parsed counts the entries that were parsed since the process began to remember. Those that are
	// gone may keep memory in use, so with too many of them everything is parsed again.
	parsed int
}

// repeats finds the entries of the last listing again while a listing is read.
type repeats struct {
	last entries
	// next is the first entry of the last listing after all that were found.
	next int
	// differs reports whether the listing differs from the last one so far. now has its entries then;
	// before, they are those of the last one.
	differs bool
	now     entries
}

// find returns the item of the entry with which text begins, and the entry's length, if the last
// listing had the same entry about here.
func (r *repeats) find(text []byte) (it planner.Item, length int, ok bool) {
	for i := r.next; i < min(r.next+lookAhead, len(r.last.texts)); i++ {
		if bytes.HasPrefix(text, r.last.texts[i]) {
			if i > r.next {
				r.differ()
			}
			r.next = i + 1
			if r.differs {
				r.add(r.last.texts[i], &r.last.items[i])
			}
			return r.last.items[i], len(r.last.texts[i]), true
		}
	}
	return planner.Item{}, 0, false
}

// differ notes that the next entry is not that of the last listing.
func (r *repeats) differ() {
	if r.differs {
		return
	}
	r.differs = true
	r.now.parsed = r.last.parsed
	r.now.texts = append(make([][]byte, 0, len(r.last.texts)+1), r.last.texts[:r.next]...)
	r.now.items = append(make([]planner.Item, 0, len(r.last.items)+1), r.last.items[:r.next]...)
	for _, text := range r.now.texts {
		r.now.size += len(text)
	}
}

func (r *repeats) add(text []byte, it *planner.Item) {
	if r.now.size += len(text); r.now.size <= maxRemembered {
		r.now.texts, r.now.items = append(r.now.texts, text), append(r.now.items, *it)
	}
}

// entry parses the entry at peek, unless the last listing had the same one.
func (p *parser) entry(it *planner.Item, position int) {
	isObject := p.in.peek() == '{'
	start := p.in.pos
	if p.repeats == nil || !isObject {
		p.item(it, position)
		return
	}
	if found, length, ok := p.repeats.find(p.in.text[start:]); ok {
		p.in.pos += length
		*it = found
		return
	}
	p.item(it, position)
	if p.in.err == nil && it.Problem == "" { // a problem names the position
		p.repeats.differ()
		p.repeats.now.parsed++
		p.repeats.add(bytes.Clone(p.in.text[start:p.in.pos]), it)
	}
}

// remembered are the last listings by status.
type remembered struct {
	mu   sync.Mutex
	last map[planner.Status]entries
}

// of returns what finds the entries of a listing by status again; nil for a listing of everything,
// which is too long to be remembered.
func (m *Memory) of(s planner.Status) *repeats {
	if m == nil || s == "" {
		return nil
	}
	m.entries.mu.Lock()
	defer m.entries.mu.Unlock()
	r := &repeats{last: m.entries.last[s]}
	if r.last.parsed > 3*len(r.last.items) {
		r.last = entries{}
	}
	return r
}

// keep remembers a listing that was read to its end.
func (m *Memory) keep(s planner.Status, r *repeats) {
	if r == nil || !r.differs && r.next == len(r.last.texts) {
		return
	}
	r.differ()
	m.entries.mu.Lock()
	defer m.entries.mu.Unlock()
	if m.entries.last == nil {
		m.entries.last = map[planner.Status]entries{}
	}
	m.entries.last[s] = r.now
}
