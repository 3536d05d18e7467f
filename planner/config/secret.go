package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a token or a password. Every way to print it shows a placeholder. Only Reveal returns
// the value.
type Secret struct {
	// value is a pointer, so that printing a struct by reflection, which skips the methods of
	// unexported fields, shows only an address.
	value *string
}

const placeholder = "(secret)"

// NewSecret returns a secret with this value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the value; empty if the secret was not read.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil && *s.value != "" }

// String returns a placeholder.
func (s Secret) String() string { return placeholder }

// GoString returns a placeholder.
func (s Secret) GoString() string { return placeholder }

// Format prints a placeholder for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// MarshalJSON returns a placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + placeholder + `"`), nil }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(placeholder) }
