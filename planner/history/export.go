package history

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/render"
)

// columns returns the header line of the CSV.
func columns() []string {
	return []string{"seq", "time", "event", "who", "host", "plan", "approvers", "tickets", "result",
		"address", "action", "attribute", "before", "after", "text", "hash"}
}

// Formats returns the names of the formats of [Export].
func Formats() []string { return []string{"csv", "jsonl"} }

// Export writes entries for auditors: as "csv", with a line for each attribute that was to be
// changed and for each other entry; or as "jsonl", with one entry per line.
func Export(entries []ledger.Entry, format string) ([]byte, error) {
	if format == "csv" {
		return asCSV(entries)
	}
	var out bytes.Buffer
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("export entry %d: %w", e.Seq, err)
		}
		out.Write(append(render.EscapeJSON(line), '\n'))
	}
	return out.Bytes(), nil
}

func asCSV(entries []ledger.Entry) ([]byte, error) {
	var out bytes.Buffer
	table := [][]string{columns()}
	for i := range entries {
		table = append(table, rows(&entries[i])...)
	}
	for _, row := range table {
		for i := range row {
			row[i] = cell(row[i])
		}
	}
	if err := csv.NewWriter(&out).WriteAll(table); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return out.Bytes(), nil
}

// rows returns the lines of an entry.
func rows(e *ledger.Entry) (rows [][]string) {
	var approvers, tickets []string
	for _, x := range e.Approvals {
		approvers = append(approvers, x.Name)
		if x.Ticket != "" {
			tickets = append(tickets, x.Ticket)
		}
	}
	add := func(of ...string) {
		row := []string{strconv.FormatUint(e.Seq, 10), e.Time.UTC().Format(time.RFC3339), e.Event,
			e.Who, e.Host, e.Plan, strings.Join(approvers, " "), strings.Join(tickets, " "),
			countsOf(e.Counts)}
		rows = append(rows, append(append(row, of...), e.Text, e.Hash))
	}
	for _, c := range e.Changed {
		for _, x := range c.Changes {
			add(c.Address, string(c.Action), x.Attribute.String(), x.Before.String(),
				x.After.String())
		}
		if len(c.Changes) == 0 {
			add(c.Address, string(c.Action), "", "", "")
		}
	}
	if len(rows) == 0 {
		add("", "", "", "", "")
	}
	return rows
}

// cell returns a text that no spreadsheet takes for a formula and no terminal for a command.
func cell(s string) string {
	if s = render.Escape(s); s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
