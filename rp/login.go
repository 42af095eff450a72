package rp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"golang.org/x/oauth2"
)

// attemptLife is how long somebody may take to log in at the provider.
const attemptLife = 15 * time.Minute

// maxAttempts is how many logins one browser may have begun at a time.
const maxAttempts = 5

// attempt is a login between its beginning and the callback. It lives in a
// cookie of the browser that began it, so that any instance can complete it and
// nobody can fill the store. Its seed makes state, nonce and PKCE verifier:
// whoever has not the cookie cannot complete the login (RFC 6749, 10.12).
type attempt struct {
	seed     string
	silent   bool // by prompt=none, in a frame of our page (Session Management 1.0, 3.1)
	returnTo string
}

func (a attempt) derived(purpose string) string {
	mac := hmac.New(sha256.New, []byte(a.seed))
	mac.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) // 43 characters, as a verifier needs (RFC 7636, 4.1)
}

func (a attempt) state() string    { return a.derived("state") }
func (a attempt) nonce() string    { return a.derived("nonce") }
func (a attempt) verifier() string { return a.derived("verifier") }

func (a attempt) cookie() string {
	return a.seed + "." + strconv.FormatBool(a.silent) + "." + encodeText(a.returnTo)
}

// attemptCookie names the cookie of an attempt by its state, so that several
// tabs do not disturb each other.
func (k *Kit) attemptCookie(state string) string {
	return k.cookieName("login") + "_" + strings.TrimPrefix(storeKey("", state), ":")[:8]
}

// attemptOf returns the attempt that state belongs to, if this browser began it.
func (k *Kit) attemptOf(r *http.Request, state string) (attempt, bool) {
	parts := strings.Split(cookieValue(r, k.attemptCookie(state)), ".")
	if len(parts) != 3 || len(parts[0]) != len(newSecret()) {
		return attempt{}, false
	}
	found := attempt{seed: parts[0], silent: parts[1] == "true", returnTo: decodeText(parts[2])}
	return found, subtle.ConstantTimeCompare([]byte(found.state()), []byte(state)) == 1
}

// Login sends the browser to the provider (OpenID Connect Core 1.0, 3.1.2.1).
// The query parameter return_to is the local path where the person goes
// afterwards.
func (k *Kit) Login(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")

	// 1. The provider, which may have started after us.
	document, err := k.discovery.metadata(r.Context())
	if err != nil {
		k.problem(w, r, unavailable(err))
		return
	}

	// 2. An attempt, bound to this browser by a cookie.
	query := r.URL.Query()
	begun := attempt{seed: newSecret(), silent: query.Get("prompt") == "none", returnTo: localOr(query.Get("return_to"), "/")}
	var current *session
	if begun.silent {
		if current, err = k.live(r.Context(), k.sessionCookie(r)); err != nil {
			k.problem(w, r, unavailable(err))
			return
		}
		if current == nil { // it has ended here meanwhile: there is nothing to ask the provider
			k.showFrame(w, r, frameData{Ended: true})
			return
		}
	}
	k.dropAttempts(w, r, maxAttempts-1)
	k.setCookie(w, k.attemptCookie(begun.state()), begun.cookie(), attemptLife)

	// 3. The request: state, nonce and an S256 challenge (RFC 7636, 4.3).
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(begun.verifier()), oauth2.SetAuthURLParam("nonce", begun.nonce())}
	for name, value := range k.cfg.AuthParams {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	if begun.silent {
		options = append(options, oauth2.SetAuthURLParam("prompt", "none"))
		// The hint says whose session is asked after (Session Management 1.0, 3.1).
		options = append(options, oauth2.SetAuthURLParam("id_token_hint", current.IDToken))
	}
	http.Redirect(w, r, k.oauth(document).AuthCodeURL(begun.state(), options...), http.StatusSeeOther)
}

// dropAttempts removes the attempts of a browser that has begun more than so
// many and finished none: its cookies would otherwise become too long for us.
func (k *Kit) dropAttempts(w http.ResponseWriter, r *http.Request, keep int) {
	var names []string
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, k.cookieName("login")+"_") {
			names = append(names, cookie.Name)
		}
	}
	if len(names) <= keep {
		return
	}
	for _, name := range names {
		k.dropCookie(w, name)
	}
}

// Callback finishes a login: the redirect_uri (OpenID Connect Core 1.0, 3.1.2.5
// to 3.1.3.8).
func (k *Kit) Callback(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address has the code

	// 1. One value each (RFC 6749, 3.1), and a state that this browser was given.
	query := r.URL.Query()
	for _, name := range []string{"state", "code", "iss", "error", "session_state"} {
		if len(query[name]) > 1 {
			k.problem(w, r, notOurs(fmt.Errorf("rp: the answer has several parameters %s", name)))
			return
		}
	}
	begun, ok := k.attemptOf(r, query.Get("state"))
	if !ok {
		k.problem(w, r, notOurs(nil))
		return
	}
	k.dropCookie(w, k.attemptCookie(begun.state()))

	// 2. Used once, on whatever instance.
	first, err := k.endings.store.Raise(r.Context(), storeKey("state", begun.state()), []byte{1}, k.cfg.Now().Add(attemptLife))
	if err != nil {
		k.problem(w, r, unavailable(err))
		return
	}
	if !first {
		k.problem(w, r, notOurs(errors.New("rp: the state was used before")))
		return
	}

	// 3. The answer: a session, or a reason why there is none.
	begunSession, problem := k.exchange(r.Context(), begun, query)
	if begun.silent {
		k.finishSilently(w, r, begunSession, problem)
		return
	}
	if problem != nil {
		k.problem(w, r, *problem)
		return
	}

	// 4. The session, unless a logout has overtaken us.
	cookie, err := k.begin(r.Context(), begunSession, k.sessionCookie(r))
	switch {
	case errors.Is(err, errEnded):
		k.problem(w, r, Problem{
			Status: http.StatusConflict, Title: "You were signed out meanwhile",
			Text: "The session ended while the sign-in was under way. Sign in again.", Err: err,
		})
	case err != nil:
		k.problem(w, r, unavailable(err))
	default:
		k.setCookie(w, k.cookieName("session"), cookie, k.cfg.SessionLife)
		http.Redirect(w, r, localOr(begun.returnTo, "/"), http.StatusSeeOther)
	}
}

