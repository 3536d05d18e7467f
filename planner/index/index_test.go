package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// settings have a system with two folders.
func settings() *planner.Settings {
	return &planner.Settings{Fingerprint: "f00d", Systems: []planner.System{{Name: "capstor",
		Directory: "capstor", Archive: "capstor/.trash",
		Paths: []planner.PathMapping{{Prefix: "/scratch", Folder: "capstor/legacy"}}}}}
}

func drawItems(t *rapid.T) []planner.Item {
	items := make([]planner.Item, rapid.IntRange(0, 700).Draw(t, "items"))
	few := rapid.IntRange(1, 1000).Draw(t, "different")
	number := func(most int, what string) int {
		return rapid.IntRange(0, min(most, few)).Draw(t, what)
	}
	for i := range items {
		it := &items[i]
		it.Key = planner.Key{Item: fmt.Sprint("i", number(500, "item")), System: "capstor",
			DataType: fmt.Sprint("d", i)}
		it.MountPath = rapid.SampledFrom([]string{"/capstor/store/a", "/capstor/store/a/b", "/scratch",
			"/capstor/store/a-b", "/capstor/store/a/b/c", "/capstor", "rel"}).Draw(t, "above")
		if rapid.Bool().Draw(t, "below") {
			it.MountPath += fmt.Sprint("/p", number(300, "path"))
		}
		it.GID = int64(number(100, "group"))
		it.HasGID = rapid.Bool().Draw(t, "has gid")
		it.Target = rapid.SampledFrom([]planner.Target{planner.TargetProject,
			planner.TargetCustomer}).Draw(t, "target")
		it.Status = rapid.SampledFrom(planner.Statuses()).Draw(t, "status")
		if rapid.IntRange(0, 9).Draw(t, "urls") == 0 {
			it.URLs = map[planner.Callback]string{planner.Approve: "https://waldur.example.com/"}
		}
	}
	return items
}

// keys are the sorted keys of items; no two items of drawItems have the same.
func keys[T any](items []T, key func(T) planner.Key) string {
	var list []string
	for _, it := range items {
		list = append(list, key(it).Text())
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// TestFindsWhatAScanFinds: every search finds the same items as a look at each item.
func TestFindsWhatAScanFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, items := settings(), drawItems(t)
		chunks := Make(s, items, nil)
		x, err := Open(s, func(n int) (json.RawMessage, error) { return chunks[n], nil })
		if err != nil {
			t.Fatal(err)
		}
		place := func(it *planner.Item) string { p, _ := s.PlaceOf(it); return p }
		check := func(what string, found []*planner.Item, err error, wanted func(*planner.Item) bool) {
			t.Helper()
			var want []*planner.Item
			for i := range items {
				if wanted(&items[i]) {
					want = append(want, &items[i])
				}
			}
			key := func(it *planner.Item) planner.Key { return it.Key }
			if got, want := keys(found, key), keys(want, key); err != nil || got != want {
				t.Fatalf("%s: %v\n%s\nwant\n%s", what, err, got, want)
			}
		}
		for _, at := range []string{"capstor", "capstor/store", "capstor/store/a", "capstor/store/a/b",
			"capstor/store/a/p1", "capstor/legacy", "capstor/legacy/p0", "capstor/zzz", "aaa",
			"capstor/store/a/b/c/p7"} {
			around, err := x.Around(at)
			check("around "+at, around, err, func(it *planner.Item) bool {
				p := place(it)
				return p != "" && (p == at || planner.Inside(p, at) || planner.Inside(at, p))
			})
			beside, err := x.Beside(at)
			check("beside "+at, beside, err, func(it *planner.Item) bool {
				p := place(it)
				return p != "" && p != "capstor" && path.Dir(p) == at
			})
		}
		for i := range 20 {
			ofItem, err := x.OfItem(fmt.Sprint("i", i))
			check("of item", ofItem, err,
				func(it *planner.Item) bool { return it.Key.Item == fmt.Sprint("i", i) })
			ofGroup, err := x.OfGroup(uint32(i))
			check("of group", ofGroup, err,
				func(it *planner.Item) bool { return it.HasGID && it.GID == int64(i) })
		}
		ordered, err := x.Ordered()
		check("ordered", ordered, err, isOrdered)
		all, err := Items(chunks)
		if err != nil || keys(all, func(it planner.Item) planner.Key { return it.Key }) !=
			keys(items, func(it planner.Item) planner.Key { return it.Key }) {
			t.Fatalf("%d of %d items: %v", len(all), len(items), err)
		}
	})
}

