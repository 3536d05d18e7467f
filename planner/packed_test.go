package planner_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/waldur/cscs-storage-sync/planner"
)

func drawItems(t *rapid.T) (items []planner.Item) {
	for i := range rapid.IntRange(0, 5).Draw(t, "resources") {
		it := drawItem(t, i)
		it.Name, it.Problem = rapid.String().Draw(t, "any name"), rapid.String().Draw(t, "problem")
		it.GID = rapid.Int64().Draw(t, "any gid")
		if oneIn(t, 3, "any limit") {
			it.Quotas = &planner.ProxyQuotas{planner.InodesHard: dec("-123456789012345678e-99"),
				planner.SpaceSoft: dec("-0"), planner.SpaceHard: dec("1e99")}
		}
		items = append(items, it)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "above") {
		items = append(items, drawBranch(t, i))
	}
	return items
}

// TestPackedItems: items are the same after they were packed.
func TestPackedItems(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := drawItems(t)
		got, err := planner.UnpackItems(planner.PackItems(items))
		if err != nil || len(got) != len(items) {
			t.Fatalf("%d of %d items, %v", len(got), len(items), err)
		}
		for i := range items {
			if !reflect.DeepEqual(got[i], items[i]) {
				t.Fatalf("%+v became %+v", items[i], got[i])
			}
		}
	})
}

// TestPackedItemHasAllMembers: a member that is added to an item has to be packed, too.
func TestPackedItemHasAllMembers(t *testing.T) {
	if n := reflect.TypeFor[planner.Item]().NumField(); n != 13 {
		t.Errorf("an item has %d members, and 13 are packed", n)
	}
	full := project("p", 30500, ordered(planner.StatusPending))
	full.NewQuotas, full.Problem, full.HasGID = full.Quotas, "p", true
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not tested", v.Type().Field(i).Name)
		}
	}
	got, err := planner.UnpackItems(planner.PackItems([]planner.Item{full}))
	if err != nil || !reflect.DeepEqual(got[0], full) {
		t.Errorf("%+v became %+v, %v", full, got, err)
	}
}

// TestDamagedItems: every part of packed items is refused, and so is more.
func TestDamagedItems(t *testing.T) {
	packed := planner.PackItems([]planner.Item{project("p", 30500, ordered(planner.StatusPending)),
		project("q", 30501)})
	for n := range packed {
		if items, err := planner.UnpackItems(packed[:n]); err == nil {
			t.Errorf("the first %d bytes are %+v", n, items)
		}
	}
	for _, bad := range []string{string(packed) + "\x00", "\x02" + string(packed[1:]),
		"\x01" + strings.Repeat("\xff", 11)} {
		if items, err := planner.UnpackItems([]byte(bad)); err == nil {
			t.Errorf("%q are %+v", bad, items)
		}
	}
}

// FuzzUnpackItems: no bytes make it panic, and what it reads is packed as it was.
func FuzzUnpackItems(f *testing.F) {
	f.Add(planner.PackItems([]planner.Item{project("p", 30500, ordered(planner.StatusPending))}))
	f.Fuzz(func(t *testing.T, packed []byte) {
		items, err := planner.UnpackItems(packed)
		if err != nil {
			return
		}
		again, err := planner.UnpackItems(planner.PackItems(items))
		if err != nil || !reflect.DeepEqual(again, items) {
			t.Errorf("%+v became %+v, %v", items, again, err)
		}
	})
}

func BenchmarkUnpackItems(b *testing.B) {
	items := make([]planner.Item, 500)
	for i := range items {
		items[i] = project("p", 30500)
	}
	text, _ := json.Marshal(items)
	packed := planner.PackItems(items)
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			var got []planner.Item
			_ = json.Unmarshal(text, &got)
		}
		b.ReportMetric(float64(len(text))/500, "B/item")
	})
	b.Run("packed", func(b *testing.B) {
		for b.Loop() {
			_, _ = planner.UnpackItems(packed)
		}
		b.ReportMetric(float64(len(packed))/500, "B/item")
	})
}
