package planfile

import (
	"fmt"
	"testing"

	"github.com/waldur/cscs-storage-sync/planner"
)

// manyCreates appends: put keeps order by insertion, which takes long for many.
func manyCreates(n int) *planner.Plan {
	p, one := basePlan(), basePlan()
	for i := range n {
		*one = *basePlan()
		addCreate(one, fmt.Sprintf("/capstor/store/cscs/tenant%02d/project-%06d", i*100/n, i), i)
		p.Core.Actions = append(p.Core.Actions, one.Core.Actions...)
		p.Context.Details = append(p.Context.Details, one.Context.Details...)
	}
	p.Context.Counts.Create = n
	return p
}

func TestSizes(t *testing.T) {
	const n = 10000
	p := manyCreates(n)
	packed, err := compress(canonical(p))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ got, limit int }{
		"machine's part": {len(armor(planLabel, packed)), 200}, "text": {len(Text(p, Options{})), 1200}, "coloured text": {len(Text(p, Options{Color: true})), 1200},
	} {
		t.Logf("%s: %d bytes a change", name, c.got/n)
		if c.got > c.limit*n {
			t.Errorf("%s: %d bytes a change, at most %d are allowed", name, c.got/n, c.limit)
		}
	}
}

// BenchmarkPlanFile is what a plan of 10,000 changes costs: to render, to write as a file, to read and check (verify), and
// to read and render again (show).
func BenchmarkPlanFile(b *testing.B) {
	const n = 10_000
	p := manyCreates(n)
	data, err := Marshal(p, Options{Color: true})
	if err != nil {
		b.Fatal(err)
	}
	text := Text(p, Options{Color: true})
	b.Run("text", func(b *testing.B) {
		for b.Loop() {
			Text(p, Options{Color: true})
		}
		b.ReportMetric(float64(len(text))/n, "B/change")
	})
	b.Run("marshal", func(b *testing.B) {
		for b.Loop() {
			if _, err := Marshal(p, Options{Color: true}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data)-len(text))/n, "B/change")
	})
	read := func(b *testing.B) *File {
		f, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			read(b)
		}
	})
	b.Run("show", func(b *testing.B) {
		for b.Loop() {
			Text(read(b).Plan, Options{})
		}
	})
}
