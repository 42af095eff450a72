package conformance

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	coreos "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	zitadelrp "github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// Libraries that others wrote, as relying parties. They measure time by themselves, so each has a provider of its own whose clock is not
// moved. The browser between them and the provider is ours.

func openAlone(t *testing.T) *world {
	t.Helper()
	return openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http")
}

// logoutToken is what the client of an ID token was sent.
func (w *world) logoutToken(client, idToken string) string {
	w.Helper()
	got := w.receiver.to(client, sidOf(idToken))
	if len(got) != 1 {
		w.Fatalf("%s got %d logout tokens", client, len(got))
	}
	return strings.Join(got[0].token.parts, ".")
}

// github.com/coreos/go-oidc with golang.org/x/oauth2: discovery, login, refresh, userinfo, logout, logout token.
func TestRelyingParty_GoOIDC(t *testing.T) {
	for client, alg := range map[string]string{"shop": "RS256", "wiki": "ES256", "mail": "EdDSA", "app": "RS256"} {
		t.Run(client, func(t *testing.T) {
			w := openAlone(t)
			ctx := coreos.ClientContext(t.Context(), w.program().client)
			op, err := coreos.NewProvider(ctx, w.issuer)
			if err != nil {
				t.Fatal(err)
			}
			config := oauth2.Config{ClientID: client, ClientSecret: secret, Endpoint: op.Endpoint(), RedirectURL: callback(client), Scopes: []string{"openid", "profile", "email"}}
			if client == "app" {
				config.ClientSecret = ""
			}
			pkce := oauth2.GenerateVerifier()
			alice := w.browser()
			start := config.AuthCodeURL("a state", coreos.Nonce("a nonce"), oauth2.S256ChallengeOption(pkce))
			back := alice.logIn(alice.get(start, nil), "alice").response()
			if back.Get("state") != "a state" {
				t.Errorf("state %q", back.Get("state"))
			}
			token, err := config.Exchange(ctx, back.Get("code"), oauth2.VerifierOption(pkce))
			if err != nil {
				t.Fatal(err)
			}
			raw, _ := token.Extra("id_token").(string)
			verify := op.Verifier(&coreos.Config{ClientID: client, SupportedSigningAlgs: []string{alg}})
			idToken, err := verify.Verify(ctx, raw)
			if err != nil {
				t.Fatal(err)
			}
			if err := idToken.VerifyAccessToken(token.AccessToken); err != nil || idToken.Nonce != "a nonce" {
				t.Errorf("at_hash: %v, nonce %q", err, idToken.Nonce)
			}
			info, err := op.UserInfo(ctx, oauth2.StaticTokenSource(token))
			if err != nil || info.Subject != idToken.Subject || info.Email != "alice@example.com" || !info.EmailVerified {
				t.Errorf("userinfo %+v, %v", info, err)
			}
			refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
			if err != nil || refreshed.RefreshToken == token.RefreshToken {
				t.Fatalf("refreshed %+v, %v", refreshed, err)
			}
			var endpoints struct {
				EndSession string `json:"end_session_endpoint"`
			}
			if err := op.Claims(&endpoints); err != nil {
				t.Fatal(err)
			}
			alice.get(endpoints.EndSession, values("id_token_hint", raw, "post_logout_redirect_uri", bye(client), "state", "x")).wantRedirect(bye(client) + "?state=x")
			out, err := verify.VerifyLogout(ctx, w.logoutToken(client, raw))
			if err != nil || out.Subject != idToken.Subject || out.SessionID != sidOf(raw) {
				t.Errorf("logout token %+v, %v", out, err)
			}
			if _, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshed.RefreshToken}).Token(); err == nil {
				t.Error("the refresh token lives after the logout")
			}
		})
	}
}

