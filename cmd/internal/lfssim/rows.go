package lfssim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// rowKind says what a row shows. The columns differ slightly.
type rowKind int

const (
	wholeRow   rowKind = iota // a file system, a pool, or one target requested by itself
	mdtRow                    // an MDT in the list of -v
	ostRow                    // an OST in the list of -v
	defaultRow                // the default quota
)

// layout is the layout of a row.
type layout struct {
	plays  release
	human  bool
	delim  string   // modern: the text after each column; "" is a blank
	fields []string // modern: the columns to show; none means all
	now    uint64
}

// column is one column: its name for selectors, its text, and whether it has a star.
type column struct {
	name, text string
	star       bool
}

// columns turns an answer into the eight columns after the path.
func (l layout) columns(a answer, kind rowKind, errno syscall.Errno) []column {
	bover := l.over(kib(a.space), a.bsoft, a.bhard, a.btime)
	iover := l.over(a.inodes, a.isoft, a.ihard, a.itime)
	cols := []column{
		{"busage", bracket(l.amount(kib(a.space)), a.has&hasSpace != 0), bover != overNone},
		{"bsoft", bracket(l.amount(a.bsoft), a.has&hasBLimits != 0), false},
		{"bhard", bracket(l.amount(a.bhard), a.has&hasBLimits != 0), false},
		{"bgrace", l.remaining(bover, a.btime), false},
		{"iusage", bracket(plain(a.inodes), a.has&hasInodes != 0), iover != overNone},
		{"isoft", bracket(plain(a.isoft), a.has&hasILimits != 0), false},
		{"ihard", bracket(plain(a.ihard), a.has&hasILimits != 0), false},
		{"igrace", l.remaining(iover, a.itime), false},
	}
	if l.plays.modern {
		cols[4].star = cols[0].star // a bug of these releases: the inodes' star follows the blocks' state
	}
	if errno == syscall.EREMOTEIO {
		cols[0].text = l.amount(kib(a.space)) + "*"
	}
	l.dashes(cols, kind)
	return cols
}

// dashes replaces what the list of targets does not show.
func (l layout) dashes(cols []column, kind rowKind) {
	if kind == mdtRow || kind == ostRow {
		cols[1].text, cols[5].text = "-", "-"
	}
	if kind == ostRow && !l.plays.modern {
		for i := range cols[4:] {
			cols[4+i].text, cols[4+i].star = "-", false
		}
	}
}

// The states of a usage compared with its limits.
const (
	overNone = iota
	overHard
	overRunning // over soft, the grace time runs
	overExpired
)

// over returns the state of a usage. For the soft limit it trusts the servers' timer, like lfs.
func (l layout) over(used, soft, hard, end uint64) int {
	end &= timeMask
	switch {
	case hard != 0 && used >= hard:
		return overHard
	case soft == 0 || end == 0:
		return overNone
	case end > l.now:
		return overRunning
	}
	return overExpired
}

func (l layout) remaining(over int, end uint64) string {
	switch over {
	case overRunning:
		return duration(end&timeMask - l.now)
	case overExpired:
		return l.plays.expired
	}
	return "-"
}

func bracket(text string, known bool) string {
	if known {
		return text
	}
	return "[" + text + "]"
}

func plain(n uint64) string { return strconv.FormatUint(n, 10) }

// amount returns KiB, in a readable form with -h.
func (l layout) amount(n uint64) string {
	if !l.human {
		return plain(n)
	}
	for _, unit := range []struct {
		shift  uint
		letter string
	}{{40, "P"}, {30, "T"}, {20, "G"}, {10, "M"}} {
		if n>>unit.shift != 0 {
			return fmt.Sprintf("%5.4g%s", float64(n)/float64(uint64(1)<<unit.shift), unit.letter)
		}
	}
	return plain(n) + "k"
}

