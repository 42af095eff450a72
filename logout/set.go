package logout

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
)

const (
	// setType is the header that keeps a security event token from being taken for any other JWT (Shared Signals Framework 1.0, 4.1.1).
	setType = "secevent+jwt"

	// setAlgorithm signs every security event token, whatever the client's ID tokens are signed with (CAEP Interoperability Profile 1.0, 2.6).
	setAlgorithm = "RS256"
)

// securityEvent is the set of claims of a security event token (RFC 8417, 2.2) as Shared Signals Framework 1.0, 4, narrows it: sub_id
// instead of sub, no exp, one event.
type securityEvent struct {
	Issuer      string                     `json:"iss"`
	ID          string                     `json:"jti"`
	IssuedAt    int64                      `json:"iat"`
	Audience    string                     `json:"aud"`
	Transaction string                     `json:"txn"`
	Subject     subjectID                  `json:"sub_id"`
	Events      map[string]json.RawMessage `json:"events"`
}

// subjectID is a subject identifier (RFC 9493, 3) in the formats that we send: iss_sub, opaque, and complex (Shared Signals Framework 1.0,
// 3.3), whose members are simple ones.
type subjectID struct {
	Format  string     `json:"format"`
	ID      string     `json:"id,omitempty"`  // opaque
	Issuer  string     `json:"iss,omitempty"` // iss_sub
	Subject string     `json:"sub,omitempty"`
	User    *subjectID `json:"user,omitempty"` // complex
	Session *subjectID `json:"session,omitempty"`
}

// subjectOf says whom or what a delivery is about. A session that ended is named by person and session together: the person alone would
// mean all of their sessions (CAEP 1.0, 3.1).
func subjectOf(issuer string, d Delivery) subjectID {
	user := subjectID{Format: "iss_sub", Issuer: issuer, Subject: d.Subject}
	switch {
	case d.Subject == "":
		return subjectID{Format: "opaque", ID: d.StreamID} // about the stream itself (Shared Signals Framework 1.0, 8.1.4.1 and 8.1.5)
	case d.SID == "":
		return user
	}
	return subjectID{Format: "complex", User: &user, Session: &subjectID{Format: "opaque", ID: d.SID}}
}

// mintSET signs the security event token of a delivery. It says the same at every attempt and in every poll: jti identifies the event
// (RFC 8417, 2.2), so that a receiver that had it already knows it.
func mintSET(ctx context.Context, signer Signer, issuer string, d Delivery) (string, error) {
	payload, err := json.Marshal(securityEvent{
		Issuer: issuer, ID: d.ID, IssuedAt: d.CreatedAt.Unix(), Audience: d.ClientID, Transaction: transaction(d), Subject: subjectOf(issuer, d),
		Events: map[string]json.RawMessage{d.Event: json.RawMessage(d.Payload)},
	})
	if err != nil {
		return "", err
	}
	return signer.Sign(ctx, setAlgorithm, setType, payload)
}

// transaction returns the txn of a delivery: the same for all events of one logout that a receiver gets (Shared Signals Framework 1.0,
// 4.1.9), and another for every receiver, so that two of them cannot tell by it that they have a person in common.
func transaction(d Delivery) string {
	sum := sha256.Sum256([]byte(d.LogoutID + "\x00" + d.ClientID))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
