// Bench runs the project's benchmarks and prints one table: what is measured, the result, and the
// bound. Machines differ, so most numbers are ratios to a program that does the same work and
// nothing else. Both programs run in turn. Bench exits with 1 if a bound is exceeded or a number is
// missing.
//
//	go run ./cmd/bench [-quick] [-match WORDS] [-svg FILE]
//
// The benchmarks create their directories below TMPDIR. -quick omits the million resources, which
// take minutes and need several GiB there. -match runs only rows whose text or benchmark contains
// the words. -svg draws the table, too. docs/understanding/performance.md explains the numbers.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

func main() {
	quick := flag.Bool("quick", false, "leave out the million resources")
	match := flag.String("match", "", "only rows whose text or benchmark contains `WORDS`")
	svgFile := flag.String("svg", "", "also draw the table into this `FILE`")
	flag.Parse()
	if err := run(os.Stdout, os.Stderr, *quick, *match, *svgFile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run runs the benchmarks that the rows need, prints the table, and draws it to svgFile
// unless that is empty. An exceeded bound is an error.
func run(out, log io.Writer, quick bool, match, svgFile string) error {
	rows := wanted(quick, match)
	if len(rows) == 0 {
		return fmt.Errorf("no row contains %q", match)
	}
	found := results{}
	for _, s := range suites(rows) {
		fmt.Fprintf(log, "%s %s\n", s.pkg, s.pattern())
		output, err := s.run()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", s.pkg, err, output)
		}
		found.add(s.pkg, output)
	}
	broken := table(out, rows, found)
	if svgFile != "" {
		var drawn bytes.Buffer
		if err := errors.Join(picture(&drawn, rows, found),
			os.WriteFile(svgFile, drawn.Bytes(), 0o644)); err != nil {
			return fmt.Errorf("draw the table: %w", err)
		}
	}
	if len(broken) > 0 {
		return errors.New("exceeded or missing: " + strings.Join(broken, "; "))
	}
	return nil
}

// suite is a package's benchmarks that run together.
type suite struct {
	pkg   string
	names []string
	sizes []string
	times string
}

// suites groups the rows by package and keeps their order.
func suites(rows []row) []*suite {
	var all []*suite
	for _, r := range rows {
		i := 0
		for i < len(all) && all[i].pkg != r.pkg {
			i++
		}
		if i == len(all) {
			all = append(all, &suite{pkg: r.pkg, times: "3x"})
		}
		if r.often {
			all[i].times = "1s"
		}
		all[i].add(r.bench)
		if r.against != "" {
			all[i].add(r.against)
		}
	}
	return all
}

// add adds a benchmark. In the names of [planBench], [idleBench] and [oneBench], a size follows.
func (s *suite) add(bench string) {
	name, size, _ := strings.Cut(bench, "/")
	s.names = appendNew(s.names, name)
	if name == planBench || name == idleBench || name == oneBench {
		s.sizes = appendNew(s.sizes, size)
	}
}

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

func (s *suite) pattern() string { return "^Benchmark(" + strings.Join(s.names, "|") + ")$" }

// run runs the package's benchmarks.
func (s *suite) run() ([]byte, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", s.pattern(), "-benchtime", s.times,
		"-timeout", "2h", s.pkg)
	if len(s.sizes) > 0 {
		cmd.Env = append(os.Environ(), "CSCS_BENCH_RESOURCES="+strings.Join(s.sizes, " "))
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	return output.Bytes(), err
}
