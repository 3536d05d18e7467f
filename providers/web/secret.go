package web

import (
	"errors"
	"fmt"
	"strings"
)

// Secret is a string that is never shown when it is printed, logged or encoded as JSON.
type Secret string

// hidden is shown instead of a Secret.
const hidden = "(secret)"

// Format implements [fmt.Formatter] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// CheckToken returns an error if t cannot be sent in a header. The errors of net/http would help
// nobody.
func CheckToken(t string) (string, error) {
	if t == "" {
		return "", errors.New("the token is empty")
	}
	if strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("the token contains a blank, a line break or a character that is not " +
			"should hold the token and nothing else")
	}
	return t, nil
}