// github.com/zitadel/oidc's own relying party; its EndSession is a server-side call.
func TestRelyingParty_Zitadel(t *testing.T) {
	for _, client := range []string{"shop", "wiki", "mail", "phone"} {
		t.Run(client, func(t *testing.T) {
			w := openAlone(t)
			ctx := t.Context()
			clientSecret := secret
			if client == "phone" {
				clientSecret = ""
			}
			style := oauth2.AuthStyleInHeader
			if client == "mail" || client == "phone" {
				style = oauth2.AuthStyleInParams
			}
			party, err := zitadelrp.NewRelyingPartyOIDC(ctx, w.issuer, client, clientSecret, callback(client), []string{"openid", "profile"},
				zitadelrp.WithHTTPClient(w.program().client), zitadelrp.WithAuthStyle(style), zitadelrp.WithSigningAlgsFromDiscovery(),
				zitadelrp.WithVerifierOpts(zitadelrp.WithNonce(func(context.Context) string { return "a nonce" })))
			if err != nil {
				t.Fatal(err)
			}
			alice := w.browser()
			start := zitadelrp.AuthURL("a state", party, zitadelrp.WithCodeChallenge(challenge()), zitadelrp.AuthURLOpt(zitadelrp.WithURLParam("nonce", "a nonce")))
			back := alice.logIn(alice.get(start, nil), "alice").response()
			got, err := zitadelrp.CodeExchange[*zitadel.IDTokenClaims](ctx, back.Get("code"), party, zitadelrp.WithCodeVerifier(verifier))
			if err != nil {
				t.Fatal(err)
			}
			info, err := zitadelrp.Userinfo[*zitadel.UserInfo](ctx, got.AccessToken, got.TokenType, got.IDTokenClaims.Subject, party)
			if err != nil || info.Name != "Alice Doe" {
				t.Errorf("userinfo %+v, %v", info, err)
			}
			// A refreshed ID token has no nonce (Core 12.2), which a relying party that verifies one must know.
			quiet, err := zitadelrp.NewRelyingPartyOIDC(ctx, w.issuer, client, clientSecret, callback(client), []string{"openid"},
				zitadelrp.WithHTTPClient(w.program().client), zitadelrp.WithAuthStyle(style), zitadelrp.WithSigningAlgsFromDiscovery())
			if err != nil {
				t.Fatal(err)
			}
			refreshed, err := zitadelrp.RefreshTokens[*zitadel.IDTokenClaims](ctx, quiet, got.RefreshToken, "", "")
			if err != nil || refreshed.IDTokenClaims.SessionID != got.IDTokenClaims.SessionID {
				t.Fatalf("refreshed %+v, %v", refreshed, err)
			}
			to, err := zitadelrp.EndSession(ctx, party, got.IDToken, bye(client), "x", "", nil)
			if client == "phone" { // the only one that may end sessions by a hint alone
				if err != nil {
					t.Errorf("end_session: %v", err)
				}
				w.eventually("it is told", func() bool { return w.told(got.IDToken) == 1 })
			} else {
				if err == nil || !alice.alive() {
					t.Errorf("a server ended the session without hint_logout: %v", to)
				}
				alice.get(party.GetEndSessionEndpoint(), values("id_token_hint", got.IDToken, "post_logout_redirect_uri", bye(client))).wantRedirect(bye(client))
			}
			jws, err := jose.ParseSignedCompact(w.logoutToken(client, got.IDToken), []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
			if err != nil {
				t.Fatal(err)
			}
			payload, err := party.IDTokenVerifier().KeySet.VerifySignature(ctx, jws)
			if err != nil {
				t.Fatal(err)
			}
			var claims zitadel.LogoutTokenClaims
			if err := claims.UnmarshalJSON(payload); err != nil || claims.SessionID != got.IDTokenClaims.SessionID || claims.Subject != got.IDTokenClaims.Subject {
				t.Errorf("logout token %+v, %v", claims, err)
			}
			if _, err := zitadelrp.RefreshTokens[*zitadel.IDTokenClaims](ctx, quiet, refreshed.RefreshToken, "", ""); err == nil {
				t.Error("the refresh token lives after the logout")
			}
			if err := zitadelrp.RevokeToken(ctx, party, refreshed.RefreshToken, "refresh_token"); err != nil {
				t.Errorf("revocation of a dead token: %v", err)
			}
		})
	}
}

// follow is one step of a browser that another program asks for: it returns the address at which the browser left the provider, and what
// it posted there.
func (a *agent) follow(address string) (to, body string) {
	a.Helper()
	page := a.get(address, nil)
	if strings.Contains(page.body, `name="password"`) {
		page = a.logIn(page, "alice")
	}
	if page.status == http.StatusSeeOther {
		return page.location().String(), ""
	}
	f := page.want(200).form()
	if _, err := url.Parse(f.action); err != nil {
		a.Fatal(err)
	}
	return f.action, f.fields.Encode()
}
