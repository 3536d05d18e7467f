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
	if len(token) == 0 || contains(body, token) {
		return len(token) > 0
	}
	return bytes.Contains(body, []byte(`\u00`)) &&
		bytes.Contains(asciiEscape.ReplaceAllFunc(body, func(e []byte) []byte {
			c, _ := strconv.ParseUint(string(e[2:]), 16, 8)
			return []byte{byte(c)}
		}), token)
}

// contains reports the same as [bytes.Contains]. It looks for the byte of the token that the body
// has least often, which is several times faster: tokens begin with letters that JSON is full of.
func contains(body, token []byte) bool {
	at := rarest(body, token)
	for from := at; from < len(body); from++ {
		next := bytes.IndexByte(body[from:], token[at])
		if next < 0 {
			return false
		}
		if from += next; bytes.HasPrefix(body[from-at:], token) {
			return true
		}
	}
	return false
}

// rarest returns where token has the byte that the beginning of body has least often.
func rarest(body, token []byte) int {
	var times [256]int
	for _, c := range body[:min(len(body), 4096)] {
		times[c]++
	}
	best := 0
	for i, c := range token {
		if times[c] < times[token[best]] {
			best = i
		}
	}
	return best
}
