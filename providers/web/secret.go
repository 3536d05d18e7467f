package web

import (
	"errors"
	"fmt"
	"strings"
)

// Secret is a string that shows itself in no print, log or JSON.
type Secret string

// hidden is what a Secret shows instead of itself.
const hidden = "(secret)"

// Format implements [fmt.Formatter] for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText keeps the secret out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// CheckToken refuses what cannot stand in a header, before net/http does so in words that help nobody.
func CheckToken(t string) (string, error) {
	if t == "" {
		return "", errors.New("the token is empty")
	}
	if strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errors.New("the token holds a blank, a line break or a character that is not ASCII; its file " +
			"should hold the token and nothing else")
	}
	return t, nil
}
