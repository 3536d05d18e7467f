package lustre

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/quota"
)

var viaLFS = &planner.QuotaSource{Via: "lfs"}

const (
	// someErrors ends the output when servers did not answer. Numbers in brackets are then unreliable.
	someErrors = "Some errors happened when getting quota info"
	// isDefault is how releases up to 2.15 say that the default quota applies. Later releases don't
	// say so.
	isDefault = "quota setting"
)

// checkTitle returns an error if the answer is about another identity. lfs first tries an id as a
// name: if a group is named 30500, its limits would be read and set instead of those of gid 30500.
// The title, "Disk quotas for grp 30500 (gid 31000):", has the id that lfs used, whatever name
// service it asked. Every release prints it.
func checkTitle(stdout string, by planner.QuotaBy, id uint32) error {
	for line := range strings.Lines(stdout) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "Disk quotas for ") {
			continue
		}
		in := line[strings.LastIndexByte(line, '(')+1:]
		words := strings.Fields(strings.TrimSuffix(in, "):"))
		kind := map[planner.QuotaBy]string{planner.ByGroup: "gid", planner.ByProject: "pid"}[by]
		if len(words) != 2 || words[0] != kind {
			return fmt.Errorf("lfs quota: unexpected title %.80q: this release of lfs is not supported",
				line)
		}
		if words[1] != strconv.FormatUint(uint64(id), 10) {
			return fmt.Errorf("%s %d is also the name of %s %s, and lfs would use that one: rename it, or "+
				"set client = \"ioctl\" in the quota block, which uses only numbers", by, id, by, words[1])
		}
	}
	return nil
}

// row is what lfs prints for one filesystem: used, soft, hard and grace for space in KiB, then the
// same for inodes.
type row [8]string

// parse parses the output of `lfs quota -g ID DIR`, with or without -q, and its exit code. now is
// the time of the call, for grace periods.
func parse(dir, stdout, stderr string, exit int, now time.Time) planner.QuotaState {
	if exit != 0 && (exit != exitEIO || !strings.Contains(stdout, someErrors)) {
		return quota.Unknown(viaLFS, explainExit("lfs quota", exit, stdout, stderr))
	}
	r, why := findRow(dir, stdout)
	if why != "" {
		return quota.Unknown(viaLFS, "lfs quota: "+why)
	}
	s := r.state(now, stdout)
	if s.LimitsWhy() != "" && exit != 0 { // there are only zeros in brackets, so the error says more
		return quota.Unknown(viaLFS, explainExit("lfs quota", exit, stdout, stderr))
	}
	return s
}

// findRow finds the row of dir, which lfs prints as it was given. Releases up to 2.15 print a long
// path on its own line. Rows of other mounts and notes are skipped. Two rows of dir are an error.
func findRow(dir, stdout string) (row, string) {
	var found *row
	for rest := stdout; rest != ""; {
		if after, ok := strings.CutPrefix(strings.TrimLeft(rest, blanks), dir); ok &&
			strings.ContainsAny(after[:min(1, len(after))], blanks+"\r\n") {
			r, left, why := readRow(after)
			if why != "" {
				return row{}, why
			}
			if found != nil {
				return row{}, fmt.Sprintf("several rows for %s", dir)
			}
			found, rest = &r, left
			continue
		}
		_, rest, _ = strings.Cut(rest, "\n")
	}
	if found == nil {
		return row{}, fmt.Sprintf("no row for %s in its output", dir)
	}
	return *found, ""
}

// blanks separate the words of a line.
const blanks = " \t"

// readRow reads the eight words after a path, wherever lines break. The eighth word must end its
// line.
func readRow(s string) (r row, rest, why string) {
	for i := range r {
		s = strings.TrimLeft(s, blanks+"\r\n")
		end := strings.IndexAny(s+"\n", blanks+"\r\n")
		if end == 0 {
			return r, "", fmt.Sprintf("a row of %d fields instead of 8: this release of lfs is not "+
				"supported", i)
		}
		r[i], s = s[:end], s[end:]
	}
	line, rest, _ := strings.Cut(s, "\n")
	if line = strings.TrimSpace(line); line != "" {
		return r, "", fmt.Sprintf("a row of more than 8 fields (%.40q): this release of lfs is not "+
			"supported",
			line)
	}
	return r, rest, ""
}

// figure is one number of a row. It is unknown if it is in brackets.
type figure struct {
	n     uint64
	known bool
}

