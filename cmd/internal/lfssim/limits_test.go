package lfssim

import (
	"strconv"
	"strings"
	"testing"
)

func TestParseLimit(t *testing.T) {
	const refused = ^uint64(0) - 12345
	for _, c := range []struct {
		text        string
		unit        uint64
		old, modern uint64
	}{
		{"", 1024, 0, 0},
		{" ", 1024, refused, refused},
		{"+", 1024, refused, refused},
		{"+21M", 1024, 21 << 20, 21 << 20},
		{"010M", 1024, 8 << 20, 8 << 20},
		{"08", 1024, refused, refused},
		{"0x100000", 1024, 1 << 30, 1 << 30},
		{"0x", 1024, refused, refused},
		{"1e6", 1024, refused, refused},
		{"10MiB", 1024, refused, 10 << 20},
		{"10MB", 1024, refused, 10 << 20},
		{"1bB", 1024, refused, refused},
		{"1.5", 1, 1, 1},
		{"1.999999999999999999999k", 1, 2047, 2047},
		{"15.9E", 1024, 15<<60 + 9*(1<<60)/10, 15<<60 + 9*(1<<60)/10},
		{"G", 1024, refused, refused},
		{"18014398509481984", 1024, 0, 0},
		{"18446744073709551616", 1024, ^uint64(0) - 1023, ^uint64(0) - 1023},
		{"99999999999999999999999999", 1, ^uint64(0), ^uint64(0)},
	} {
		for _, modern := range []bool{false, true} {
			want := c.old
			if modern {
				want = c.modern
			}
			got, ok := parseLimit(c.text, c.unit, modern)
			if ok != (want != refused) || ok && got != want {
				t.Errorf("parseLimit(%q, %d, modern %v) = %d, %v; want %d", c.text, c.unit, modern,
					got, ok, want)
			}
		}
	}
}

func FuzzParseLimit(f *testing.F) {
	for _, seed := range []string{"", "1G", " 5G", "1.5T", "0x10", "010", "16E", "-1", "5 G",
		"1GiB", "18446744073709551616", "1.E"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		old, oldOK := parseLimit(text, 1024, false)
		modern, modernOK := parseLimit(text, 1024, true)
		if oldOK && (!modernOK || old != modern) {
			t.Errorf("%q: %d in the old release, %d (%v) in the modern", text, old, modern,
				modernOK)
		}
		if modernOK && strings.Contains(text, "-") {
			t.Errorf("%q: a minus was taken", text)
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err == nil && text[0] != '0' && (!oldOK || old != n*1024) {
			t.Errorf("%q: %d, %v; want %d KiB", text, old, oldOK, n)
		}
	})
}

func FuzzParseGrace(f *testing.F) {
	for _, seed := range []string{"notify", "1w2d3h4m5s", "86400", "5x", "", "1w3",
		"99999999999999w"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seconds, ok := parseGrace(text)
		if !ok {
			return
		}
		again, ok := parseGrace(duration(seconds))
		if !ok || again != seconds {
			t.Errorf("%q is %d s, shown as %q, read again as %d (%v)", text, seconds,
				duration(seconds), again, ok)
		}
	})
}

func FuzzGetopt(f *testing.F) {
	f.Add("-q\x00-g\x001000\x00--pool\x00flash\x00/mnt")
	f.Add("--pool=flash\x00--\x00-g")
	f.Fuzz(func(t *testing.T, joined string) {
		args := strings.Split(joined, "\x00")
		words, rc := getopt(args, oldQuotaOptions(), func(name, value string) int {
			if name == unknownOption {
				return 4
			}
			return 0
		})
		if rc != 0 && rc != 4 || len(words) > len(args) {
			t.Errorf("%q: rc %d, words %q", args, rc, words)
		}
	})
}
