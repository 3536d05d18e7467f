// Package manual creates manual pages of the commands and the guides.
package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// links matches Markdown's links.
var links = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// withoutTables prepares a Markdown text for a manual page. It turns the rows of tables into lists,
// because a page of 80 columns has no room for wide tables. It drops comments, and the targets of
// links, which lead nowhere in a manual.
func withoutTables(text []byte) []byte {
	var b strings.Builder
	var names []string
	for line := range strings.Lines(links.ReplaceAllString(string(text), "$1")) {
		if strings.HasPrefix(strings.TrimSpace(line), "<!--") {
			continue // a comment is for the tests
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
