// Package manual makes manual pages of the commands and of the guides.
package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// links are Markdown's.
var links = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// withoutTables turns the rows of tables into lists, because a page of 80 columns has no room for
// wide tables, and drops the targets of links, which lead nowhere from a manual, and comments.
func withoutTables(text []byte) []byte {
	var b strings.Builder
	var names []string
	for line := range strings.Lines(links.ReplaceAllString(string(text), "$1")) {
		if strings.HasPrefix(strings.TrimSpace(line), "<!--") {
			continue // for the tests
		}
		if !strings.HasPrefix(line, "|") {
			names = nil
			b.WriteString(line)
			continue
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(strings.TrimSpace(line), `\|`,
			"\x00"), "|"), "|")
		switch {
		case names == nil:
			names = cells
			continue
		case strings.Trim(cells[0], " -:") == "":
			continue
		}
		fmt.Fprintf(&b, "* **%s**", cell(cells[0]))
		for i, c := range cells[1:] {
			if c = cell(c); c != "" && i < len(cells)-2 && i+1 < len(names) {
				c = cell(names[i+1]) + " " + c
			}
			if c != "" {
				b.WriteString(": " + c)
			}
		}
		b.WriteByte('\n')
	}
	return []byte(b.String())
}

func cell(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(s), "\x00", "|"), "`", "")
}
