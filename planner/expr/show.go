package expr

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/zclconf/go-cty/cty"
)

// Show writes a value as HCL does, on one line. A text longer than most bytes is cut at its end; 0
// means no limit.
func Show(v cty.Value, most int) string {
	var b strings.Builder
	show(&b, v, -1)
	s := b.String()
	if most > 0 && len(s) > most {
		cut := most
		for cut > 0 && s[cut]&0xc0 == 0x80 {
			cut--
		}
		return s[:cut] + "…"
	}
	return s
}

// showLines writes a value as HCL does, with one line for each element of a list or map.
func showLines(v cty.Value) string {
	var b strings.Builder
	show(&b, v, 0)
	return b.String()
}

// show writes v. indent is negative for a single line.
func show(b *strings.Builder, v cty.Value, indent int) {
	t := v.Type()
	switch {
	case !v.IsKnown():
		b.WriteString("(unknown)")
	case v.IsNull():
		b.WriteString("null")
	case t == cty.String:
		b.WriteString(quote(v.AsString()))
	case t == cty.Number:
		b.WriteString(number(v.AsBigFloat()))
	case t == cty.Bool:
		b.WriteString(strconv.FormatBool(v.True()))
	case t.IsMapType() || t.IsObjectType():
		showAll(b, v, indent, "{", "}", true)
	case t.IsListType() || t.IsSetType() || t.IsTupleType():
		showAll(b, v, indent, "[", "]", false)
	default:
		b.WriteString("(" + t.FriendlyName() + ")")
	}
}

func showAll(b *strings.Builder, v cty.Value, indent int, open, end string, keyed bool) {
	b.WriteString(open)
	inner, n := indent, 0
	if indent >= 0 {
		inner++
	}
	for it := v.ElementIterator(); it.Next(); n++ {
		key, element := it.Element()
		switch {
		case indent >= 0:
			b.WriteString("\n" + strings.Repeat("  ", inner))
		case n > 0:
			b.WriteString(", ")
		case keyed:
			b.WriteString(" ")
		}
		if keyed {
			b.WriteString(name(key.AsString()) + " = ")
		}
		show(b, element, inner)
		if indent >= 0 && !keyed {
			b.WriteString(",")
		}
	}
	switch {
	case n > 0 && indent >= 0:
		b.WriteString("\n" + strings.Repeat("  ", indent))
	case n > 0 && keyed:
		b.WriteString(" ")
	}
	b.WriteString(end)
}

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

func name(s string) string {
	if plainName.MatchString(s) {
		return s
	}
	return quote(s)
}

// quote quotes a text as HCL does, and escapes what could deceive a reader.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(s[i+1:], "{"):
			b.WriteString(string(r) + string(r))
		case !unicode.IsPrint(r) && r > 0xffff:
			b.WriteString(`\U` + hex(r, 8))
		case !unicode.IsPrint(r):
			b.WriteString(`\u` + hex(r, 4))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func hex(r rune, digits int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", max(digits-len(s), 0)) + s
}

// number writes a number in full if that is short. It leaves out digits that come only from binary
// fractions.
func number(f *big.Float) string {
	switch {
	case f.IsInf() && f.Sign() > 0:
		return "unlimited"
	case f.IsInf():
		return "-unlimited"
	case f.MantExp(nil) < 200 && f.MantExp(nil) > -60:
		if s := f.Text('f', 20); strings.Contains(s, ".") {
			if s = strings.TrimRight(strings.TrimRight(s, "0"), "."); s == "-0" {
				return "0"
			}
			return s
		}
	}
	return f.Text('g', 30)
}
