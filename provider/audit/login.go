package audit

import "github.com/exeunt-id/exeunt/logout"

// LoginSucceeded records that a person has logged in. clientID is the app that waits for it; empty for none. renewed says that the person
// had the session already and proved again who they are.
func LoginSucceeded(actor logout.Actor, sessionID, clientID string, renewed bool) Entry {
	return Entry{
		Kind: KindLoginSucceeded, Actor: actor, Subject: actor.ID, SessionID: sessionID, ClientID: clientID,
		Detail: detail(map[string]any{"renewed": renewed}),
	}
}

// LoginFailed records a name and password that did not belong together. subject is the user who has the name that was typed; empty when
// nobody has it, and then the name is not kept: it may be a password in the wrong field. reason is one of identity.LoginError.
func LoginFailed(actor logout.Actor, subject, clientID, reason string) Entry {
	return Entry{
		Kind: KindLoginFailed, Actor: actor, Subject: subject, ClientID: clientID, Detail: detail(map[string]any{"reason": reason}), bounded: true,
	}
}

// ConsoleLogin records that an administrator has entered the console.
func ConsoleLogin(actor logout.Actor, sessionID string) Entry {
	return Entry{Kind: KindConsoleLogin, Actor: actor, Subject: actor.ID, SessionID: sessionID}
}

// ConsoleLoginFailed is LoginFailed for the console. The reason may also be that the user is no administrator: not_admin.
func ConsoleLoginFailed(actor logout.Actor, subject, reason string) Entry {
	e := LoginFailed(actor, subject, "", reason)
	e.Kind = KindConsoleLoginFailed
	return e
}

// ReasonNoAdmin is why somebody with the right password does not enter the console.
const ReasonNoAdmin = "not_admin"
