package index

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sort"

	"github.com/waldur/cscs-storage-sync/planner"
)

// Index finds items of the last complete listing. It reads the chunks that it needs, each once. Its
// items must not be changed.
type Index struct {
	settings *planner.Settings
	read     func(n int) (json.RawMessage, error)
	head     head
	chunks   map[int]*chunk
	parts    map[int][]byte
}

// chunk has some items and their places, in the order of the places.
type chunk struct {
	items  []planner.Item
	places []string
}

// Open opens the index whose chunks read returns by number; nil stands for a chunk that does not
// exist. The error is [ErrForm] if there is no index of this form that was made under s.
func Open(s *planner.Settings, read func(n int) (json.RawMessage, error)) (*Index, error) {
	x := &Index{settings: s, read: read, chunks: map[int]*chunk{}, parts: map[int][]byte{}}
	first, err := read(0)
	if err != nil {
		return nil, err
	}
	if x.head, err = readHead(first); err != nil {
		return nil, err
	}
	if x.head.Settings != s.Fingerprint {
		return nil, ErrForm
	}
	return x, nil
}

// Loose returns the keys of the records that cannot be found by their items; false if there were
// too many of them, or of items with an order, to keep them.
func (x *Index) Loose() ([]planner.Key, bool) { return x.head.Loose, !x.head.Crowded }

// Around returns the items whose places are at a storage path, inside it, or above it.
func (x *Index) Around(place string) ([]*planner.Item, error) {
	found, err := x.span(place, isAtOrIn(place), every)
	for up, ok := planner.ParentOf(place); ok && err == nil; up, ok = planner.ParentOf(up) {
		var above []*planner.Item
		above, err = x.span(up, func(p string) bool { return p == up }, every)
		found = append(found, above...)
	}
	return found, err
}

// Beside returns the items whose places are directly in a directory.
func (x *Index) Beside(dir string) ([]*planner.Item, error) {
	return x.span(dir, isAtOrIn(dir), func(p string) bool {
		up, _ := planner.ParentOf(p)
		return up == dir
	})
}

// OfItem returns the items with an item id, of all systems and data types.
func (x *Index) OfItem(id string) ([]*planner.Item, error) {
	return x.posted(hashOfItem(id), func(it *planner.Item) bool { return it.Key.Item == id })
}

// OfGroup returns the items to which the proxy gives a group id.
func (x *Index) OfGroup(id uint32) ([]*planner.Item, error) {
	return x.posted(hashOfGroup(id), func(it *planner.Item) bool {
		return it.HasGID && it.GID == int64(id)
	})
}

// Ordered returns the items that have an order, or a status that only an order gives.
func (x *Index) Ordered() ([]*planner.Item, error) {
	raw, err := x.get(len(x.head.First) + len(x.head.Parts) + 1)
	if err != nil {
		return nil, err
	}
	items, err := itemsOf(raw)
	found := make([]*planner.Item, len(items))
	for i := range items {
		found[i] = &items[i]
	}
	return found, err
}

// span looks at the items from place on as long as the next one belongs, and returns the wanted.
func (x *Index) span(place string, belongs, wanted func(place string) bool) (
	found []*planner.Item, err error) {
	first := sort.Search(len(x.head.First), func(i int) bool {
		return planner.ComparePaths(x.head.First[i], place) >= 0
	})
	// What belongs may begin in the chunk before.
	for i := max(first-1, 0); i < len(x.head.First); i++ {
		if i >= first && !belongs(x.head.First[i]) {
			break
		}
		c, err := x.chunk(i)
		if err != nil {
			return nil, err
		}
		from := sort.Search(len(c.places), func(j int) bool {
			return planner.ComparePaths(c.places[j], place) >= 0
		})
		for j := from; j < len(c.places) && belongs(c.places[j]); j++ {
			if wanted(c.places[j]) {
				found = append(found, &c.items[j])
			}
		}
	}
	return found, nil
}

// posted returns the wanted items of the chunks that a hash leads to.
func (x *Index) posted(hash uint32, wanted func(*planner.Item) bool) ([]*planner.Item, error) {
	first := sort.Search(len(x.head.Parts), func(i int) bool { return x.head.Parts[i] >= hash })
	var found []*planner.Item
	for i := max(first-1, 0); i < len(x.head.Parts) && (i < first || x.head.Parts[i] == hash); i++ {
		part, err := x.part(i)
		if err != nil {
			return nil, err
		}
		at := func(j int) uint64 { return binary.BigEndian.Uint64(part[8*j:]) }
		n := len(part) / 8
		from := sort.Search(n, func(j int) bool { return uint32(at(j)>>32) >= hash })
		for j := from; j < n && uint32(at(j)>>32) == hash; j++ {
			c, err := x.chunk(int(uint32(at(j))))
			if err != nil {
				return nil, err
			}
			for k := range c.items {
				if wanted(&c.items[k]) {
					found = append(found, &c.items[k])
				}
			}
		}
	}
	return found, nil
}

// chunk reads a chunk of items, once.
func (x *Index) chunk(i int) (*chunk, error) {
	if c := x.chunks[i]; c != nil {
		return c, nil
	}
	if i >= len(x.head.First) {
		return nil, errIncomplete
	}
	raw, err := x.get(i + 1)
	if err != nil {
		return nil, err
	}
	c := &chunk{}
	if c.items, err = itemsOf(raw); err != nil {
		return nil, err
	}
	c.places = make([]string, len(c.items))
	for j := range c.items {
		c.places[j], _ = x.settings.PlaceOf(&c.items[j])
	}
	x.chunks[i] = c
	return c, nil
}

// part reads a part of the postings, once.
func (x *Index) part(i int) ([]byte, error) {
	if p := x.parts[i]; p != nil {
		return p, nil
	}
	raw, err := x.get(len(x.head.First) + 1 + i)
	if err != nil {
		return nil, err
	}
	p, err := decode(raw)
	if err == nil && len(p)%8 != 0 {
		err = errIncomplete
	}
	if err != nil {
		return nil, err
	}
	x.parts[i] = p
	return p, nil
}

// errIncomplete means that the chunks do not fit each other.
var errIncomplete = fmt.Errorf("%w: it is incomplete", ErrForm)

func (x *Index) get(n int) (json.RawMessage, error) {
	raw, err := x.read(n)
	if err == nil && raw == nil {
		err = errIncomplete
	}
	return raw, err
}

func every(string) bool { return true }

func isAtOrIn(dir string) func(string) bool {
	return func(p string) bool { return p == dir || planner.Inside(p, dir) }
}