// number parses "123", "123*" (over the limit; the star is not reliable) and "[123]" (not
// obtained), with or without "*".
func number(field string) (figure, error) {
	s, known := strings.TrimSuffix(field, "*"), true
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s, known = strings.TrimSuffix(s[1:len(s)-1], "*"), false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return figure{}, fmt.Errorf("%q is not a number", field)
	}
	return figure{n, known}, nil
}

// grace parses how long a grace period still runs, and returns its end. lfs prints "-" if none
// runs, and "none" (up to 2.15) or "expired" if it is over.
func grace(field string, now time.Time) (time.Time, error) {
	switch field = strings.Trim(field, "[]"); field {
	case "-", "notify":
		return time.Time{}, nil
	case "none", "expired":
		return now, nil
	}
	var left time.Duration
	units := map[byte]time.Duration{'w': 7 * 24 * time.Hour, 'd': 24 * time.Hour, 'h': time.Hour,
		'm': time.Minute, 's': time.Second}
	for s := field; s != ""; {
		end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
		if end < 1 || end > 9 || units[s[end]] == 0 {
			return time.Time{}, fmt.Errorf("%q is not a grace period", field)
		}
		n, err := strconv.Atoi(s[:end])
		if err != nil || time.Duration(n) > maxGrace/units[s[end]] {
			return time.Time{}, fmt.Errorf("%q is not a grace period", field)
		}
		left += time.Duration(n) * units[s[end]]
		s = s[end+1:]
	}
	return now.Add(left), nil
}

// maxGrace bounds each part of a grace period, so that sums cannot overflow: fifty years.
const maxGrace = 50 * 365 * 24 * time.Hour

func (r row) state(now time.Time, stdout string) planner.QuotaState {
	var n [8]figure
	for _, i := range []int{0, 1, 2, 4, 5, 6} {
		var err error
		if n[i], err = number(r[i]); err != nil {
			return quota.Unknown(viaLFS, "lfs quota: "+err.Error()+": this release of lfs is not supported")
		}
	}
	spaceEnds, err := grace(r[3], now)
	inodesEnd, err2 := grace(r[7], now)
	if err != nil || err2 != nil {
		return quota.Unknown(viaLFS, fmt.Sprintf("lfs quota: unexpected grace periods %q and %q: this "+
			"release of lfs is not supported", r[3], r[7]))
	}
	const missing = "not obtained from every server (lfs shows it in brackets)"
	s := planner.QuotaState{Source: viaLFS, DefaultSpace: saysDefault(stdout, "block"),
		DefaultInodes: saysDefault(stdout, "file")}
	s.SetEnds(planner.Grace{Space: spaceEnds, Inodes: inodesEnd})
	s.Limits = planner.Limits{
		planner.SpaceSoft:  limitIf(n[1], planner.Bytes(kib)),
		planner.SpaceHard:  limitIf(n[2], planner.Bytes(kib)),
		planner.InodesSoft: limitIf(n[5], planner.Inodes(1)),
		planner.InodesHard: limitIf(n[6], planner.Inodes(1)),
	}
	if q := s.Limits; !q[planner.SpaceSoft].Known() || !q[planner.SpaceHard].Known() ||
		!q[planner.InodesSoft].Known() || !q[planner.InodesHard].Known() {
		return quota.Unknown(viaLFS, "limits "+missing)
	}
	var why planner.Whys
	s.Space, why.Space = usage(n[0], planner.Bytes(kib), missing)
	s.Inodes, why.Inodes = usage(n[4], planner.Inodes(1), missing)
	s.SetWhys(why)
	return s
}

func limitIf[U planner.Bytes | planner.Inodes](f figure, unit U) planner.Limit {
	if !f.known {
		return planner.Limit{}
	}
	return quota.Limit(f.n, unit)
}

// usage converts a usage, or says why it is unknown.
func usage[U planner.Bytes | planner.Inodes](f figure, unit U, missing string) (
	used planner.Usage[U], why string) {
	n := U(f.n) * unit
	switch {
	case !f.known:
		return used, missing
	case n/unit != U(f.n):
		return used, fmt.Sprintf("%d is too large to be counted", f.n)
	}
	return planner.UsageOf(n), ""
}

// saysDefault reports whether the output has the note "gid N is using default block quota setting",
// or "… file …". The default quota may apply to one kind and not to the other.
func saysDefault(stdout, kind string) bool {
	for line := range strings.Lines(stdout) {
		line = strings.TrimSpace(line)
		if strings.HasSuffix(line, isDefault) && strings.Contains(line,
			" is using default "+kind+" ") {
			return true
		}
	}
	return false
}
