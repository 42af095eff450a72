package rp

import (
	"errors"
	"math"
	"time"

	// Not encoding/json: that takes "ISS" for "iss" when decoding into a struct
	// and lets the last of two equal members win, so that two readers of one
	// token may see two different things. This one refuses both (RFC 7519, 4).
	"github.com/go-jose/go-jose/v4/json"
)

// claimSet holds the members of a JWT's payload, undecoded, under their exact names.
type claimSet map[string]json.RawMessage

// parseClaims reads payload as one JSON object with distinct members.
func parseClaims(payload []byte) (claimSet, error) {
	var claims claimSet
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	if claims == nil { // the payload was null
		return nil, errors.New("not an object")
	}
	return claims, nil
}

// has reports whether the claim is there, whatever its value.
func (c claimSet) has(name string) bool {
	_, ok := c[name]
	return ok
}

// text returns a claim that is a string.
func (c claimSet) text(name string) (string, bool) {
	var s *string
	if err := json.Unmarshal(c[name], &s); err != nil || s == nil {
		return "", false
	}
	return *s, true
}

// texts returns a claim that is a string or an array of strings, as aud is
// (RFC 7519, 4.1.3), and nil if it is neither.
func (c claimSet) texts(name string) []string {
	if s, ok := c.text(name); ok {
		return []string{s}
	}
	var list []string
	if err := json.Unmarshal(c[name], &list); err != nil {
		return nil
	}
	return list
}

// time returns a claim that is a NumericDate (RFC 7519, 2), cut to the second.
func (c claimSet) time(name string) (time.Time, bool) {
	var seconds *float64
	if err := json.Unmarshal(c[name], &seconds); err != nil || seconds == nil {
		return time.Time{}, false
	}
	const year9999 = 253402300799 // beyond it, and below zero, time arithmetic may overflow
	if math.IsNaN(*seconds) || *seconds < 0 || *seconds > year9999 {
		return time.Time{}, false
	}
	return time.Unix(int64(*seconds), 0).UTC(), true
}

// hasEvent reports whether the events claim has the member, with an object as
// its value. Other members do not matter (Back-Channel Logout 1.0, 2.4).
func (c claimSet) hasEvent(member string) bool {
	var events, event claimSet
	if err := json.Unmarshal(c["events"], &events); err != nil {
		return false
	}
	return json.Unmarshal(events[member], &event) == nil && event != nil
}
