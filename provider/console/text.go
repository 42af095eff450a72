package console

import (
	"fmt"
	"math"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

const (
	textLoginEmpty  = "Please enter your username and your password."
	textLoginFailed = "That username and password do not belong together. Check both, mind capital letters, and try again."
	textLoginBusy   = "Very many people are signing in right now. Please try again in a few seconds."
	textNoAdmin     = "This user is not an administrator. In the configuration that is admin: true."
)

// textThrottled names the time in minutes, rounded up: a promise that holds.
func textThrottled(wait time.Duration) string {
	minutes := int(math.Ceil(wait.Minutes()))
	if minutes <= 1 {
		return "Too many attempts have failed. Please wait a minute, then try again."
	}
	return fmt.Sprintf("Too many attempts have failed. Please wait %d minutes, then try again.", minutes)
}

// explain says what the state of a delivery means for the relying party, and what can be done.
func explain(d logout.Delivery) string {
	switch d.State {
	case logout.StatePending:
		return "The first attempt is being made, or is about to be."
	case logout.StateRetrying:
		if d.Parked {
			return "The endpoint is down or busy. This waits for its turn there, and does not hold up anybody else."
		}
		return "The last attempt failed. It is tried again by itself, with growing pauses."
	case logout.StateDelivered:
		return "The relying party has acknowledged it."
	case logout.StateRejected:
		return "The relying party called the message invalid twice, the second time with a fresh one. Trying again helps only once it has been mended there."
	case logout.StateDead:
		return "Every attempt failed until its time was up. Nobody tries again unless you do, or the relying party asks for what it missed."
	case logout.StateUnconfirmed:
		return "The person's browser was given the relying party's page to load. Whether it did, nobody can tell."
	case logout.StateUnreachable:
		return "The relying party registered no channel that could carry this."
	case logout.StateSuperseded:
		return "The person has signed in there again since; telling it now would end the new login."
	default:
		return ""
	}
}

// causeTexts says why sessions end.
var causeTexts = map[logout.Cause]string{
	logout.CauseRedirect:        "signed out in the browser",
	logout.CauseRPInitiated:     "signed out in an app (RP-Initiated Logout)",
	logout.CauseSDK:             "signed out by a page of an app",
	logout.CauseAccount:         "ended on the person's own page",
	logout.CauseAccountApp:      "one app left, on the person's own page",
	logout.CauseUserSwitched:    "somebody else signed in, in the same browser",
	logout.CauseAdmin:           "ended by an administrator",
	logout.CauseDeviceDetached:  "a device was detached",
	logout.CauseIdle:            "without activity for too long",
	logout.CauseExpired:         "the session reached its age limit",
	logout.CausePasswordChanged: "the password was changed",
	logout.CauseUserDisabled:    "the user was disabled",
	logout.CauseUserDeleted:     "the user was deleted",
	logout.CauseConsentRevoked:  "the consent was revoked",
	logout.CauseTokenReuse:      "a token was used twice",
	logout.CauseRevocation:      "revoked by another identity system",
}

// answered says in a few words what the relying party said last.
func answered(status int, message string) string {
	switch {
	case status == 0:
		return message
	case message == "":
		return fmt.Sprintf("HTTP %d", status)
	default:
		return fmt.Sprintf("HTTP %d: %s", status, message)
	}
}

// success writes a share with the numbers that it comes from.
func success(w logout.Window) string {
	share, known := w.Success()
	if !known {
		return ""
	}
	percent := math.Floor(share*1000) / 10 // never 100 unless it is
	return fmt.Sprintf("%g %% of %s", percent, number(w.Told+w.Failing))
}
