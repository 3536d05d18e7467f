package planner

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Hidden has texts that no message may show: tokens, and the parts of a configured URL that come
// from a file or from the environment. It does not show itself when printed or written as JSON.
type Hidden struct{ texts []string }

// leastHidden is the length from which a text is hidden. Shorter texts are no secrets and occur
// everywhere.
const leastHidden = 4

// hiddenText replaces a hidden text.
const hiddenText = "(secret)"

// With returns these texts and more, each in the forms that it has in URLs and messages. Of a whole
// URL, its parts are hidden.
func (h Hidden) With(texts ...string) Hidden {
	all := slices.Clone(h.texts)
	for _, t := range texts {
		forms := []string{t, strings.Trim(t, "/")}
		if u, err := url.Parse(t); err == nil && u.Host != "" {
			forms = append(forms, u.Host, u.Hostname(), strings.Trim(u.EscapedPath(), "/"),
				u.RawQuery)
		}
		for _, f := range forms {
			quoted := strconv.Quote(f)
			all = append(all, f, strings.ToLower(f), url.PathEscape(f), url.QueryEscape(f),
				quoted[1:len(quoted)-1])
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < leastHidden })
	slices.SortFunc(all, func(a, b string) int { // longest first, so that none is left in part
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	return Hidden{slices.Compact(all)}
}

// Text returns a text without what is hidden. Shorten texts only after this call.
func (h Hidden) Text(s string) string {
	for _, t := range h.texts {
		s = strings.ReplaceAll(s, t, hiddenText)
	}
	return s
}

// Error returns an error that wraps err and whose text shows nothing hidden.
func (h Hidden) Error(err error) error {
	if err == nil {
		return nil
	}
	if text := h.Text(err.Error()); text != err.Error() {
		return &hiddenError{text, err}
	}
	return err
}

type hiddenError struct {
	text string
	err  error
}

func (e *hiddenError) Error() string { return e.text }
func (e *hiddenError) Unwrap() error { return e.err }

// Format implements [fmt.Formatter] for every verb.
func (Hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hiddenText)) }

// Equal reports whether both hide the same.
func (h Hidden) Equal(o Hidden) bool { return slices.Equal(h.texts, o.texts) }