// TestReadsLittle: in a large listing, a search reads a few chunks of hundreds, each once.
func TestReadsLittle(t *testing.T) {
	items := make([]planner.Item, 100_000)
	for i := range items {
		items[i] = planner.Item{Key: planner.Key{Item: fmt.Sprintf("%032x", i*7919), System: "capstor",
			DataType: "store"}, HasGID: true, GID: int64(i), Target: planner.TargetProject,
			MountPath: fmt.Sprintf("/capstor/store/c%d/p%d", i%1000, i), Status: planner.StatusActive}
	}
	s := settings()
	chunks := Make(s, items, nil)
	read := map[int]int{}
	x, err := Open(s, func(n int) (json.RawMessage, error) { read[n]++; return chunks[n], nil })
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := x.Around("capstor/store/c17/p17")
	_, err2 := x.Beside("capstor/store/c17")
	_, err3 := x.OfItem(items[4711].Key.Item)
	_, err4 := x.OfGroup(815)
	if err := errors.Join(err1, err2, err3, err4); err != nil || len(read) > 12 || len(chunks) < 400 {
		t.Errorf("%d of %d chunks were read: %v", len(read), len(chunks), err)
	}
	for n, times := range read {
		if times > 1 {
			t.Errorf("chunk %d was read %d times", n, times)
		}
	}
}

// TestOtherForms: what is no index of this form and configuration is not used.
func TestOtherForms(t *testing.T) {
	s := settings()
	good := Make(s, []planner.Item{{Key: planner.Key{Item: "a"}}}, []planner.Key{{Item: "b"}})
	for name, chunks := range map[string][]json.RawMessage{
		"none":            {nil},
		"an earlier form": {json.RawMessage(`"AQAB"`)},
		"a later form":    {json.RawMessage(`{"version":3}`)},
		"no JSON":         {json.RawMessage(`{`)},
	} {
		_, err := Open(s, func(int) (json.RawMessage, error) { return chunks[0], nil })
		_, err2 := Items(chunks)
		if !errors.Is(err, ErrForm) || !errors.Is(err2, ErrForm) {
			t.Errorf("%s: %v, %v", name, err, err2)
		}
	}
	other := settings()
	other.Fingerprint = "other"
	read := func(n int) (json.RawMessage, error) { return good[n], nil }
	if _, err := Open(other, read); !errors.Is(err, ErrForm) {
		t.Errorf("under another configuration: %v", err)
	}
	if _, err := Items(good[:2]); !errors.Is(err, ErrForm) {
		t.Errorf("without its last chunks: %v", err)
	}
	broken := errors.New("damaged")
	if _, err := Open(s, func(int) (json.RawMessage, error) { return nil, broken }); err != broken {
		t.Errorf("a failed read: %v", err)
	}
	x, err := Open(s, read)
	if loose, few := x.Loose(); err != nil || !few || len(loose) != 1 || loose[0].Item != "b" {
		t.Errorf("loose are %v, %v", loose, err)
	}
	ordered := make([]planner.Item, mostOrdered+1)
	for i := range ordered {
		ordered[i].Status = planner.StatusPending
	}
	for _, many := range [][]json.RawMessage{Make(s, nil, make([]planner.Key, mostLoose+1)),
		Make(s, ordered, nil)} {
		x, err = Open(s, func(n int) (json.RawMessage, error) { return many[n], nil })
		loose, few := x.Loose()
		kept, err2 := x.Ordered()
		if err := errors.Join(err, err2); err != nil || few || len(loose)+len(kept) > 0 {
			t.Errorf("of too many, %d and %d are kept: %v", len(loose), len(kept), err)
		}
	}
}

// TestDamagedPostings: postings that are cut off are an error each time.
func TestDamagedPostings(t *testing.T) {
	chunks := Make(settings(), []planner.Item{{Key: planner.Key{Item: "a"}}}, nil)
	chunks[2] = encode([]byte{1, 2, 3, 4, 5, 6, 7})
	x, err := Open(settings(), func(n int) (json.RawMessage, error) { return chunks[n], nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if found, err := x.OfItem("a"); !errors.Is(err, ErrForm) {
			t.Errorf("found %v, %v", found, err)
		}
	}
}

// FuzzOpen: no bytes make a search end otherwise than with items or an error.
func FuzzOpen(f *testing.F) {
	s := settings()
	items := []planner.Item{{Key: planner.Key{Item: "a", System: "capstor"},
		MountPath: "/capstor/store/a", HasGID: true, GID: 7}}
	good := Make(s, items, nil)
	f.Add([]byte(good[0]), []byte(good[1]), []byte(good[2]), []byte(good[3]))
	f.Add([]byte(`{"version":2,"settings":"f00d","first":["","x"],"parts":[0,0,9]}`), []byte(`""`),
		[]byte(`"AAAA"`), []byte(`"`))
	f.Fuzz(func(t *testing.T, a, b, c, d []byte) {
		chunks := []json.RawMessage{a, b, c, d}
		x, err := Open(s, func(n int) (json.RawMessage, error) { return chunks[n%4], nil })
		if err != nil {
			return
		}
		_, _ = x.Around("capstor/store/a")
		_, _ = x.Beside("capstor/store")
		_, _ = x.OfItem("a")
		_, _ = x.OfGroup(7)
		_, _ = x.Ordered()
		_, _ = Items(chunks)
	})
}
