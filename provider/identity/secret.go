package identity

import (
	"fmt"
	"io"
)

// Secret is a value that the provider must know and nobody may see. Printed with any verb it is "[redacted]".
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// Format implements fmt.Formatter.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalJSON encodes the placeholder.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }
