// Package mail sends the provider's e-mail by SMTP. What is sent, to whom and when is decided elsewhere.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
)

// Message is an e-mail to one recipient: plain text, UTF-8.
type Message struct {
	ID      string    // of this message over all attempts to send it: ASCII letters, digits and hyphens
	At      time.Time // its date
	To      string    // an address that ParseAddress returned
	Subject string
	Text    string // lines end in \n
}

// Sender sends messages.
type Sender interface {
	// Send returns when the mail server has taken the message. *RefusedError says that it never will; after any other error the message may
	// be sent again, under the same ID.
	Send(ctx context.Context, m Message) error
}

// RefusedError says that the mail server refuses this recipient or this message for good.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "mail: refused: " + e.Reason }

// maxAddress is the longest address in bytes that SMTP carries (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

var errAddress = errors.New("is not an e-mail address")

// ParseAddress returns the address in a text such as ops@example.com, mailto:ops@example.com or Ops <ops@example.com>. What comes out can
// stand in a header.
func ParseAddress(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > 7 && strings.EqualFold(text[:7], "mailto:") {
		text, _, _ = strings.Cut(text[7:], "?")
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || len(parsed.Address) > maxAddress || strings.ContainsFunc(parsed.Address, notPlain) {
		return "", errAddress
	}
	return parsed.Address, nil
}

// notPlain reports what an address of ours must not contain: a quoted local part may hold spaces and more, which nobody has.
func notPlain(r rune) bool {
	return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>[\]`, r) || r == unicode.ReplacementChar
}

// check refuses a message that could not be written as it is meant.
func (m Message) check() error {
	if m.ID == "" || strings.Trim(m.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return fmt.Errorf("mail: the message's id %q is not made of letters, digits and hyphens", m.ID)
	}
	if address, err := ParseAddress(m.To); err != nil || address != m.To {
		return &RefusedError{Reason: "the recipient " + errAddress.Error()}
	}
	return nil
}

// oneLine makes a text fit for a header: other people choose the names in it.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))), " ")
}
