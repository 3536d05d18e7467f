package main

import (
	"fmt"
	"io"
	"strings"
)

// planBench, idleBench and oneBench are the benchmarks of a plan and of rounds of the loop. They
// get their sizes from the environment.
const (
	planBench = "PlanUnchanged"
	idleBench = "OrdersIdle"
	oneBench  = "OrdersOne"
)

// row is one line of the table.
type row struct {
	what string
	// pkg, bench and unit name the metric. against is another benchmark of the package, by whose value
	// it is divided.
	pkg, bench, unit, against string
	// shown is the unit that the table shows.
	shown string
	// bound is the largest allowed value, or with least the smallest. 0 means no bound: the row is for
	// information.
	bound float64
	least bool
	// slow rows are omitted from a quick run.
	slow bool
	// needs is a program without which the row is skipped; empty for none.
	needs string
	// often is set for what takes microseconds: it is measured for a second, not three times.
	often bool
}

// rows returns everything that is promised, and rows that explain it.
func rows() []row {
	const cmd, planfile, providers, lustre = "./cmd/cscs-sync", "./planner/planfile", "./providers", "./providers/quota/lustre"
	plan := func(what, size, unit, shown string, bound float64) row {
		return row{what: what, pkg: cmd, bench: planBench + "/" + size, unit: unit, shown: shown, bound: bound}
	}
	shared := func(what, bench, unit, shown string, bound float64) row {
		return row{what: what, pkg: cmd, bench: bench, unit: unit, shown: shown, bound: bound, needs: "PostgreSQL"}
	}
	peak := func(n int) float64 { return 40 + 1.5*float64(n)/1024 }
	million := plan("plan, 1,000,000 resources, none changed", "1000000", "x-bare", "x bare", 2)
	growth := plan("the same ratio at 1,000,000 against 10,000", "1000000", "x-bare", "x", 1.1)
	growth.against = planBench + "/10000"
	room := plan("its peak memory", "1000000", "MiB-peak", "MiB", peak(1_000_000))
	recorded := plan("peak memory with 1,000,000 recorded", "1000000-recorded", "MiB-peak", "MiB", 1200)
	idle := row{what: "orders lane, 1,000,000 recorded, nothing to do", pkg: cmd, bench: idleBench + "/1000000",
		unit: "ms/round", shown: "ms", bound: 60}
	one := row{what: "orders lane, 1,000,000 recorded, one create", pkg: cmd, bench: oneBench + "/1000000",
		unit: "cpu-ms/round", shown: "ms", bound: 150}
	proxy := row{what: "plan, 10,000 at the real proxy's pace, against one listing", pkg: cmd, bench: "PlanProxy",
		unit: "x-listing", shown: "x listing", bound: 0.4}
	for _, r := range []*row{&million, &growth, &room, &recorded, &idle, &one, &proxy} {
		r.slow = true
	}
	agent := plan("60 s, the Python agent's cycle at 10,000, against ours", "10000", "s/plan", "x faster", 50)
	agent.least = true
	return []row{
		plan("plan, 10,000 resources, none changed", "10000", "x-bare", "x bare", 2),
		plan("its peak memory", "10000", "MiB-peak", "MiB", peak(10_000)),
		agent,
		plan("plan, 100,000 resources, none changed", "100000", "x-bare", "x bare", 2),
		plan("its peak memory", "100000", "MiB-peak", "MiB", peak(100_000)),
		plan("plan, 10,000 resources, all recorded", "10000-recorded", "x-bare", "x bare", 2),
		plan("plan, 100,000 resources, all recorded", "100000-recorded", "x-bare", "x bare", 0.9),
		plan("its processor time", "100000-recorded", "x-bare-cpu", "x bare", 0.9),
		plan("its peak memory", "100000-recorded", "MiB-peak", "MiB", 120),
		million, growth, room, recorded,
		{what: "apply, 10,000 creates", pkg: cmd, bench: "ApplyCreates", unit: "x-bare", shown: "x bare", bound: 1.8},
		{what: "orders lane, 100,000 recorded, nothing to do", pkg: cmd, bench: idleBench + "/100000", unit: "ms/round",
			shown: "ms", bound: 50},
		idle, one,
		{what: "an order from visible to done, asked for every 2 s: median", pkg: cmd, bench: "OrderToDone", unit: "s-median",
			shown: "s", bound: 2.5},
		{what: "95 of 100 orders", pkg: cmd, bench: "OrderToDone", unit: "s-p95", shown: "s", bound: 2.5},
		proxy,
		{what: "cscs-sync version", pkg: cmd, bench: "Version", unit: "ms/start", shown: "ms", bound: 6},
		{what: "its size, stripped", pkg: cmd, bench: "Version", unit: "MB", shown: "MB", bound: 20},
		{what: "plan of 10,000 changes: render", pkg: planfile, bench: "PlanFile/text", unit: "wall-s/op", shown: "s", bound: 0.4},
		{what: "write its file", pkg: planfile, bench: "PlanFile/marshal", unit: "wall-s/op", shown: "s", bound: 0.4},
		{what: "read and check its file: verify", pkg: planfile, bench: "PlanFile/parse", unit: "wall-s/op", shown: "s", bound: 0.4},
		{what: "read, check and render it: show", pkg: planfile, bench: "PlanFile/show", unit: "wall-s/op", shown: "s", bound: 0.4},
		{what: "its machine's part, of each change", pkg: planfile, bench: "PlanFile/marshal", unit: "B/change", shown: "bytes", bound: 200},
		{what: "its text, of each change", pkg: planfile, bench: "PlanFile/text", unit: "B/change", shown: "bytes", bound: 1200},
		{what: "observe 10,000 at 1 ms a look and 10 ms a quota", pkg: providers, bench: "SlowStorage", unit: "s/10000", shown: "s", bound: 30},
		{what: "our own processor time in that", pkg: providers, bench: "SlowStorage", unit: "cpu-s/10000", shown: "s", bound: 5},
		{what: "the same beside a mount that hangs", pkg: providers, bench: "SlowStorage", unit: "x-alone", shown: "x alone", bound: 1.05},
		{what: "quota by ioctl, our own cost", pkg: lustre, bench: "IOCTLOwnCost", unit: "own-µs/id", shown: "µs", bound: 20, often: true},
		{what: "quota of XFS or ext4, our own cost", pkg: "./providers/quota/linux", bench: "OwnCost", unit: "own-µs/id", shown: "µs",
			bound: 20, often: true},
		{what: "list of 10,000 VAST quotas, our own time", pkg: "./cmd/internal/vastsim", bench: "List", unit: "own-s/list", shown: "s",
			bound: 0.5},
		{what: "its requests in flight", pkg: "./cmd/internal/vastsim", bench: "List", unit: "in-flight", shown: "requests", bound: 2},
		shared("plan, 100,000 recorded, PostgreSQL against a file", "PlanShared", "x-file", "x file", 1.3),
		shared("orders lane with PostgreSQL, nothing to do", "OrdersIdleShared", "ms/round", "ms", 60),
		shared("apply with PostgreSQL, against one without a guard", "Guard", "x-unguarded", "x", 1.05),
		shared("a standby takes over from a leader that was killed", "TakeOver", "s/fail-over", "s", 45),
		shared("a standby takes over from a leader that was asked to end", "TakeOver", "s/hand-over", "s", 2),
		{what: "quota by lfs, against the start of the process", pkg: lustre, bench: "LFSOwnCost", unit: "x-process-start",
			shown: "x start", bound: 1.2, often: true},
	}
}

