package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// login signs a person in by the system's browser, and returns their name:
//
//  1. Listen on a free port of the loopback address (RFC 8252, 7.3). http://127.0.0.1/callback is registered; the port is free.
//  2. Send the browser to the provider, with PKCE (8.1), state and nonce.
//  3. Take the answer, and exchange its code.
//  4. Verify the ID token.
//  5. Ask for their name, and see that the answer is about them (OpenID Connect Core 1.0, 5.3.2).
func (a *app) login(ctx context.Context, out io.Writer) (name string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	a.oauth.RedirectURL = "http://" + listener.Addr().String() + "/callback"
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	fmt.Fprintf(out, "Sign in with your browser:\n%s\n", a.oauth.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), oidc.Nonce(nonce)))
	answer, err := a.answer(ctx, listener, state)
	if err != nil {
		return "", err
	}
	if a.tokens, err = a.oauth.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier)); err != nil {
		return "", err
	}
	a.idToken, _ = a.tokens.Extra("id_token").(string)
	idToken, err := a.provider.VerifierContext(ctx, &oidc.Config{ClientID: a.clientID}).Verify(ctx, a.idToken)
	if err != nil {
		return "", err
	}
	if idToken.Nonce != nonce {
		return "", errors.New("the ID token was made for another sign-in")
	}
	info, err := a.provider.UserInfo(ctx, oauth2.StaticTokenSource(a.tokens))
	if err != nil {
		return "", err
	}
	var claims struct{ Name string }
	if err := info.Claims(&claims); err != nil {
		return "", err
	}
	if info.Subject != idToken.Subject {
		return "", errors.New("the userinfo is about somebody else")
	}
	return cmp.Or(claims.Name, info.Subject), nil
}

// answer waits for the browser to come back, and closes the listener.
func (a *app) answer(ctx context.Context, listener net.Listener, state string) (url.Values, error) {
	answers := make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		// Everything on this machine can ask here. Only whoever was sent by us knows the state.
		if r.Method != http.MethodGet || r.URL.Path != "/callback" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			http.NotFound(w, r)
			return
		}
		select {
		case answers <- q:
		default: // the page was loaded again
		}
		fmt.Fprintln(w, "Close this window and go back to the application.")
	})}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Shutdown(context.WithoutCancel(ctx)) }() // lets the browser have its page
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case q := <-answers:
		// Another provider could have sent this browser here with what it knows (RFC 9207).
		if iss := q.Get("iss"); iss != a.issuer {
			return nil, fmt.Errorf("the answer comes from %q, not from %s", iss, a.issuer)
		}
		if code := q.Get("error"); code != "" {
			return nil, fmt.Errorf("the provider answers %q: %q", code, q.Get("error_description"))
		}
		return q, nil
	}
}
