package planfile

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

// many is a plan of n changes of one kind, each with ids, paths and numbers of its own.
func many(n int, add func(p *planner.Plan, address string, i int)) *planner.Plan {
	p := basePlan()
	one := basePlan()
	for i := range n {
		*one = *basePlan()
		add(one, fmt.Sprintf("/capstor/store/cscs/tenant%02d/project-%06d", i*100/n, i), i)
		p.Core.Actions = append(p.Core.Actions, one.Core.Actions...)
		p.Context.Details = append(p.Context.Details, one.Context.Details...)
		p.Context.Blocked, p.Context.Waiting = append(p.Context.Blocked, one.Context.Blocked...), append(p.Context.Waiting, one.Context.Waiting...)
		p.Context.Drift = append(p.Context.Drift, one.Context.Drift...)
		for _, a := range one.Core.Actions {
			bump(&p.Context.Counts, a.Kind)
		}
		p.Context.Counts.Blocked += one.Context.Counts.Blocked
		p.Context.Counts.Waiting += one.Context.Counts.Waiting
	}
	return p
}

// renamed gives what a sample adds an address and ids of its own.
func renamed(add func(*planner.Plan)) func(*planner.Plan, string, int) {
	return func(p *planner.Plan, address string, i int) {
		add(p)
		a := &p.Core.Actions[0]
		was := a.Address
		a.Address, a.Storage, a.Key.Item, a.Inode = address, address[1:], hexID(i), a.Inode+uint64(i)
		if a.Order != "" {
			a.Order = hexID(i + 1000000)
			p.Context.Details[0].Reasons = because("order", "order "+a.Order[:8]+" asks for it")
		}
		p.Context.Drift = slices.DeleteFunc(p.Context.Drift, func(d planner.Drift) bool { return d.Address != was })
		for j := range p.Context.Drift {
			p.Context.Drift[j].Address = address
		}
	}
}

func kindsOfChange() map[string]func(*planner.Plan, string, int) {
	return map[string]func(*planner.Plan, string, int){
		"create": addCreate,
		"quota raise": func(p *planner.Plan, address string, i int) {
			addRaise(p, address, i, 10*tib, 20*tib, uint64(i)*0x123456789)
		},
		"below usage": func(p *planner.Plan, address string, i int) {
			addRaise(p, address, i, 20*tib, 10*tib, 11*tib+uint64(i)*0x1234567)
		},
		"four limits below usage": func(p *planner.Plan, address string, i int) {
			addRaise(p, address, i, 20*tib, 10*tib, 11*tib+uint64(i)*0x1234567)
			p.Core.Actions[0].Changes = append(p.Core.Actions[0].Changes, change(planner.InodesSoft, num(26600000), num(13300000)), change(planner.InodesHard, num(40000000), num(20000000)))
			p.Context.Details[0].Notes, p.Context.Details[0].Kept = make([]planner.ChangeNote, 4), nil
			for j := range 4 {
				p.Context.Details[0].Notes[j] = from(planner.FromProxy)
			}
		},
		"wider": renamed(addWider), "drift": renamed(addDrift), "archive": renamed(addArchive), "report": renamed(addReport),
		"blocked": func(p *planner.Plan, address string, i int) {
			refuse(p, planner.Blocked, address, "gid", fmt.Sprintf("the proxy gives group id %d, the least allowed is 1000 (storage.min_gid)", i%1000))
			p.Context.Blocked[0].Key.Item = hexID(i)
		},
		"waiting": func(p *planner.Plan, address string, i int) {
			refuse(p, planner.Waiting, address, "customer", "its customer has not approved order "+hexID(i)[:8]+" yet")
			p.Context.Waiting[0].Key.Item = hexID(i)
		},
	}
}

// TestSizes holds every kind of change to the bytes that one may have in a file.
func TestSizes(t *testing.T) {
	const n = 2000
	for kind, add := range kindsOfChange() {
		p := many(n, add)
		if _, err := Marshal(p, Options{}); err != nil {
			t.Fatal(err)
		}
		packed, err := compress(canonical(p))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ got, limit int }{
			"machine's part": {len(armor(planLabel, packed)), 200}, "text": {len(Text(p, Options{})), 1200}, "coloured text": {len(Text(p, Options{Color: true})), 1200},
		} {
			t.Logf("%s, %s: %d bytes a change", kind, name, c.got/n)
			if c.got > c.limit*n {
				t.Errorf("%s, %s: %d bytes a change, at most %d are allowed", kind, name, c.got/n, c.limit)
			}
		}
	}
}

// BenchmarkPlanFile is what a plan of 10,000 changes costs: to render, to write as a file, to read and check (verify), and
// to read and render again (show).
func BenchmarkPlanFile(b *testing.B) {
	const n = 10_000
	p := many(n, addCreate)
	data, err := Marshal(p, Options{Color: true})
	if err != nil {
		b.Fatal(err)
	}
	text := Text(p, Options{Color: true})
	read := func() *File {
		f, err := Parse(data)
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	b.Run("text", func(b *testing.B) {
		takes(b, func() { Text(p, Options{Color: true}) })
		b.ReportMetric(float64(len(text))/n, "B/change")
	})
	b.Run("marshal", func(b *testing.B) {
		takes(b, func() {
			if _, err := Marshal(p, Options{Color: true}); err != nil {
				b.Fatal(err)
			}
		})
		b.ReportMetric(float64(len(data)-len(text))/n, "B/change")
	})
	b.Run("json", func(b *testing.B) { takes(b, func() { JSON(p) }) })
	b.Run("parse", func(b *testing.B) { takes(b, func() { read() }) })
	b.Run("show", func(b *testing.B) { takes(b, func() { Text(read().Plan, Options{}) }) })
}

// takes reports how long f takes, with the garbage that it leaves: the shortest of several runs, since other work on the
// machine only adds; and its processor time, the mean of all.
func takes(b *testing.B, f func()) {
	const runs = 5
	before, best := processorTime(b), time.Hour
	for b.Loop() {
		for range runs {
			start := time.Now()
			f()
			best = min(best, time.Since(start))
		}
	}
	b.ReportMetric(best.Seconds(), "wall-s/op")
	b.ReportMetric((processorTime(b)-before).Seconds()/float64(runs*b.N), "cpu-s/op")
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
