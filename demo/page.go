package demo

import (
	"bytes"
	_ "embed" // the page, its style and its script
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

//go:embed icon.svg
var iconSVG string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
}).Parse(pageHTML))

// view is what page.html shows.
type view struct {
	App      Config
	Provider string // its discovery document, the one page that every provider has
	Host     string // of the provider
	State    string
	Version  string

	// Of a session that lives.
	User, Username, Subject, SID, CSRF string
	Since                              time.Time

	// Of a session that has ended.
	ToldElsewhere, EndedHere bool
	Ended                    string // which button
	EndedAt                  time.Time
	Told                     bool // a logout token came
	ToldAt                   time.Time
	TokenSID, JTI            string
	ReturnedAt               time.Time
	Note                     string

	Problem, Advice string
}

// showPage shows who is signed in, or how and when that ended.
func (a *App) showPage(w http.ResponseWriter, r *http.Request) {
	cookie := cookieValue(r, a.sessionCookie())
	if r.URL.Query().Has("state") { // back from a logout at the provider
		a.sessions.returned(cookie, r.URL.Query().Get("state"))
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	a.render(w, r, http.StatusOK, a.view(a.sessions.find(cookie)))
}

// showStatus tells the open page whether it is still true.
func (a *App) showStatus(w http.ResponseWriter, r *http.Request) {
	found := a.sessions.find(cookieValue(r, a.sessionCookie()))
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]string{"state": stateOf(found), "version": found.version()}); err != nil {
		a.cfg.Logger.DebugContext(r.Context(), "the browser went away", "error", err)
	}
}

// problem shows the page with a problem on top; err is for the log alone.
func (a *App) problem(w http.ResponseWriter, r *http.Request, status int, title, advice string, err error) {
	a.cfg.Logger.WarnContext(r.Context(), title, "status", status, "path", r.URL.Path, "error", err)
	v := a.view(a.sessions.find(cookieValue(r, a.sessionCookie())))
	v.Problem, v.Advice = title, advice
	a.render(w, r, status, v)
}

func stateOf(s *session) string {
	if s.live() {
		return "signed-in"
	}
	return "signed-out"
}

func (a *App) view(s *session) view {
	v := view{
		App: a.cfg, Provider: strings.TrimSuffix(a.cfg.Issuer, "/") + oidc.DiscoveryEndpoint, Host: a.issuer.Host,
		State: stateOf(s), Version: s.version(),
	}
	if s == nil {
		return v
	}
	v.User, v.Username, v.Subject, v.SID, v.Since = s.name, s.username, s.login.Subject, s.login.SID, s.since
	if v.User == "" {
		v.User = v.Username
	}
	if v.User == "" {
		v.User = v.Subject
	}
	if s.live() {
		v.CSRF = s.csrf
		return v
	}
	v.ToldElsewhere, v.EndedHere = s.ended == endedByToken, s.ended != endedByToken
	v.Ended, v.EndedAt, v.ReturnedAt, v.Note = string(s.ended), s.endedAt, s.returnedAt, s.note
	if s.token != nil {
		v.Told, v.ToldAt, v.TokenSID, v.JTI = true, s.toldAt, s.token.SID, s.token.JTI
	}
	return v
}

func (a *App) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, v); err != nil {
		a.cfg.Logger.ErrorContext(r.Context(), "the page could not be made", "error", err)
		http.Error(w, "The page could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := page.WriteTo(w); err != nil {
		a.cfg.Logger.DebugContext(r.Context(), "the browser went away", "error", err)
	}
}

// asset serves an embedded file, with the app's colour in it.
func (a *App) asset(mediaType, content string) http.HandlerFunc {
	content = strings.NewReplacer("#accent", a.cfg.Accent, "@letter", a.cfg.Name[:1]).Replace(content)
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Cache-Control", "no-cache")
		if _, err := w.Write([]byte(content)); err != nil {
			a.cfg.Logger.DebugContext(r.Context(), "the browser went away", "error", err)
		}
	}
}