// duration returns seconds in the form 1w2d3h4m5s, without parts that are 0.
func duration(seconds uint64) string {
	if seconds == notifyGrace {
		return "notify"
	}
	var b strings.Builder
	for _, unit := range []struct {
		length uint64
		letter byte
	}{{week, 'w'}, {24 * 3600, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}} {
		if n := seconds / unit.length; n != 0 {
			b.WriteString(plain(n))
			b.WriteByte(unit.letter)
		}
		seconds %= unit.length
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// defaultColumns returns the columns of the default quota: no usage, and grace times in place of
// the timers.
func (l layout) defaultColumns(a answer) []column {
	return []column{
		{"bsoft", l.amount(a.bsoft), false}, {"bhard", l.amount(a.bhard), false}, {"bgrace",
			l.defaultGrace(a.bsoft, a.btime), false},
		{"isoft", plain(a.isoft), false}, {"ihard", plain(a.ihard), false}, {"igrace",
			l.defaultGrace(a.isoft, a.itime), false},
	}
}

// defaultGrace returns the grace time of a default quota. The old program mistakes the grace time
// for the end of one, long ago.
func (l layout) defaultGrace(soft, seconds uint64) string {
	switch {
	case l.plays.modern && soft != 0:
		return plain(seconds)
	case l.plays.modern:
		return "-"
	case soft != 0 && seconds != 0:
		return l.remaining(l.over(0, soft, 0, seconds), seconds)
	}
	return plain(seconds)
}

// heading returns the line above the rows.
func (l layout) heading(kind rowKind, list bool) string {
	space := "kbytes"
	if l.human {
		space = "used"
	}
	if !l.plays.modern {
		if kind == defaultRow {
			return "     Filesystem   bquota  blimit  bgrace   iquota  ilimit  igrace\n"
		}
		return fmt.Sprintf("     Filesystem %7s   quota   limit   grace   files   quota   limit   "+
			"grace\n", space)
	}
	cols := []column{
		{"busage", space, false}, {"bsoft", "bquota", false}, {"bhard", "blimit", false}, {"bgrace",
			"bgrace", false},
		{"iusage", "files", false}, {"isoft", "iquota", false}, {"ihard", "ilimit",
			false}, {"igrace", "igrace", false},
	}
	if kind == defaultRow {
		cols = slices.DeleteFunc(cols, func(c column) bool {
			return strings.HasSuffix(c.name, "usage")
		})
	}
	id := ""
	if list {
		id = "quota_id"
	}
	return l.modernRow("Filesystem", id, cols)
}

// row returns one row. id is shown only in lists.
func (l layout) row(label, id string, cols []column) string {
	if l.plays.modern {
		return l.modernRow(label, id, cols)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%15s", label)
	if len(label) > 15 {
		fmt.Fprintf(&b, "\n%15s", "")
	}
	for _, c := range cols {
		switch {
		case strings.HasSuffix(c.name, "usage"):
			fmt.Fprintf(&b, " %7s%s", c.text, starOr(c.star, " "))
		case strings.HasSuffix(c.name, "soft"):
			fmt.Fprintf(&b, " %6s", c.text)
		default:
			fmt.Fprintf(&b, " %7s", c.text)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func starOr(star bool, other string) string {
	if star {
		return "*"
	}
	return other
}

// modernRow returns one row in which every column, even the last, ends with the delimiter. If only
// one column was requested, it is shown alone.
func (l layout) modernRow(label, id string, cols []column) string {
	width, delim := 7, " "
	if l.delim != "" {
		width, delim = 8, l.delim
	}
	cols = slices.DeleteFunc(slices.Clone(cols), func(c column) bool {
		return len(l.fields) != 0 && !slices.Contains(l.fields, c.name)
	})
	withPath := len(l.fields) == 0 || slices.Contains(l.fields, "path")
	if len(l.fields) == 1 {
		if withPath {
			return label + "\n"
		}
		return strings.TrimSpace(cols[0].text) + "\n"
	}
	var b strings.Builder
	if withPath {
		fmt.Fprintf(&b, "%*s%s", width+8, label, delim)
	}
	if id != "" {
		fmt.Fprintf(&b, "%*s%s", width+2, id, delim)
	}
	for _, c := range cols {
		fmt.Fprintf(&b, "%*s%s", width, c.text+starOr(c.star, ""), delim)
	}
	b.WriteByte('\n')
	return b.String()
}
