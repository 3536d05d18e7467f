package main

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkPlanUnchanged/10000-2         	       3	 447047363 ns/op	   59.85 MiB-peak	         0.500 s/plan	         1.200 x-bare
BenchmarkPlanUnchanged/1000000-16      	       3	 447047363 ns/op	   1600 MiB-peak	         1.260 x-bare
PASS
`

// A bound that is exceeded, and a number that is missing, end the run. A number within its bound,
// or without one, does not.
func TestTable(t *testing.T) {
	found := results{}
	found.add("./cmd/cscs-sync", []byte(output))
	var some []row
	for _, r := range rows() {
		if strings.HasPrefix(r.bench, planBench+"/10000") || r.bench == "Version" {
			some = append(some, r)
		}
	}
	var out strings.Builder
	broken := table(&out, some, found)
	want := []string{"its peak memory", "plan, 100,000 resources, none changed", "its peak memory", "plan, 10,000 resources, all recorded", "plan, 100,000 resources, all recorded", "its processor time",
		"its peak memory", "its peak memory", "peak memory with 1,000,000 recorded", "cscs-sync version", "its size, stripped"}
	if strings.Join(broken, "; ") != strings.Join(want, "; ") {
		t.Errorf("broken: %q, want %q\n%s", broken, want, out.String())
	}
	for _, line := range []string{
		"plan, 10,000 resources, none changed                          1.20 x bare       ≤ 2.00  yes",
		"its peak memory                                               59.9 MiB          ≤ 54.6  NO",
		"60 s, the Python agent's cycle at 10,000, against ours         120 x faster     ≥ 50.0  yes",
		"the same ratio at 1,000,000 against 10,000                    1.05 x            ≤ 1.10  yes",
		"cscs-sync version                                          missing ms                   NO",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("no line %q in\n%s", line, out.String())
		}
	}
}

// TestPicture draws what was measured and has a bound, as a well-formed picture.
func TestPicture(t *testing.T) {
	found := results{}
	found.add("./cmd/cscs-sync", []byte(output))
	var out bytes.Buffer
	if err := picture(&out, rows(), found); err != nil {
		t.Fatal(err)
	}
	var drawn struct {
		Text []string `xml:"text"`
		Bars []struct {
			Width int    `xml:"width,attr"`
			Fill  string `xml:"fill,attr"`
		} `xml:"rect"`
	}
	if err := xml.Unmarshal(out.Bytes(), &drawn); err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	bars := drawn.Bars[1:] // after the background
	if len(bars) != 6 || len(drawn.Text) != 2*len(bars)+1 {
		t.Fatalf("%d bars and %d texts in\n%s", len(bars), len(drawn.Text), out.String())
	}
	if bars[0].Width != 240 || drawn.Text[1] != "1.20 x bare" || bars[0].Fill == bars[1].Fill {
		t.Errorf("1.2 of 2 is a bar of %d, %q; %+v", bars[0].Width, drawn.Text[1], bars)
	}
}

// A quick run omits what takes minutes. All sizes of the plan are one suite.
func TestSuites(t *testing.T) {
	quick, all := wanted(true, ""), wanted(false, "")
	if len(quick)+7 != len(all) {
		t.Errorf("%d rows, %d of them quick", len(all), len(quick))
	}
	for _, s := range suites(quick) {
		if s.pkg == "./cmd/cscs-sync" && strings.Join(s.sizes, " ") != "10000 100000 10000-recorded 100000-recorded" {
			t.Errorf("sizes %q", s.sizes)
		}
	}
}
