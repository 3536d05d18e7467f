package config

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/waldur/cscs-storage-sync/planner/expr"
)

// redact blanks out what may be a secret written into the configuration. If the name of a line or
// member sounds like a secret, everything after its first word is blanked, up to the end of the
// line on which brackets and heredocs are closed again, unless it is just a call of file or env.
// redact works on tokens, so it also works if the syntax is broken. Lengths and line ends stay, so
// that every range still fits. Blanking out too much costs an excerpt; too little costs a token.
func redact(src []byte, tokens hclsyntax.Tokens) []byte {
	out := blankLines(bytes.Clone(src))
	for i := 0; i < len(tokens); i++ {
		if t := tokens[i]; t.Type == hclsyntax.TokenQuotedLit && hasPassword(string(t.Bytes)) {
			blank(out, t.Range.Start.Byte, t.Range.End.Byte)
		}
		if !isName(tokens, i) || !soundsSecret(nameOf(tokens, i)) {
			continue
		}
		end := statementEnd(tokens, i+1)
		if !callsSource(tokens[i+1 : end]) {
			from, to := tokens[i].Range.End.Byte, len(src)
			if end < len(tokens) {
				to = tokens[end].Range.Start.Byte
			}
			blank(out, valueStart(tokens, i, from), lineEnd(src, to))
			// people keep old secrets in comments
		} else if end < len(tokens) && tokens[end].Type == hclsyntax.TokenComment {
			blank(out, tokens[end].Range.Start.Byte+1, tokens[end].Range.End.Byte)
		}
		i = end
	}
	return out
}

// blankLines does the same for single lines without tokens, which mean nothing after an unclosed
// quote.
func blankLines(b []byte) []byte {
	start := 0
	for line := range bytes.Lines(b) {
		name, value, found := bytes.Cut(line, []byte("="))
		if !found {
			name, value, found = bytes.Cut(line, []byte(":"))
		}
		name = bytes.Trim(name, " \t\"'{")
		if i := bytes.LastIndexAny(name, " \t{,"); i >= 0 {
			name = name[i+1:]
		}
		v := bytes.TrimSpace(value)
		call := bytes.HasPrefix(v, []byte(`file("`)) || bytes.HasPrefix(v, []byte(`env("`))
		if found && soundsSecret(string(name)) && !call {
			blank(b, start+len(line)-len(value), start+len(line))
		}
		start += len(line)
	}
	return b
}

// nameOf returns the text of the token; of a quoted name, the text between the quotes.
func nameOf(tokens hclsyntax.Tokens, i int) string {
	if tokens[i].Type == hclsyntax.TokenOQuote && i+1 < len(tokens) {
		return string(tokens[i+1].Bytes)
	}
	return string(tokens[i].Bytes)
}

// hasPassword reports whether a URL names a user.
func hasPassword(s string) bool {
	_, rest, found := strings.Cut(s, "://")
	host, _, _ := strings.Cut(rest, "/")
	return found && strings.Contains(host, "@")
}

// isName reports whether a token is the first word of a statement, or the name of a value in the
// middle of a line.
func isName(tokens hclsyntax.Tokens, i int) bool {
	after, quoted := i+1, tokens[i].Type == hclsyntax.TokenOQuote
	if quoted {
		after = i + 3
	} else if tokens[i].Type != hclsyntax.TokenIdent {
		return false
	}
	if after < len(tokens) && (tokens[after].Type == hclsyntax.TokenEqual ||
		tokens[after].Type == hclsyntax.TokenColon) {
		return true
	}
	if quoted || i == 0 {
		return !quoted
	}
	switch tokens[i-1].Type {
	case hclsyntax.TokenNewline, hclsyntax.TokenOBrace, hclsyntax.TokenComma,
		hclsyntax.TokenComment, hclsyntax.TokenCBrace,
		hclsyntax.TokenCHeredoc, hclsyntax.TokenSemicolon, hclsyntax.TokenInvalid:
		return true
	}
	return false
}

// soundsSecret is generous, because a misspelt "tokn" is also followed by a token.
func soundsSecret(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "token_url", "client_id", "proxy", "oidc", "owner", "mode":
		return false
	}
	for _, part := range []string{"token", "secret", "passw", "pwd", "apikey", "api_key",
		"credential", "bearer", "auth_"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return isNear(name, "token", 2) || isNear(name, "client_secret", 4) || isNear(name, "secret", 2)
}

// statementEnd returns the index of the newline that ends the statement, outside all brackets, or
// of the bracket that closes the block around it.
func statementEnd(tokens hclsyntax.Tokens, i int) int {
	depth, from := 0, i
	for ; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen,
			hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen,
			hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			if depth == 0 {
				return i
			}
			depth--
		case hclsyntax.TokenNewline:
			if depth == 0 {
				return i
			}
		// A comment includes the line's end. If no secret precedes it, no value is cut short.
		case hclsyntax.TokenComment:
			if depth == 0 && bytes.HasSuffix(tokens[i].Bytes, []byte("\n")) &&
				callsSource(tokens[from:i]) {
				return i
			}
		}
	}
	return len(tokens)
}

// callsSource reports whether the tokens are exactly = file("…") or = env("…").
func callsSource(tokens hclsyntax.Tokens) bool {
	want := []hclsyntax.TokenType{hclsyntax.TokenEqual, hclsyntax.TokenIdent, hclsyntax.TokenOParen,
		hclsyntax.TokenOQuote,
		hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote, hclsyntax.TokenCParen}
	for len(tokens) > 0 && tokens[len(tokens)-1].Type == hclsyntax.TokenComment {
		tokens = tokens[:len(tokens)-1]
	}
	if len(tokens) != len(want) {
		return false
	}
	for i, t := range tokens {
		if t.Type != want[i] {
			return false
		}
	}
	name := string(tokens[1].Bytes)
	return name == "file" || name == "env"
}

// valueStart leaves the equals sign visible.
func valueStart(tokens hclsyntax.Tokens, i, from int) int {
	for j := i + 1; j < len(tokens) && j <= i+3; j++ {
		if tokens[j].Type == hclsyntax.TokenEqual {
			return tokens[j].Range.End.Byte
		}
	}
	return from
}

func lineEnd(src []byte, from int) int {
	if from > 0 && from <= len(src) && src[from-1] == '\n' {
		return from
	}
	if i := bytes.IndexByte(src[min(from, len(src)):], '\n'); i >= 0 {
		return from + i
	}
	return len(src)
}

// blank overwrites everything except line ends.
func blank(b []byte, from, to int) {
	note := []byte(" (not shown)")
	for i := from; i < to; i++ {
		if b[i] == '\n' {
			note = nil
			continue
		}
		if len(note) > 0 {
			b[i], note = note[0], note[1:]
		} else {
			b[i] = ' '
		}
	}
}

// lexed returns the tokens of src. It ignores problems of the lexer, because the parser reports
// them again.
func lexed(src []byte, name string) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(src, name, hcl.InitialPos)
	return tokens
}

// isNear reports whether at most a number of letters tell two names apart.
func isNear(a, b string, most int) bool { return expr.Distance(a, b, most) <= most }
