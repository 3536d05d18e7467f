package waldursim

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const listPath = "/api/storage-resources/"

// query is a listing request that has passed all checks.
type query struct {
	filter     filter
	state      string // accepted and ignored
	page, size int
}

// resources answers the proxy's only endpoint.
func (s *Server) resources(r *http.Request) reply {
	if r.Method != http.MethodGet {
		rep := detail(http.StatusMethodNotAllowed, "Method Not Allowed")
		rep.header = map[string]string{"Allow": "GET"}
		return rep
	}
	if rep := s.proxyTokens.check(r, s.opts.Now()); rep != nil {
		return *rep
	}
	q, wrong := parseQuery(r.URL.Query())
	if len(wrong) > 0 {
		return reply{status: http.StatusUnprocessableEntity, body: map[string]any{"detail": wrong}}
	}
	all := s.listed(q.filter)
	if bad := (*listingError)(nil); errors.As(all.err, &bad) {
		return reply{status: http.StatusInternalServerError,
			body: map[string]any{"detail": bad.detail, "error": "InternalServerError"}}
	}
	return s.page(q, all, s.waldurBase(r))
}

// page returns one page of a listing. A page past the end is empty.
func (s *Server) page(q query, all *listing, base string) reply {
	total := all.total()
	offset := (q.page - 1) * q.size
	from := min(offset, total)
	to := min(from+q.size, total)
	var out bytes.Buffer
	out.WriteString(`{"version":"dev","status":"success","resources":[`)
	if err := all.render(s.model, &out, from, to, base); err != nil {
		return serverError()
	}
	fmt.Fprintf(&out, `],"pagination":{"current":%d,"limit":%d,"offset":%d,"pages":%d,"total":%d,"has_next":%t},"filters_applied":`,
		q.page, q.size, offset, (total+q.size-1)/q.size, total, to < total && from < total)
	filters, err := encode(s.applied(q))
	if err != nil {
		return serverError()
	}
	out.Write(filters)
	out.WriteByte('}')
	return reply{status: http.StatusOK, raw: out.Bytes()}
}

// applied is filters_applied, in the proxy's order.
type applied struct {
	System   string   `json:"storage_system,omitempty"`
	State    string   `json:"state,omitempty"`
	Page     int      `json:"page"`
	Size     int      `json:"page_size"`
	DataType string   `json:"data_type,omitempty"`
	Status   string   `json:"status,omitempty"`
	Slugs    []string `json:"offering_slugs"`
}

func (s *Server) applied(q query) applied {
	a := applied{System: q.filter.system, State: q.state, Page: q.page, Size: q.size,
		DataType: q.filter.dataType, Status: q.filter.status, Slugs: []string{}}
	for _, o := range s.model.offerings {
		if q.filter.system == "" || q.filter.system == o.system {
			a.Slugs = append(a.Slugs, o.slug)
		}
	}
	return a
}

// listed keeps the listing of each filter until something changes.
func (s *Server) listed(f filter) *listing {
	l := s.cache[f]
	if l == nil {
		l = s.model.list(f)
		s.cache[f] = l
	}
	return l
}

// waldurBase returns Waldur's URL for callbacks, with a slash at its end.
func (s *Server) waldurBase(r *http.Request) string {
	if s.opts.WaldurURL != "" {
		return strings.TrimRight(s.opts.WaldurURL, "/") + "/"
	}
	return origin(r) + "/api/"
}

func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// finding is the proxy's message about one wrong parameter.
type finding struct {
	Type  string   `json:"type"`
	Loc   []string `json:"loc"`
	Msg   string   `json:"msg"`
	Input string   `json:"input"`
	Ctx   any      `json:"ctx,omitempty"`
}

// parseQuery parses the parameters and returns all findings together.
func parseQuery(values url.Values) (query, []finding) {
	q := query{page: 1, size: 100, state: values.Get("state")}
	var wrong []finding
	add := func(f *finding) {
		if f != nil {
			wrong = append(wrong, *f)
		}
	}
	add(choice(values, "storage_system", &q.filter.system, "capstor", "vast", "iopsstor"))
	add(choice(values, "data_type", &q.filter.dataType, "store", "archive", "users", "scratch"))
	add(choice(values, "status", &q.filter.status, "pending", "active", "removing", "removed", "error", "updating", "unknown"))
	add(parseWhole(values, "page", &q.page, 0))
	add(parseWhole(values, "page_size", &q.size, 500))
	return q, wrong
}

func choice(values url.Values, name string, into *string, words ...string) *finding {
	if !values.Has(name) || slices.Contains(words, values.Get(name)) {
		*into = values.Get(name)
		return nil
	}
	last := len(words) - 1
	expected := "'" + strings.Join(words[:last], "', '") + "' or '" + words[last] + "'"
	return &finding{"enum", []string{"query", name}, "Input should be " + expected, values.Get(name),
		map[string]string{"expected": expected}}
}

// parseWhole parses a number from 1 to most; 0 means no bound.
func parseWhole(values url.Values, name string, into *int, most int) *finding {
	if !values.Has(name) {
		return nil
	}
	text := values.Get(name)
	n, err := strconv.Atoi(text)
	wrong := func(kind, msg string, ctx any) *finding {
		return &finding{kind, []string{"query", name}, msg, text, ctx}
	}
	switch {
	case err != nil:
		return wrong("int_parsing", "Input should be a valid integer, unable to parse string as an "+
			"integer", nil)
	case n < 1:
		return wrong("greater_than_equal", "Input should be greater than or equal to 1",
			map[string]int{"ge": 1})
	case most > 0 && n > most:
		return wrong("less_than_equal", fmt.Sprintf("Input should be less than or equal to %d", most),
			map[string]int{"le": most})
	}
	*into = min(n, 1<<50) // keeps the offset from overflowing
	return nil
}
