package rp

import (
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"strings"
)

//go:embed session.js
var sessionJS []byte

var framePage = template.Must(template.New("frame").Parse(`<!doctype html>
<html{{if .Ended}} data-ended="true"{{end}} data-client="{{.Client}}" data-state="{{.State}}" data-origin="{{.Origin}}" data-login="{{.Login}}">
<meta charset="utf-8">
<title>Session</title>
{{with .Frame}}<iframe id="provider" src="{{.}}" hidden></iframe>{{end}}
<script src="{{.Script}}"></script>
</html>
`))

type frameData struct {
	Ended                                       bool
	Client, State, Origin, Login, Frame, Script string
}

// SessionFrame is a page to be embedded, hidden, in the pages of somebody who
// is logged in: <iframe src="/auth/session" hidden></iframe>. It asks the
// provider's own frame every five seconds whether the person's session there
// has changed, and if so who is logged in now, with prompt=none (Session
// Management 1.0, 3.1): the same person goes on, otherwise the session here
// ends and the embedding page is loaded anew.
//
// It needs the provider's cookie in a frame, which most browsers keep back from
// other sites. Register a back channel and use [Kit.Live] wherever you can.
func (k *Kit) SessionFrame(w http.ResponseWriter, r *http.Request) {
	found, err := k.live(r.Context(), k.sessionCookie(r))
	if err != nil {
		k.problem(w, r, unavailable(err))
		return
	}
	if found == nil || found.SessionState == "" {
		k.showFrame(w, r, frameData{})
		return
	}
	document, err := k.discovery.metadata(r.Context())
	if err != nil || document.CheckSessionIframe == "" {
		k.showFrame(w, r, frameData{})
		return
	}
	k.showFrame(w, r, frameData{
		Client: k.cfg.ClientID, State: found.SessionState, Frame: document.CheckSessionIframe,
		Origin: strings.Join(origins(document.CheckSessionIframe), ""), Login: k.cfg.Prefix + "/login?prompt=none",
	})
}

func (k *Kit) showFrame(w http.ResponseWriter, r *http.Request, data frameData) {
	data.Script = k.cfg.Prefix + "/session.js"
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; script-src 'self'; frame-ancestors 'self'; frame-src "+orText(data.Origin, "'none'"))
	if err := framePage.Execute(w, data); err != nil {
		k.cfg.Logger.DebugContext(r.Context(), "rp: the browser did not read the page", "error", err)
	}
}

// loggedOutErrors are the answers to prompt=none that say that this person is
// not, or no longer without further ado, logged in at the provider (OpenID
// Connect Core 1.0, 3.1.2.6). Other errors say nothing about that.
var loggedOutErrors = map[string]bool{
	"login_required": true, "interaction_required": true, "account_selection_required": true, "consent_required": true,
}

func saysLoggedOut(err error) bool {
	var answer *answerError
	return errors.As(err, &answer) && loggedOutErrors[answer.code]
}

// finishSilently ends a prompt=none login in the frame (Session Management 1.0, 3.1).
func (k *Kit) finishSilently(w http.ResponseWriter, r *http.Request, answered *session, problem *Problem) {
	cookie := k.sessionCookie(r)
	current, err := k.live(r.Context(), cookie)
	switch {
	case err != nil:
	case problem != nil && !saysLoggedOut(problem.Err):
		// Nothing is known: the session stays, and is watched no longer.
		k.cfg.Logger.WarnContext(r.Context(), "rp: the provider's session could not be looked up", "error", problem.Err)
		k.showFrame(w, r, frameData{})
		return
	case problem == nil && current != nil && answered.Issuer == current.Issuer && answered.Subject == current.Subject:
		// The same person: the session goes on with what the provider says now.
		answered.LoggedInAt, answered.Until = current.LoggedInAt, current.Until
		if err = k.sessions.put(r.Context(), cookie, answered); err == nil {
			http.Redirect(w, r, k.cfg.Prefix+"/session", http.StatusSeeOther)
			return
		}
	case cookie != "":
		if err = k.endHere(w, r, cookie); err == nil {
			k.showFrame(w, r, frameData{Ended: true})
			return
		}
	default:
		k.showFrame(w, r, frameData{Ended: current == nil})
		return
	}
	k.problem(w, r, unavailable(err))
}
