package planner_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

// drawRecord draws any record that may be stored.
func drawRecord(t *rapid.T) planner.Record {
	word := func(name string) string { return rapid.StringN(0, 12, -1).Draw(t, name) }
	part := func(name string) string { return strings.ReplaceAll(word(name), "\x00", "") }
	number := func(name string) uint32 { return rapid.Uint32().Draw(t, name) }
	limit := func(name string) planner.Limit {
		some := rapid.Map(rapid.Uint64(),
			func(n uint64) planner.Limit { return planner.LimitOf(planner.Bytes(n)) })
		return rapid.OneOf(some, rapid.Just(planner.Limit{}),
			rapid.Just(planner.Unlimited())).Draw(t, name)
	}
	sec, nsec := rapid.Int64Range(-62135596800, 1<<40).Draw(t, "at"),
		rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")
	r := planner.Record{
		Key: planner.Key{Item: part("item"), System: part("system"),
			DataType: part("data type")},
		Address: word("address"), System: word("label"), Storage: word("storage"),
		Target: planner.Target(word("target")),
		Inode:  rapid.Uint64().Draw(t, "inode"), Born: rapid.Int64().Draw(t, "born"),
		ACL: rapid.String().Draw(t, "acl"), Owner: planner.UID(number("owner")),
		Group:   planner.GID(number("group")),
		Mode:    planner.Mode(rapid.Uint16().Draw(t, "mode")),
		Project: planner.ProjectID(number("project")),
		QuotaBy: planner.QuotaBy(word("by")), QuotaID: number("id"),
		Claim: planner.Limits{planner.SpaceSoft: limit("1"), planner.SpaceHard: limit("2"),
			planner.InodesSoft: limit("3"), planner.InodesHard: limit("4")},
		Plan: word("plan"), At: time.Unix(sec, nsec).UTC(), Seq: rapid.Uint64().Draw(t, "seq"),
	}
	if rapid.Bool().Draw(t, "address ends in storage") {
		r.Address += r.Storage
	}
	return r
}

// TestRecordBinary: a written record is read back as it was, and nothing else is accepted.
func TestRecordBinary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, got := drawRecord(t), planner.Record{}
		b, err := want.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := got.UnmarshalBinary(b); err != nil || got != want {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
		}
		var records planner.Records
		if err := records.Add(b); err != nil {
			t.Fatal(err)
		}
		want.Plan = ""
		if got, ok := records.Of(want.Key); !ok || got != want {
			t.Fatalf("packed: %+v, want %+v", got, want)
		}
		for cut := range b {
			if err := got.UnmarshalBinary(b[:cut]); err == nil {
				t.Fatalf("%d of %d bytes are read", cut, len(b))
			}
			if err := new(planner.Records).Add(b[:cut]); err == nil {
				t.Fatalf("%d of %d bytes are packed", cut, len(b))
			}
		}
		if err := got.UnmarshalBinary(append(b, 0)); err == nil {
			t.Fatal("a byte more is read")
		}
	})
}

func TestRecordBinaryRefuses(t *testing.T) {
	for name, r := range map[string]planner.Record{
		"NUL byte in the key": {Key: planner.Key{Item: "a\x00b"}},
	} {
		if b, err := r.AppendBinary(nil); err == nil {
			t.Errorf("%s: written as %q", name, b)
		}
	}
}

// FuzzRecordBinary: whatever is read is written again as the same record.
func FuzzRecordBinary(f *testing.F) {
	b, err := recordOf("bio", 30500).AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again planner.Record
		if r.UnmarshalBinary(b) != nil {
			return
		}
		b, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(b); err != nil || again != r {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

// TestRecords: records are found by key, each once, in the order of keys, however similar their
// keys are.
func TestRecords(t *testing.T) {
	keys := []planner.Key{{Item: "a", System: "s", DataType: "x"},
		{Item: "a", System: "s", DataType: "xy"},
		{Item: "a", System: "st", DataType: "x"}, {Item: "ab", System: "s", DataType: "x"},
		{Item: "b"}}
	var list []planner.Record
	for _, k := range slices.Backward(keys) {
		list = append(list, planner.Record{Key: k, Address: k.Item + k.System + k.DataType})
	}
	r, err := planner.PackRecords(list...)
	if err != nil || r.Len() != len(keys) {
		t.Fatal(r.Len(), err)
	}
	at := 0
	for rec := range r.All() {
		if found, ok := r.Of(keys[at]); rec.Key != keys[at] || !ok || found != rec {
			t.Errorf("%d: %+v, want %+v; found %+v", at, rec.Key, keys[at], found)
		}
		at++
	}
	for _, k := range []planner.Key{{}, {Item: "a"}, {Item: "a", System: "s"},
		{Item: "c", System: "s", DataType: "x"},
		{Item: "a\x00s", System: "x"}, {Item: "a", System: "s\x00x"}} {
		if rec, ok := r.Of(k); ok {
			t.Errorf("%+v: found %+v", k, rec)
		}
	}
	if _, err := planner.PackRecords(list[0], list[0]); err == nil {
		t.Error("one record twice is packed")
	}
	first, _ := list[0].AppendBinary(nil)
	if err := r.Add(first); err == nil {
		t.Error("a record out of order is added")
	}
}
