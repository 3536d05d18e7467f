package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a token or a password. Every way of printing it shows a placeholder; only Reveal gives
// the value.
type Secret struct {
	// A pointer, so that printing a struct by reflection, which skips methods of unexported fields,
	// shows an address.
	value *string
}

const placeholder = "(secret)"

// NewSecret wraps a value.
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

// String shows a placeholder.
func (s Secret) String() string { return placeholder }

// GoString shows a placeholder.
func (s Secret) GoString() string { return placeholder }

// Format shows a placeholder for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, placeholder) }

// MarshalText shows a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(placeholder), nil }

// MarshalJSON shows a placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + placeholder + `"`), nil }

// LogValue shows a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(placeholder) }
