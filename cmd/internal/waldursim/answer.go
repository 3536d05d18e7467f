package waldursim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// request has everything from which answers are computed.
type request struct {
	method, contentType string
	body                []byte
	account             Account
}

// reply is an answer before it is written, and whether the request changed anything.
type reply struct {
	status int
	body   any    // as JSON; nil: an empty body without a content type
	raw    []byte // in place of body, already rendered JSON
	html   string // in place of both
	header map[string]string
	effect bool
}

// done is the answer of callbacks without a result.
func done() reply { return reply{status: http.StatusOK, effect: true} }

func detail(status int, text string) reply {
	return reply{status: status, body: map[string]any{"detail": text}}
}

func fieldError(field, text string) reply {
	return reply{status: http.StatusBadRequest, body: map[string]any{field: []string{text}}}
}

// serverError is Django's page for an unexpected error.
func serverError() reply {
	return reply{status: http.StatusInternalServerError, html: "<!doctype html>\n<html " +
		"lang=\"en\">\n<head>\n" +
		"  <title>Server Error (500)</title>\n</head>\n<body>\n  <h1>Server Error " +
		"(500)</h1><p></p>\n</body>\n</html>\n"}
}

// content renders the body and names its type.
func (r reply) content() (text []byte, contentType string) {
	switch {
	case r.html != "":
		return []byte(r.html), "text/html"
	case r.raw != nil:
		return r.raw, "application/json"
	case r.body == nil:
		return nil, ""
	}
	text, err := encode(r.body)
	if err != nil {
		text = fmt.Appendf(nil, `{"detail":%q}`, err)
	}
	return text, "application/json"
}

// parseBody parses a JSON object and keeps numbers as they were written. An empty body is an empty
// object.
func parseBody(body []byte) (map[string]any, *reply) {
	fields := map[string]any{}
	if len(bytes.TrimSpace(body)) == 0 {
		return fields, nil
	}
	var v any
	if err := decode(body, &v); err != nil {
		rep := detail(http.StatusBadRequest, "JSON parse error - "+pythonSyntax(string(body)))
		return nil, &rep
	}
	fields, ok := v.(map[string]any)
	if !ok {
		rep := fieldError("non_field_errors",
			"Invalid data. Expected a dictionary, but got "+pythonType(v)+".")
		return nil, &rep
	}
	return fields, nil
}

// decode parses one JSON value with nothing after it. Numbers stay as they were written.
func decode(text []byte, into any) error {
	return decodeOne(json.NewDecoder(bytes.NewReader(text)), into)
}

func decodeOne(dec *json.Decoder, into any) error {
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("read JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("read JSON: more than one value")
	}
	return nil
}

// pythonSyntax returns Python's message for a syntax error, for the two usual cases: an invalid
// key, and no JSON at all.
func pythonSyntax(body string) string {
	if rest, ok := strings.CutPrefix(body, "{"); ok &&
		!strings.HasPrefix(strings.TrimSpace(rest), `"`) {
		at := 1 + len(rest) - len(strings.TrimLeft(rest, " "))
		return fmt.Sprintf("Expecting property name enclosed in double quotes: line 1 column %d (char "+
			"%d)", at+1, at)
	}
	return "Expecting value: line 1 column 1 (char 0)"
}

// charField reads a text like Django's REST framework: an absent text is left alone, and a number
// is a text.
func charField(fields map[string]any, name string, into *string) *reply {
	v, given := fields[name]
	if !given {
		return nil
	}
	switch v := v.(type) {
	case string:
		*into = v
		return nil
	case json.Number:
		*into = v.String()
		return nil
	case nil:
		rep := fieldError(name, "This field may not be null.")
		return &rep
	}
	rep := fieldError(name, "Not a valid string.")
	return &rep
}
