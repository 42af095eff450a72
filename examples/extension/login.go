package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/exeunt-id/exeunt/logout"
)

const (
	cookieName = "extension_session"
	idleFor    = 12 * time.Hour
	atMost     = 720 * time.Hour
)

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign in</title>
<h1>Sign in</h1>{{if .Wrong}}<p>Name or password is wrong.</p>{{end}}
<form method="post" action="/login">
<input type="hidden" name="id" value="{{.ID}}">
<input name="username" autocomplete="username" required>
<input name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button>
</form></html>
`))

// newSecret returns 256 random bits for a cookie; the database has its hash.
func newSecret() (secret string, hash []byte) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	secret = base64.RawURLEncoding.EncodeToString(random[:])
	return secret, hashOf(secret)
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// current returns the live session of the browser, if it has one.
func (p *Provider) current(r *http.Request) (logout.Session, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return logout.Session{}, false
	}
	session, err := p.sessions.FindBySecret(r.Context(), hashOf(cookie.Value))
	return session, err == nil && session.Live(time.Now())
}

// showLogin asks for the password, unless the browser has a session: then the
// next application gets its answer at once.
func (p *Provider) showLogin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	id := r.URL.Query().Get("id")
	if session, ok := p.current(r); ok {
		if err := p.storage.attach(r.Context(), id, session); err != nil {
			http.Error(w, "This sign-in is too old. Start again.", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, op.AuthCallbackURL(p.op)(r.Context(), id), http.StatusSeeOther)
		return
	}
	p.page(w, loginPage, map[string]any{"ID": id})
}

func (p *Provider) page(w http.ResponseWriter, page *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Frame-Options", "DENY")
	_ = page.Execute(w, data) // a browser that does not read it has gone
}

// login begins a session.
func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	id := r.PostFormValue("id")
	if err := p.storage.CheckUsernamePassword(r.PostFormValue("username"), r.PostFormValue("password"), id); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		p.page(w, loginPage, map[string]any{"ID": id, "Wrong": true})
		return
	}
	request, err := p.storage.Storage.AuthRequestByID(r.Context(), id)
	if err != nil {
		http.Error(w, "This sign-in is too old. Start again.", http.StatusBadRequest)
		return
	}
	session, cookie, err := p.begin(r, request.(*storage.AuthRequest).UserID)
	if err == nil {
		err = p.storage.attach(r.Context(), id, session)
	}
	if err != nil {
		http.Error(w, "This is not possible at the moment.", http.StatusServiceUnavailable)
		return
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, op.AuthCallbackURL(p.op)(r.Context(), id), http.StatusSeeOther)
}

// begin records a session. Another person's session in this browser ends first,
// so that no orphan lives.
func (p *Provider) begin(r *http.Request, subject string) (logout.Session, *http.Cookie, error) {
	now := time.Now().UTC()
	secret, hash := newSecret()
	session := logout.Session{
		ID: logout.NewID(), Subject: subject, SecretHash: hash, AuthTime: now, CreatedAt: now, SeenAt: now,
		IdleUntil: now.Add(idleFor), ExpiresAt: now.Add(atMost), Address: r.RemoteAddr, UserAgent: r.UserAgent(),
	}
	err := p.db.Tx(r.Context(), func(ctx context.Context) error {
		if before, ok := p.current(r.WithContext(ctx)); ok {
			if _, err := p.engine.End(ctx, logout.Request{
				Cause: logout.CauseUserSwitched, Actor: actor(r, subject), Target: logout.Target{SessionID: before.ID},
			}); err != nil {
				return err
			}
		}
		return p.sessions.Start(ctx, session)
	})
	return session, &http.Cookie{
		Name: cookieName, Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(atMost / time.Second),
		Secure: strings.HasPrefix(op.IssuerFromContext(r.Context()), "https:"),
	}, err
}

func actor(r *http.Request, subject string) logout.Actor {
	return logout.Actor{Kind: "user", ID: subject, Address: r.RemoteAddr, UserAgent: r.UserAgent()}
}
