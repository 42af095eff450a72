package web

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
)

// Everything that the handlers of this package say, in English. The templates hold the rest. A second language is a second table.

const (
	textSignIn    = "Sign in"
	textConsent   = "Allow access"
	textLoggedOut = "You are logged out"
	textDevices   = "Too many devices"

	textStrangeLogin = "This sign-in was refused"

	textLoginEmpty  = "Please enter your username and your password."
	textLoginFailed = "That username and password do not belong together. Check both, mind capital letters, and try again."
	textLoginBusy   = "Very many people are signing in right now. Please try again in a few seconds."
)

// textConfirm says why somebody who is signed in sees the login form.
func textConfirm(client, username string) string {
	if client == "" {
		return fmt.Sprintf("You are signed in as %s. Sign in again, or as somebody else.", username)
	}
	return fmt.Sprintf("You are signed in as %s. %s asks you to prove that it is still you.", username, client)
}

// textThrottled names the time in minutes, rounded up: a promise that holds.
func textThrottled(wait time.Duration) string {
	minutes := int(math.Ceil(wait.Minutes()))
	if minutes <= 1 {
		return "Too many attempts have failed. Please wait a minute, then try again."
	}
	return fmt.Sprintf("Too many attempts have failed. Please wait %d minutes, then try again.", minutes)
}

// textChooseDevices says what is missing when too few devices were chosen.
func textChooseDevices(n int) string {
	if n == 1 {
		return "Please choose a device to sign out."
	}
	return fmt.Sprintf("Please choose %d devices to sign out.", n)
}

// textSeen says how long ago a device was used.
func textSeen(ago time.Duration) string {
	counted := func(n int, unit string) string {
		if n == 1 {
			return "used 1 " + unit + " ago"
		}
		return fmt.Sprintf("used %d %ss ago", n, unit)
	}
	const day = 24 * time.Hour
	switch {
	case ago < 2*time.Minute:
		return "used just now"
	case ago < time.Hour:
		return counted(int(ago/time.Minute), "minute")
	case ago < day:
		return counted(int(ago/time.Hour), "hour")
	}
	return counted(int(ago/day), "day")
}

// scopeTexts says what each standard scope gives away (OpenID Connect Core 5.4 and 11).
var scopeTexts = map[string]browser.ScopeText{
	"openid":         {Title: "Recognise you", Text: "A fixed identifier, so that it knows you when you come back."},
	"profile":        {Title: "See your profile", Text: "Your name and what else you keep there, such as a picture, your language or your birthday."},
	"email":          {Title: "See your e-mail address"},
	"address":        {Title: "See your postal address"},
	"phone":          {Title: "See your phone number"},
	"devices.read":   {Title: "See your devices", Text: "Their names, where they are and when you used them last."},
	"devices.detach": {Title: "Sign your devices out", Text: "It can end what you are signed in to on any of your devices, in all apps."},
	"exeunt.admin":   {Title: "Administer this provider", Text: "It sees who is signed in and what apps were told, and can end sessions. Only for administrators."},
	"offline_access": {Title: "Act for you when you are away", Text: "It keeps this access after you log out, until it is taken away from it."},
}

// describe returns the human words for scopes, in their order; a scope that we have no words for is shown by its name.
func describe(scopes []string) []browser.ScopeText {
	texts := make([]browser.ScopeText, 0, len(scopes))
	for _, scope := range scopes {
		text, known := scopeTexts[scope]
		if !known {
			text = browser.ScopeText{Title: scope, Text: "A permission of that name, which this app uses with other services."}
		}
		text.Scope = scope
		texts = append(texts, text)
	}
	return texts
}

// The marks of the page "you are logged out".
const (
	markTold     = "told"
	markAsked    = "asked"
	markRetrying = "retrying"
	markWaiting  = "waiting"
	markFailed   = "failed"
)

// describeState returns mark and words for the state of a delivery.
func describeState(r logout.Receipt) (mark, text string) {
	switch r.State {
	case logout.StateDelivered:
		return markTold, "Signed out"
	case logout.StateSuperseded:
		return markTold, "You have signed in there again since"
	case logout.StatePending:
		return markRetrying, "Is being told now"
	case logout.StateRetrying:
		return markRetrying, "No answer yet, we keep trying"
	case logout.StateUnconfirmed:
		if r.Channel == logout.ChannelCAEP {
			return markWaiting, "It fetches such news itself, and has not yet."
		}
		return markAsked, "This browser has asked it to sign you out. Whether it did, nobody can tell from here."
	case logout.StateUnreachable:
		return markFailed, "It has no way to be told. Open it and log out there."
	default: // rejected, dead
		return markFailed, "It could not be reached. Open it and log out there."
	}
}

// summarise says it all in one or two sentences: "Signed out of 5 of 6. Payroll is being retried."
func summarise(told, total int, asked, waiting, retrying, failed []string) string {
	var s string
	switch {
	case told == total && total == 1:
		s = "Your app has confirmed that you are signed out."
	case told == total:
		s = fmt.Sprintf("All %d apps have confirmed that you are signed out.", total)
	default:
		s = fmt.Sprintf("Signed out of %d of %d.", told, total)
	}
	if len(asked) > 0 {
		s += fmt.Sprintf(" %s %s been asked by this browser and cannot confirm it.", enumerate(asked), hasHave(asked))
	}
	if len(waiting) > 0 {
		s += fmt.Sprintf(" %s %s not fetched the news yet.", enumerate(waiting), hasHave(waiting))
	}
	if len(retrying) > 0 {
		s += fmt.Sprintf(" %s %s being retried.", enumerate(retrying), isAre(retrying))
	}
	if len(failed) > 0 {
		s += fmt.Sprintf(" %s could not be told.", enumerate(failed))
	}
	return s
}

func isAre(names []string) string {
	if len(names) == 1 {
		return "is"
	}
	return "are"
}

func hasHave(names []string) string {
	if len(names) == 1 {
		return "has"
	}
	return "have"
}

// enumerate joins up to three names, and counts beyond that.
func enumerate(names []string) string {
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n > 3:
		return fmt.Sprintf("%d apps", n)
	default:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}
