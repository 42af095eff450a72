package demo

import (
	"context"
	"errors"
	"net/http"
	"strings"

	client "github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/rp"
)

// sessionCookie and attemptCookie carry the client id, because cookies do not
// distinguish ports and the apps may share a host.
func (a *App) sessionCookie() string { return "exeunt_demo_" + a.cfg.ClientID }
func (a *App) attemptCookie() string { return "exeunt_demo_" + a.cfg.ClientID + "_login" }

// login sends the browser to the provider (OpenID Connect Core 1.0, 3.1.2.1).
func (a *App) login(w http.ResponseWriter, r *http.Request) {
	// 1. The provider, which may have started after us.
	party, err := a.provider.discovered(r.Context())
	if err != nil {
		a.problem(w, r, http.StatusServiceUnavailable, "The provider does not answer", "Signing in is not possible at the moment. Try again shortly.", err)
		return
	}
	// 2. This browser, known by a cookie so that nobody else can finish its login.
	browser := cookieValue(r, a.attemptCookie())
	if browser == "" {
		browser = secret()
		a.setCookie(w, a.attemptCookie(), browser, 600)
	}
	// 3. A fresh state, nonce and PKCE verifier.
	begun := a.attempts.begin(browser)
	http.Redirect(w, r, client.AuthURL(begun.state, party,
		client.WithCodeChallenge(oidc.NewSHACodeChallenge(begun.verifier)),
		client.AuthURLOpt(client.WithURLParam("nonce", begun.nonce)),
	), http.StatusSeeOther)
}

// callback finishes the login (OpenID Connect Core 1.0, 3.1.2.5 to 3.1.3.8).
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	// 1. state: an attempt of this browser, used once.
	begun, ok := a.attempts.finish(query.Get("state"), cookieValue(r, a.attemptCookie()))
	if !ok {
		a.problem(w, r, http.StatusBadRequest, "This sign-in did not begin here", "It may be too old, or was finished before. Start again.", nil)
		return
	}
	// 2. iss: if it is there, the provider that was asked (RFC 9207, 2.4).
	if iss := query.Get("iss"); query.Has("iss") && iss != a.cfg.Issuer {
		a.problem(w, r, http.StatusBadRequest, "Another provider answered", "The answer did not come from the provider that was asked.", nil)
		return
	}
	// 3. error: the provider or the user said no (3.1.2.6).
	if reason := query.Get("error"); reason != "" {
		a.problem(w, r, http.StatusBadRequest, "You are not signed in", "The provider answered: "+reason+" "+query.Get("error_description"), nil)
		return
	}
	// 4. code for tokens, with the PKCE verifier; the ID token is verified with the nonce (3.1.3.7).
	party, err := a.provider.discovered(r.Context())
	if err != nil {
		a.problem(w, r, http.StatusServiceUnavailable, "The provider does not answer", "Signing in is not possible at the moment. Try again shortly.", err)
		return
	}
	ctx := context.WithValue(r.Context(), nonceKey{}, begun.nonce)
	tokens, err := client.CodeExchange[*oidc.IDTokenClaims](ctx, query.Get("code"), party, client.WithCodeVerifier(begun.verifier))
	if err != nil {
		a.problem(w, r, http.StatusBadGateway, "The sign-in did not complete", "The provider's answer was refused. Start again.", err)
		return
	}
	// 5. The name, which is not in the ID token. A login without it is a login all the same.
	claims := tokens.IDTokenClaims
	user, err := client.Userinfo[*oidc.UserInfo](ctx, tokens.AccessToken, oidc.BearerToken, claims.Subject, party)
	if err != nil {
		a.cfg.Logger.WarnContext(ctx, "no userinfo, showing the subject only", "error", err)
		user = &oidc.UserInfo{}
	}
	// 6. The session, unless a logout token has overtaken us.
	cookie, err := a.sessions.begin(session{
		login:    rp.Login{Issuer: claims.Issuer, Subject: claims.Subject, SID: claims.SessionID, IssuedAt: claims.GetIssuedAt()},
		name:     user.Name,
		username: user.PreferredUsername,
		idToken:  tokens.IDToken, accessToken: tokens.AccessToken,
	}, cookieValue(r, a.sessionCookie()))
	if errors.Is(err, errOvertaken) {
		a.problem(w, r, http.StatusConflict, "You were signed out meanwhile", "The session ended while the sign-in was under way. Sign in again.", err)
		return
	}
	a.setCookie(w, a.sessionCookie(), cookie, int(sessionLife.Seconds()))
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// setCookie sets a cookie that lives for so many seconds.
func (a *App) setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: seconds, HttpOnly: true,
		Secure: strings.HasPrefix(a.cfg.BaseURL, "https:"), SameSite: http.SameSiteLaxMode,
	})
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return cookie.Value
}