func notOurs(err error) Problem {
	return Problem{
		Status: http.StatusBadRequest, Title: "This sign-in did not begin here",
		Text: "It may be too old, or was finished before. Start again.", Err: err,
	}
}

// exchange turns the provider's answer into a session.
func (k *Kit) exchange(ctx context.Context, begun attempt, answer url.Values) (*session, *Problem) {
	document, err := k.discovery.metadata(ctx)
	if err != nil {
		problem := unavailable(err)
		return nil, &problem
	}

	// 1. iss: the provider that was asked, and present if it promises so (RFC 9207, 2.4).
	if iss := answer.Get("iss"); answer.Has("iss") && iss != k.cfg.Issuer || document.IssInResponse && iss == "" {
		return nil, &Problem{
			Status: http.StatusBadRequest, Title: "Another provider answered",
			Text: "The answer did not come from the provider that was asked.", Err: fmt.Errorf("rp: iss is %q", shown(iss)),
		}
	}

	// 2. error: the provider or the person said no (3.1.2.6).
	if reason := answer.Get("error"); reason != "" {
		return nil, &Problem{
			Status: http.StatusForbidden, Title: "You are not signed in",
			Text: "The provider answered: " + shown(reason) + " " + shown(answer.Get("error_description")), Err: &answerError{code: reason},
		}
	}

	// 3. code for tokens, with the PKCE verifier (3.1.3.1; RFC 7636, 4.5).
	refused := func(err error) *Problem {
		return &Problem{
			Status: http.StatusBadGateway, Title: "The sign-in did not complete", Text: "The provider's answer was refused. Start again.", Err: err,
		}
	}
	tokens, err := k.oauth(document).Exchange(context.WithValue(ctx, oauth2.HTTPClient, k.client), answer.Get("code"), oauth2.VerifierOption(begun.verifier()))
	if err != nil {
		return nil, refused(exchangeError(err))
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" || !strings.EqualFold(tokens.TokenType, "Bearer") {
		return nil, refused(errors.New("rp: the token answer has no id_token or another token_type than Bearer"))
	}

	// 4. The ID token (3.1.3.7).
	seconds, _ := strconv.Atoi(k.cfg.AuthParams["max_age"])
	token, err := k.verifier.verifyIDToken(ctx, raw, idTokenExpected{
		nonce: begun.nonce(), accessToken: tokens.AccessToken, maxAge: time.Duration(seconds) * time.Second,
	})
	if err != nil {
		return nil, refused(err)
	}

	// 5. The person's claims. A login without a name is a login all the same.
	now := k.cfg.Now().UTC()
	stored := &session{
		Issuer: token.Issuer, Subject: token.Subject, SID: token.SID, IssuedAt: token.IssuedAt, LoggedInAt: now, Until: now.Add(k.cfg.SessionLife),
		IDToken: raw, AccessToken: tokens.AccessToken, AccessUntil: tokens.Expiry.UTC(), SessionState: answer.Get("session_state"),
		Claims: token.claims.values(),
	}
	if document.UserinfoEndpoint != "" {
		info, err := k.userinfo(ctx, document.UserinfoEndpoint, tokens.AccessToken, token.Subject)
		if err != nil {
			k.cfg.Logger.WarnContext(ctx, "rp: no userinfo; the claims of the ID token must do", "error", err)
		}
		maps.Copy(info, stored.Claims) // what is signed counts
		stored.Claims = info
	}
	return stored, nil
}

// answerError is an error that the provider answered an authorization request with.
type answerError struct{ code string }

func (e *answerError) Error() string { return "rp: the provider answered " + shown(e.code) }

// exchangeError leaves the answer's body out of an error of the token endpoint:
// it may hold tokens, and the error goes to the log.
func exchangeError(err error) error {
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) {
		return err
	}
	status := ""
	if answered.Response != nil {
		status = answered.Response.Status
	}
	return fmt.Errorf("rp: the token endpoint answered %s: %s %s", status, shown(answered.ErrorCode), shown(answered.ErrorDescription))
}

// userinfo returns the claims of the userinfo endpoint, empty if there are none
// to be had. An answer about another person is none (OpenID Connect Core 1.0, 5.3.2).
func (k *Kit) userinfo(ctx context.Context, endpoint, accessToken, subject string) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return map[string]any{}, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	var claims claimSet
	if err := doJSON(k.client, req, &claims); err != nil {
		return map[string]any{}, err
	}
	if sub, _ := claims.text("sub"); sub != subject {
		return map[string]any{}, errors.New("rp: userinfo is about another sub than the ID token")
	}
	return claims.values(), nil
}

// values returns the decoded claims.
func (c claimSet) values() map[string]any {
	all := make(map[string]any, len(c))
	for name, raw := range c {
		var value any
		if err := json.Unmarshal(raw, &value); err == nil && value != nil {
			all[name] = value
		}
	}
	return all
}
