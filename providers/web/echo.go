package web

import (
	"bytes"
	"regexp"
	"strconv"
)

// asciiEscape matches JSON's escaped form of a character that needs no escape.
var asciiEscape = regexp.MustCompile(`\\u00[0-7][0-9a-fA-F]`)

// Echoes reports whether an answer repeats a secret, as it is or escaped for JSON. No answer
// repeats an empty secret.
func Echoes(body []byte, secret string) bool {
	token := []byte(secret)
	if len(token) == 0 || bytes.Contains(body, token) {
		return len(token) > 0
	}
	return bytes.Contains(body, []byte(`\u00`)) &&
		bytes.Contains(asciiEscape.ReplaceAllFunc(body, func(e []byte) []byte {
			c, _ := strconv.ParseUint(string(e[2:]), 16, 8)
			return []byte{byte(c)}
		}), token)
}
