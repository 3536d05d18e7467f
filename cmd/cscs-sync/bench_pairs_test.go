package main

import (
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"testing"
	"time"
)

// pairs are runs of the bare program and of ours, taken in turn: what else the machine does meets both of a pair alike.
// Processor time says what we cost where wall time only says how busy the machine was.
type pairs struct{ theirs, ours []usage }

func (p *pairs) add(theirs, ours usage) {
	p.theirs, p.ours = append(p.theirs, theirs), append(p.ours, ours)
}

// report gives both ratios, each the median over the pairs.
func (p *pairs) report(b *testing.B) {
	b.ReportMetric(p.ratio(func(u usage) time.Duration { return u.wall }), "x-bare")
	b.ReportMetric(p.ratio(func(u usage) time.Duration { return u.cpu }), "x-bare-cpu")
}

func (p *pairs) ratio(of func(usage) time.Duration) float64 {
	ratios := make([]float64, len(p.ours))
	for i := range ratios {
		ratios[i] = float64(of(p.ours[i])) / float64(of(p.theirs[i]))
	}
	return median(ratios)
}

// best is the least of what ours took: other work on the machine only adds.
func (p *pairs) best(of func(usage) time.Duration) time.Duration {
	least := of(p.ours[0])
	for _, u := range p.ours {
		least = min(least, of(u))
	}
	return least
}

// memory is the greatest peak of ours, in KiB.
func (p *pairs) memory() (most int64) {
	for _, u := range p.ours {
		most = max(most, u.memory)
	}
	return most
}

// median sorts the numbers.
func median(of []float64) float64 {
	slices.Sort(of)
	half := len(of) / 2
	if len(of)%2 == 1 {
		return of[half]
	}
	return (of[half-1] + of[half]) / 2
}

// profiled runs main; where folder is named, it leaves a profile of the processor time there, in a file of its own.
func profiled(folder string, main func() int) int {
	if folder == "" {
		return main()
	}
	f, err := os.CreateTemp(folder, filepath.Base(os.Args[0])+"-*.pprof")
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	defer pprof.StopCPUProfile()
	return main()
}
