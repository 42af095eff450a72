package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// User records a change of a user: one of the kinds user.*. The username may be empty when it says nothing new.
func User(kind Kind, actor logout.Actor, subject, username string) Entry {
	e := Entry{Kind: kind, Actor: actor, Subject: subject}
	if username != "" {
		e.Detail = detail(map[string]any{"username": username})
	}
	return e
}

// ConsentRevoked records that what a user had allowed a client was forgotten, and all that came of it.
func ConsentRevoked(actor logout.Actor, subject, clientID string) Entry {
	return Entry{Kind: KindConsentRevoked, Actor: actor, Subject: subject, ClientID: clientID}
}

// Client records a change of a client: one of the kinds client.*. changed names the members of its metadata that are other than before,
// never what they hold.
func Client(kind Kind, actor logout.Actor, clientID string, changed ...string) Entry {
	e := Entry{Kind: kind, Actor: actor, ClientID: clientID}
	if len(changed) > 0 {
		e.Detail = detail(map[string]any{"changed": changed})
	}
	return e
}

// Configuration is the actor of what follows from the configuration file.
var Configuration = logout.Actor{Kind: "system", ID: "configuration"}

// Changed names the members in which two JSON objects differ, in order, and client_secret if secret says that this is another one.
func Changed(before, after []byte, secret bool) []string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		return nil
	}
	changed := map[string]bool{}
	if secret {
		changed["client_secret"] = true
	}
	for name := range a {
		changed[name] = true
	}
	for name, value := range b {
		if changed[name] = !bytes.Equal(value, a[name]); !changed[name] {
			delete(changed, name)
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// KeyRotated records that an administrator had the signing key of an algorithm replaced; kid is the next key, which signs from activateAt.
func KeyRotated(actor logout.Actor, alg, kid string, activateAt time.Time) Entry {
	return Entry{Kind: KindKeyRotated, Actor: actor, Detail: detail(map[string]any{"alg": alg, "kid": kid, "activate_at": activateAt.UTC()})}
}

// Redelivered records that so many deliveries got another chance, and how they were chosen.
func Redelivered(actor logout.Actor, f logout.Filter, count int) Entry {
	d := map[string]any{"count": count}
	for name, value := range map[string]string{"delivery_id": f.DeliveryID, "state": string(f.State)} {
		if value != "" {
			d[name] = value
		}
	}
	if !f.Since.IsZero() {
		d["since"] = f.Since.UTC()
	}
	return Entry{Kind: KindRedelivered, Actor: actor, ClientID: f.ClientID, LogoutID: f.LogoutID, Detail: detail(d)}
}
