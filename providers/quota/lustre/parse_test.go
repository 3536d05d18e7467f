package lustre

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
)

func testNow() time.Time { return time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC) }

// transcript is one real run of `lfs quota` for one id.
type transcript struct {
	Version, Note  string
	Cmd            []string
	Stdout, Stderr string
	Exit           int
}

func (c transcript) dir() string { return c.Cmd[len(c.Cmd)-1] }

// transcripts returns the real runs that show one id.
func transcripts(t testing.TB) (all []transcript) {
	t.Helper()
	for _, one := range allTranscripts(t) {
		if c := one.Cmd; len(c) > 4 && c[1] == "quota" && hasRow(c) {
			all = append(all, one)
		}
	}
	if len(all) < 220 {
		t.Fatalf("only %d transcripts found", len(all))
	}
	return all
}

// allTranscripts returns the real runs, which also test lfs-sim.
func allTranscripts(t testing.TB) (all []transcript) {
	t.Helper()
	f, err := os.Open("../../../cmd/internal/lfssim/testdata/transcripts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var one transcript
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// hasRow reports whether a call shows all limits of one id as plain numbers. Calls for rounded
// numbers, grace times, defaults, all ids, several pools, one target or some columns do not.
func hasRow(cmd []string) bool {
	other := []string{"-h", "-t", "-U", "-G", "-P", "-a", "--pool", "--pool=flash", "--delimiter",
		"--busage", "-b", "-o", "-i", "-I", "--mdt"}
	return !slices.ContainsFunc(cmd, func(word string) bool {
		return slices.Contains(other, word)
	}) &&
		(slices.Contains(cmd, "-g") || slices.Contains(cmd, "-p"))
}

// shown reads the eight words after the path, without any of the parser's checks. It returns nil if
// everything is unknown.
func shown(c transcript) []string {
	words := strings.Fields(c.Stdout)
	at := slices.Index(words, c.dir())
	if c.Exit != 0 && c.Exit != 5 || at < 0 || strings.HasPrefix(words[at+2], "[") {
		return nil
	}
	return words[at+1 : at+9]
}

func TestParseTranscripts(t *testing.T) {
	known := map[string]int{}
	for i, c := range transcripts(t) {
		t.Run(fmt.Sprintf("%03d %s %s", i, c.Version, c.Note), func(t *testing.T) {
			got, want := parse(c.dir(), c.Stdout, c.Stderr, c.Exit, testNow()), shown(c)
			if want != nil {
				known[c.Version]++
				compare(t, got, want)
			} else if got.LimitsWhy() == "" || got.Limits.Known() || got.Space.Known() ||
				got.Inodes.Known() {
				t.Fatalf("want all unknown, got %+v", got)
			}
			space, inodes := strings.Contains(c.Stdout,
				"is using default block"), strings.Contains(c.Stdout, "is using default file")
			if got.DefaultSpace != space || got.DefaultInodes != inodes {
				t.Errorf("default: got space %t, inodes %t; want %t, %t", got.DefaultSpace,
					got.DefaultInodes, space, inodes)
			}
		})
	}
	for _, version := range []string{"2.12.9", "2.15.8", "2.17.57"} {
		if known[version] < 40 {
			t.Errorf("%s: only %d outputs with numbers", version, known[version])
		}
	}
}

func compare(t *testing.T, got planner.QuotaState, want []string) {
	t.Helper()
	if got.LimitsWhy() != "" {
		t.Fatalf("limits unknown: %s", got.LimitsWhy())
	}
	q := got.Limits
	values := map[int]planner.Value{
		0: got.UsedValue(planner.SpaceHard),
		1: q[planner.SpaceSoft].Value(), 2: q[planner.SpaceHard].Value(),
		4: got.UsedValue(planner.InodesHard),
		5: q[planner.InodesSoft].Value(), 6: q[planner.InodesHard].Value(),
	}
	for i, v := range values {
		n, err := strconv.ParseUint(strings.TrimRight(want[i], "*"), 10, 64)
		if i < 3 {
			n *= 1024
		}
		_, unknown := v.Unknown()
		switch {
		case strings.HasPrefix(want[i], "["):
			if !unknown {
				t.Errorf("field %d: got %s, want unknown as in %s", i, v, want[i])
			}
		case err != nil:
			t.Fatal(err)
		case n == 0 && i != 0 && i != 4:
			if v != planner.UnlimitedValue() {
				t.Errorf("field %d: got %s, want unlimited", i, v)
			}
		case v != planner.Number(n):
			t.Errorf("field %d: got %s, want %d", i, v, n)
		}
	}
	for i, end := range map[int]time.Time{3: got.Ends().Space, 7: got.Ends().Inodes} {
		if end.IsZero() != (want[i] == "-") {
			t.Errorf("grace %d: got %v, want %q", i, end, want[i])
		}
	}
}

func TestParseOtherShapes(t *testing.T) {
	const numbers = " 4 51200 61440 - 1 1000 1200 - \n"
	for name, c := range map[string]struct {
		dir, out string
		known    bool
	}{
		"ours of several mounts": {"/mnt/b", "/mnt/a" + strings.Replace(numbers, "4 ", "9 ",
			1) + "/mnt/b" + numbers, true},
		"not among several mounts": {"/mnt/b", "/mnt/a" + numbers + "/mnt/bb" + numbers, false},
		"twice":                    {"/mnt/b", "/mnt/b" + numbers + "/mnt/b" + numbers, false},
		"digits for a name":        {"/5", "/5" + numbers, true},
		"blanks in the name":       {"/mnt/a b 7", "     /mnt/a b 7" + numbers, true},
		"name begins like ours":    {"/mnt/a", "/mnt/a b" + numbers, false},
		"line break behind path":   {"/mnt/a", "/mnt/a\n         " + numbers, true},
		"breaks within the row": {"/mnt/a", "/mnt/a\n 4 51200 61440 -\n 1 1000\n 1200 - \n",
			true},
		"tabs, and carriage returns": {"/mnt/a",
			"\t/mnt/a\t4\t51200\t61440\t-\t1\t1000\t1200\t-\r\n", true},
		"no newline at the end": {"/mnt/a", "/mnt/a 4 51200 61440 - 1 1000 1200 -", true},
		"wide columns": {"/mnt/a",
			"                         /mnt/a          4*       51200       61440          -          1*   " +
				"    1000       1200          -     \n", true},
		"the header too": {"/mnt/a",
			"Disk quotas for grp x (gid 5):\n  Filesystem kbytes bquota blimit bgrace files iquota ilimit " +
				"igrace \n/mnt/a" + numbers, true},
		"notes of both kinds": {"/mnt/a", "/mnt/a" + numbers +
			"gid 5 is using default block quota setting\ngid 5 is using default file quota setting\n", true},
		"a blank line before": {"/mnt/a", "\n\n/mnt/a" + numbers, true},
		"a note before": {"/mnt/a", "Trying something for pool x\n/mnt/a" + numbers,
			true},
		"notes behind": {"/mnt/a", "/mnt/a" + numbers + "some new note 1 2 3\n",
			true},
		"a ninth field":             {"/mnt/a", "/mnt/a 4 51200 61440 - 1 1000 1200 - 7\n", false},
		"seven fields":              {"/mnt/a", "/mnt/a 4 51200 61440 - 1 1000 1200\n", false},
		"human numbers":             {"/mnt/a", "/mnt/a 4k 50M 60M - 1 1000 1200 -\n", false},
		"negative":                  {"/mnt/a", "/mnt/a -4 51200 61440 - 1 1000 1200 -\n", false},
		"number for a grace period": {"/mnt/a", "/mnt/a 4 51200 61440 5 1 1000 1200 -\n", false},
		"limit in brackets":         {"/mnt/a", "/mnt/a 4 51200 [61440] - 1 1000 1200 -\n", false},
		"half a bracket":            {"/mnt/a", "/mnt/a [4 51200 61440 - 1 1000 1200 -\n", false},
		"beyond 2^64 bytes": {"/mnt/a",
			"/mnt/a 4 51200 18014398509481984 - 1 1000 1200 -\n", false},
		"nothing": {"/mnt/a", "", false},
		"only the header": {"/mnt/a",
			"Disk quotas for grp 5 (gid 5):\n     Filesystem  kbytes\n", false},
		"cut off": {"/mnt/a", "/mnt/a", false},
	} {
		got := parse(c.dir, c.out, "", 0, testNow())
		known := got.LimitsWhy() == ""
		if known != c.known || known && (got.Space.N() != 4096 || got.Inodes.N() != 1) ||
			known != got.Space.Known() {
			t.Errorf("%s: known %v, want %v: %+v", name, known, c.known, got)
		}
	}
}

// A number in brackets is unknown, whatever else lfs printed.
func TestParsePartly(t *testing.T) {
	const row = "/mnt/a [4]* 51200 61440 [6d] 1 1000 1200 -\n1 Some errors happened when getting " +
		"quota info. Some devices may be not working or deactivated. The data in \"[]\" is inaccurate.\n"
	for _, c := range []struct {
		stderr string
		exit   int
	}{{"", 5}, {"", 0}, {"Warning: something is deprecated\n", 5}} {
		got := parse("/mnt/a", row, c.stderr, c.exit, testNow())
		if got.LimitsWhy() != "" || got.Space.Known() || got.SpaceWhy() == "" || !got.Inodes.Known() ||
			got.Ends().Space != testNow().Add(6*24*time.Hour) {
			t.Errorf("%+v: got %+v", c, got)
		}
	}
	if got := parse("/mnt/a", row, "", 1, testNow()); got.LimitsWhy() == "" {
		t.Errorf("a failed run: %+v", got)
	}
}

func TestGrace(t *testing.T) {
	for field, want := range map[string]time.Time{
		"-":           {},
		"none":        testNow(),
		"expired":     testNow(),
		"1w":          testNow().Add(7 * 24 * time.Hour),
		"6d23h59m59s": testNow().Add(7*24*time.Hour - time.Second),
		"45s":         testNow().Add(45 * time.Second),
	} {
		got, err := grace(field, testNow())
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v, %v", field, got, err)
		}
	}
	for _, field := range []string{"5", "d", "5x", "99999999999w", "9999999w", "1w ", "-1d",
		"1w-"} {
		if got, err := grace(field, testNow()); err == nil {
			t.Errorf("%q: got %v, want an error", field, got)
		}
	}
}

// FuzzParse: whatever is printed, a value is known only if it was in a row of eight fields after
// our path. After a failed run nothing is known.
func FuzzParse(f *testing.F) {
	for _, c := range transcripts(f) {
		f.Add(c.dir(), c.Stdout, c.Stderr, c.Exit)
	}
	f.Add("/mnt/a", "/mnt/a 4 51200 61440 99999999999999w 1 1000 1200 -\n", "", 0)
	f.Fuzz(func(t *testing.T, dir, stdout, stderr string, exit int) {
		got := parse(dir, stdout, stderr, exit, testNow())
		all := got.Limits[planner.SpaceSoft].Known() && got.Limits[planner.SpaceHard].Known() &&
			got.Limits[planner.InodesSoft].Known() && got.Limits[planner.InodesHard].Known()
		if all != (got.LimitsWhy() == "") || got.Limits.Known() != all {
			t.Fatalf("limits known in part, or without saying why: %+v", got)
		}
		if !all && (got.Space.Known() || got.Inodes.Known()) {
			t.Fatalf("usage without limits: %+v", got)
		}
		if got.Space.Known() == (got.SpaceWhy() != "") || got.Inodes.Known() == (got.InodesWhy() != "") {
			t.Fatalf("unknown without a reason: %+v", got)
		}
		if exit != 0 && exit != exitEIO && all {
			t.Fatalf("exit %d, but known: %+v", exit, got)
		}
		if all && (!strings.Contains(stdout, dir) || len(strings.Fields(strings.Replace(stdout, dir,
			"", 1))) < 8) {
			t.Fatalf("known out of nothing: %+v", got)
		}
	})
}
