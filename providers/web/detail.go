package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/waldur/cscs-storage-sync/planner"
)

// MaxDetail is how many characters of an answer an error repeats.
const MaxDetail = 300

// Detail returns what an answer says in words: the detail or status of a JSON object, the fields of
// a validation error, or else the beginning of the text. The result is shortened and printable. It
// is empty for an empty answer.
func Detail(h planner.Hidden, body []byte) string {
	body = bytes.TrimSpace(body)
	if IsHTML(body) {
		return "HTML answer"
	}
	var said struct {
		Detail json.RawMessage `json:"detail"`
		Status any             `json:"status"`
	}
	if json.Unmarshal(body, &said) == nil {
		if words := detailWords(said.Detail); words != "" {
			return Printable(h.Text(words))
		}
		if s, ok := said.Status.(string); ok && s != "" {
			return Printable(h.Text(s))
		}
	}
	return Printable(h.Text(string(body)))
}

// detailWords reads a detail: a text, or FastAPI's list of what is wrong with a query.
func detailWords(detail json.RawMessage) string {
	var text string
	if json.Unmarshal(detail, &text) == nil {
		return text
	}
	var list []struct {
		Msg string `json:"msg"`
		Loc []any  `json:"loc"`
	}
	if json.Unmarshal(detail, &list) == nil && len(list) > 0 {
		parts := make([]string, 0, len(list))
		for _, e := range list[:min(len(list), 5)] {
			loc := make([]string, 0, len(e.Loc))
			for _, l := range e.Loc {
				loc = append(loc, fmt.Sprint(l))
			}
			parts = append(parts, strings.Join(loc, ".")+": "+e.Msg)
		}
		return strings.Join(parts, "; ")
	}
	return string(detail)
}

// IsHTML reports whether an answer is a web page: a login form, a load balancer's error, or
// Waldur's 500.
func IsHTML(body []byte) bool {
	return len(body) > 0 && body[0] == '<'
}

// Printable makes text from outside fit for one line. White space becomes one blank. Characters
// that are not printable, or that could reorder or hide text, are escaped.
func Printable(s string) string {
	var out strings.Builder
	n := 0
	for _, r := range strings.Join(strings.Fields(s), " ") {
		if n++; n > MaxDetail {
			return out.String() + "…"
		}
		switch {
		case r == unicode.ReplacementChar || unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&out, `\U%08x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}
