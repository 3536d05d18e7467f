// Package index is the form in which the state keeps the last complete listing: in chunks, so that
// items are found by place, id and group without reading all of them. A site may have a million.
//
// The first chunk is the head, which says what the others are. Then come the items in the order of
// their storage paths, so that a directory's content is together. Then come the postings, which say
// for each item id and each group in which chunks such items are. The last chunk has the items that
// have an order, once more. Every chunk but the head is a text of JSON with bytes in base64.
package index

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"

	"github.com/waldur/cscs-storage-sync/planner"
)

// version is the version of this form.
const version = 2

const (
	// itemsInChunk is how many items share a chunk, and postingsInPart how many postings.
	itemsInChunk   = 250
	postingsInPart = 2048
	// mostLoose is how many keys of loose records an index has at most, and mostOrdered how many items
	// with an order.
	mostLoose   = 10_000
	mostOrdered = 10_000
)

// ErrForm means that an index cannot be used: it has another form, was made under another
// configuration, or is incomplete. The next audit makes another.
var ErrForm = errors.New("the index of the last listing cannot be used")

// head is the first chunk.
type head struct {
	Version int `json:"version"`
	// Settings is the fingerprint of the configuration that the places depend on.
	Settings string `json:"settings"`
	// First has the first place of each chunk of items, and Parts the first hash of each part of the
	// postings.
	First []string `json:"first"`
	Parts []uint32 `json:"parts"`
	// Loose are the keys of records that cannot be found by their items. Crowded means that there are
	// too many of them, or of items with an order, to have them here: then the last chunk has none.
	Loose   []planner.Key `json:"loose"`
	Crowded bool          `json:"crowded,omitempty"`
}

// Make returns the index of a complete listing. loose are the keys of the records that
// [planner.Graph.Loose] returns.
func Make(s *planner.Settings, items []planner.Item, loose []planner.Key) []json.RawMessage {
	sorted := sortByPlace(s, items)
	h := head{Version: version, Settings: s.Fingerprint, Loose: loose}
	chunks := []json.RawMessage{nil} // the head
	var ordered []planner.Item
	var posted []uint64
	room := make([]planner.Item, 0, itemsInChunk)
	for some := range slices.Chunk(sorted, itemsInChunk) {
		h.First, room = append(h.First, some[0].place), room[:0]
		for _, p := range some {
			posted = append(posted, postings(p.item, len(h.First)-1)...)
			room = append(room, *p.item)
			if isOrdered(p.item) {
				ordered = append(ordered, *p.item)
			}
		}
		chunks = append(chunks, encode(planner.PackItems(room)))
	}
	slices.Sort(posted)
	for part := range slices.Chunk(slices.Compact(posted), postingsInPart) {
		h.Parts = append(h.Parts, uint32(part[0]>>32))
		chunks = append(chunks, encodePart(part))
	}
	if h.Crowded = len(loose) > mostLoose || len(ordered) > mostOrdered; h.Crowded {
		h.Loose, ordered = nil, nil
	}
	chunks = append(chunks, encode(planner.PackItems(ordered)))
	text, err := json.Marshal(h)
	if err != nil {
		panic(err) // it has texts and numbers only
	}
	chunks[0] = text
	return chunks
}

// placed is an item with its place; empty if it can have none.
type placed struct {
	place string
	item  *planner.Item
}

func sortByPlace(s *planner.Settings, items []planner.Item) []placed {
	sorted := make([]placed, len(items))
	for i := range items {
		sorted[i].item = &items[i]
		sorted[i].place, _ = s.PlaceOf(&items[i])
	}
	slices.SortStableFunc(sorted, func(a, b placed) int {
		return planner.ComparePaths(a.place, b.place)
	})
	return sorted
}

// isOrdered reports whether an item has an order, or a status that only an order gives.
func isOrdered(it *planner.Item) bool {
	return len(it.URLs) > 0 || !it.Target.IsBranch() && it.IsOrdered()
}

// A posting is the hash of an item id or of a group, followed by the number of a chunk of items.
func postings(it *planner.Item, chunk int) []uint64 {
	some := []uint64{uint64(hashOfItem(it.Key.Item))<<32 | uint64(chunk)}
	if it.HasGID && it.GID >= 0 && it.GID <= int64(^uint32(0)) {
		some = append(some, uint64(hashOfGroup(uint32(it.GID)))<<32|uint64(chunk))
	}
	return some
}

func hashOfItem(id string) uint32 { return crc32.ChecksumIEEE([]byte("item " + id)) }

func hashOfGroup(id uint32) uint32 {
	return crc32.ChecksumIEEE(binary.BigEndian.AppendUint32([]byte("group "), id))
}

func encodePart(part []uint64) json.RawMessage {
	b := make([]byte, 0, 8*len(part))
	for _, p := range part {
		b = binary.BigEndian.AppendUint64(b, p)
	}
	return encode(b)
}

func encode(b []byte) json.RawMessage {
	return append(base64.StdEncoding.AppendEncode([]byte{'"'}, b), '"')
}

func decode(chunk json.RawMessage) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.Trim(string(chunk), `"`))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return b, nil
}

// Items returns all items of an index, from all its chunks.
func Items(chunks []json.RawMessage) ([]planner.Item, error) {
	if len(chunks) == 0 {
		return nil, nil
	}
	h, err := readHead(chunks[0])
	if err != nil {
		return nil, err
	}
	if len(chunks) != len(h.First)+len(h.Parts)+2 {
		return nil, fmt.Errorf("%w: it has %d chunks, and its head says %d", ErrForm, len(chunks),
			len(h.First)+len(h.Parts)+2)
	}
	parts := make([][]planner.Item, len(h.First))
	for i := range parts {
		if parts[i], err = itemsOf(chunks[i+1]); err != nil {
			return nil, err
		}
	}
	return slices.Concat(parts...), nil
}

func readHead(chunk json.RawMessage) (h head, err error) {
	if len(chunk) == 0 || chunk[0] != '{' {
		return h, ErrForm
	}
	if err := json.Unmarshal(chunk, &h); err != nil {
		return h, fmt.Errorf("%w: its head: %w", ErrForm, err)
	}
	if h.Version != version {
		return h, ErrForm
	}
	return h, nil
}

func itemsOf(chunk json.RawMessage) ([]planner.Item, error) {
	packed, err := decode(chunk)
	if err != nil {
		return nil, err
	}
	items, err := planner.UnpackItems(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForm, err)
	}
	return items, nil
}