// wanted returns the rows to run.
func wanted(quick bool, match string) []row {
	var some []row
	for _, r := range rows() {
		if !(quick && r.slow) && (strings.Contains(r.what, match) || strings.Contains(r.bench, match)) {
			some = append(some, r)
		}
	}
	return some
}

// value returns the row's value, or false if it was not measured.
func (r row) value(found results) (float64, bool) {
	v, ok := found[[3]string{r.pkg, r.bench, r.unit}]
	if !ok {
		return 0, false
	}
	if r.against != "" {
		by, ok := found[[3]string{r.pkg, r.against, r.unit}]
		return v / by, ok && by > 0
	}
	if r.least {
		return 60 / v, v > 0
	}
	return v, true
}

// table prints the rows and returns those whose bound is exceeded.
func table(out io.Writer, rows []row, found results) (broken []string) {
	const line = "%-56s %9s %-8s  %9s  %s\n"
	fmt.Fprintf(out, line, "what", "measured", "", "bound", "holds")
	for _, r := range rows {
		v, ok := r.value(found)
		if !ok && r.needs != "" && found.skipped(r.bench) {
			fmt.Fprintf(out, "%-56s left out: it needs %s, and that is not installed\n", r.what, r.needs)
			continue
		}
		bound, holds := "", "-"
		switch {
		case !ok:
			holds = "NO"
		case r.bound > 0:
			bound, holds = "≤ "+number(r.bound), "yes"
			if r.least {
				bound = "≥ " + number(r.bound)
			}
			if r.least && v < r.bound || !r.least && v > r.bound {
				holds = "NO"
			}
		}
		shown := number(v)
		if !ok {
			shown = "missing"
		}
		if holds == "NO" {
			broken = append(broken, r.what)
		}
		fmt.Fprintf(out, line, r.what, shown, r.shown, bound, holds)
	}
	return broken
}

// number formats v with as many digits as a measurement has.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
