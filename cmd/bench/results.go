package main

import (
	"bufio"
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// results are all metrics that benchmarks reported. The key is the package, the benchmark without
// its prefix and number of processors, and the unit.
type results map[[3]string]float64

// processors matches what `go test` adds to a benchmark's name.
var processors = regexp.MustCompile(`-\d+$`)

// add parses the output of `go test -bench`: lines "BenchmarkPlan/100-2  3  123 ns/op  1.2 x-bare".
func (r results) add(pkg string, output []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 3 && words[0] == "---" && words[1] == "SKIP:" {
			r[[3]string{"", strings.TrimPrefix(words[2], "Benchmark"), "skipped"}] = 1
		}
		if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(words[0], "Benchmark"), "")
		for i := 2; i+1 < len(words); i += 2 {
			if v, err := strconv.ParseFloat(words[i], 64); err == nil {
				r[[3]string{pkg, name, words[i+1]}] = v
			}
		}
	}
}

// skipped reports whether a benchmark was skipped because it cannot run here.
func (r results) skipped(bench string) bool {
	_, ok := r[[3]string{"", bench, "skipped"}]
	return ok
}
