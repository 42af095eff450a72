package audit

import "github.com/exeunt-id/exeunt/logout"

const maxReason = 300 // bytes

// TokenRevoked records that a client's authorization was revoked by a token of it, and nothing else. by says how: api,
// revoke or redirect. grantID names the authorization; the
// token itself is not kept.
func TokenRevoked(actor logout.Actor, by, subject, clientID, sessionID, grantID string) Entry {
	return Entry{
		Kind: KindTokenRevoked, Actor: actor, Subject: subject, ClientID: clientID, SessionID: sessionID,
		Detail: detail(map[string]any{"by": by, "grant_id": grantID}),
	}
}

// TokenIgnored records the oauth_token of a logout by redirect that was not revoked, and why. grantID is empty for an unknown token.
func TokenIgnored(actor logout.Actor, clientID, sessionID, grantID, reason string) Entry {
	d := map[string]any{"reason": reason}
	if grantID != "" {
		d["grant_id"] = grantID
	}
	return Entry{
		Kind: KindTokenIgnored, Actor: actor, Subject: actor.ID, ClientID: clientID, SessionID: sessionID, Detail: detail(d),
		bounded: actor.Kind == ActorAnonymous,
	}
}

// TokenReused records the second use of a code or refresh token (RFC 6749, 4.1.2; RFC 9700, 4.14.2).
func TokenReused(actor logout.Actor, subject, clientID, sessionID, grantID string) Entry {
	return Entry{
		Kind: KindTokenReused, Actor: actor, Subject: subject, ClientID: clientID, SessionID: sessionID, Detail: detail(map[string]any{"grant_id": grantID}),
	}
}

// UserTokenReused records the second use of a webhook's one-time user token by the client that it belongs to. eventID is the event that it
// came with.
func UserTokenReused(actor logout.Actor, clientID, eventID string) Entry {
	return Entry{Kind: KindUserTokenReused, Actor: actor, ClientID: clientID, Detail: detail(map[string]any{"event_id": eventID}), bounded: true}
}

// Refused records a request that was refused and matters: by somebody who could not prove to be the client that they named, or who may not
// do what they asked for. clientID is a client that exists, or empty. request is its route, reason why, of which the beginning is kept.
func Refused(actor logout.Actor, clientID, request, reason string) Entry {
	reason = reason[:min(len(reason), maxReason)]
	return Entry{
		Kind: KindRefused, Actor: actor, ClientID: clientID, Detail: detail(map[string]any{"request": request, "reason": reason}), bounded: true,
	}
}
