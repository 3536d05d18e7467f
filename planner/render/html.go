package render

import (
	"bytes"
	"fmt"
	"html"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
)

// HTML is the plan as one page that needs nothing else: no script, no picture, no font. It follows the reader's light or
// dark setting, and prints in full. Changes of the same shape are folded with all their addresses, dangerous ones never.
func HTML(plan *planner.Plan, opt Options) []byte {
	opt.Compact = true
	v := newView(plan, opt)
	v.listAll = true
	h := &page{v: v}
	head, tail, _ := conclusion(plan)
	h.printf("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "+
		"content=\"width=device-width, initial-scale=1\">\n"+
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"+
		"<title>cscs-sync plan %s</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>cscs-sync plan %s</h1>\n<p><strong>%s</strong>%s</p>\n",
		canonical.ShortID(v.id), stylesheet, canonical.ShortID(v.id), html.EscapeString(head), html.EscapeString(tail))
	h.pre(v.header)
	h.table()
	c := &plan.Context
	h.section(len(c.Promised) > 0, "Promised space", v.promised)
	h.section(v.hasDanger(), "Dangers", v.dangerous)
	h.section(len(c.Warnings) > 0, "Warnings", v.warnings)
	h.section(len(c.Drift) > 0, "Changed outside of cscs-sync", v.drift)
	h.section(len(v.legendKinds()) > 0, "Symbols", v.legend)
	if list := v.actions(); len(list) > 0 {
		h.printf("<h2>Actions</h2>\n")
		for _, show := range list[1:] {
			h.pre(show)
		}
	}
	h.section(len(c.Shared) > 0, "Shared quotas", v.shared)
	h.section(len(c.Blocked)+len(c.Waiting) > 0, "Blocked and waiting", v.refusals)
	h.section(len(c.Undelivered) > 0 || v.sends(), "Callbacks", v.callbacks)
	h.printf("</body>\n</html>\n")
	return h.buf.Bytes()
}

const stylesheet = `:root { color-scheme: light dark; --fg: #1f2328; --bg: #ffffff; --box: #f6f8fa; --dim: #59636e;
  --green: #116329; --yellow: #7d4e00; --red: #b1121d; --cyan: #0b5e6b; --magenta: #7a2a8c; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6edf3; --bg: #0d1117; --box: #161b22; --dim: #9198a1;
  --green: #56d364; --yellow: #e3b341; --red: #ff7b72; --cyan: #56d4dd; --magenta: #d2a8ff; } }
body { color: var(--fg); background: var(--bg); font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
pre { background: var(--box); padding: .6em 1em; border-radius: 6px; font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .2em .9em; text-align: right; border-bottom: 1px solid var(--box); }
th:first-child, td:first-child { text-align: left; } h2 { margin-top: 1.5em; }
.b { font-weight: bold; } .d { color: var(--dim); } .g { color: var(--green); } .y { color: var(--yellow); } .r { color: var(--red); }
.c { color: var(--cyan); } .m { color: var(--magenta); } .del { text-decoration: line-through; }
@media print { body { max-width: none; margin: 0; font-size: 11pt; } pre { font-size: 8.5pt; break-inside: avoid; border: 1px solid #ccc; } h2 { break-after: avoid; } }
`

type page struct {
	v   *view
	buf bytes.Buffer
}

func (h *page) printf(format string, args ...any) { fmt.Fprintf(&h.buf, format, args...) }

func (h *page) section(has bool, title string, show func(*printer)) {
	if has {
		h.printf("<h2>%s</h2>\n", title)
		h.pre(show)
	}
}

func (h *page) pre(show func(*printer)) {
	p := newHTMLPrinter(h.v.opt)
	show(p)
	h.printf("<pre>%s</pre>\n", p.buf.Bytes())
}

func (h *page) table() {
	h.printf("<table>\n<tr><th>action</th>")
	for _, name := range columnNames() {
		h.printf("<th>%s</th>", name)
	}
	h.printf("</tr>\n")
	all := h.v.effects()
	for _, kind := range planner.ActionKinds() {
		e, ok := all[kind]
		if !ok {
			continue
		}
		h.printf("<tr><td>%s</td>", kind)
		for i, n := range e.cells() {
			switch {
			case n == 0:
				h.printf("<td></td>")
			case i == 4:
				h.printf("<td class=\"r b\">%s</td>", planner.Commas(uint64(n)))
			default:
				h.printf("<td>%s</td>", planner.Commas(uint64(n)))
			}
		}
		h.printf("</tr>\n")
	}
	h.printf("</table>\n")
}
