package audit

import (
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

// StreamStatus records that an administrator enabled, paused or disabled a client's stream of shared signals.
func StreamStatus(actor logout.Actor, clientID, status, reason string) Entry {
	return Entry{Kind: KindStreamStatus, Actor: actor, ClientID: clientID, Detail: detail(map[string]any{"status": status, "reason": reason})}
}

// KeyRotated records that an administrator had the signing key of an algorithm replaced; kid is the next key, which signs from activateAt.
func KeyRotated(actor logout.Actor, alg, kid string, activateAt time.Time) Entry {
	return Entry{Kind: KindKeyRotated, Actor: actor, Detail: detail(map[string]any{"alg": alg, "kid": kid, "activate_at": activateAt.UTC()})}
}

// KeyActivated records that a signing key took its turn: kid signs for its algorithm from now on. The provider does that by itself, at the time
// that its rotation or an administrator (KeyRotated) has set.
func KeyActivated(alg, kid string) Entry {
	return Entry{Kind: KindKeyActivated, Actor: logout.Actor{Kind: "system", ID: "rotation"}, Detail: detail(map[string]any{"alg": alg, "kid": kid})}
}

// Redelivered records that so many deliveries got another chance, and how they were chosen.
func Redelivered(actor logout.Actor, f logout.Filter, count int) Entry {
	d := map[string]any{"count": count}
	for name, value := range map[string]string{"delivery_id": f.DeliveryID, "channel": string(f.Channel), "cause": string(f.Cause)} {
		if value != "" {
			d[name] = value
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			d[name] = at.UTC()
		}
	}
	if len(f.States) > 0 {
		d["states"] = f.States
	}
	if f.Acknowledged {
		d["include_delivered"] = true
	}
	return Entry{
		Kind: KindRedelivered, Actor: actor, Subject: f.Subject, ClientID: f.ClientID, SessionID: f.SessionID, LogoutID: f.LogoutID, Detail: detail(d),
		bounded: actor.Kind == "client", // one may ask for its own as often as it likes
	}
}
