package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// errSignedOut says that the session has ended, or the person has signed this application out.
var errSignedOut = errors.New("signed out")

// watch returns when the person has been signed out elsewhere, or when ctx is done. An application with a screen asks when it comes to the
// foreground, too.
func (a *app) watch(ctx context.Context) {
	ticker := time.NewTicker(a.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch err := a.check(ctx); {
		case errors.Is(err, errSignedOut):
			return
		case err != nil && ctx.Err() == nil:
			log.Print(err) // no network, perhaps: that is no logout
		}
	}
}

// check asks whether the access token is alive: it dies in the instant in which the session ends. One that has expired is replaced. Register the
// client with `idle: none`, or asking keeps the session alive for ever.
func (a *app) check(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.provider.UserInfoEndpoint(), http.NoBody)
	if err != nil {
		return err
	}
	a.tokens.SetAuthHeader(req)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // nothing was read
	switch res.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized:
		return a.refresh(ctx)
	}
	return fmt.Errorf("the provider answers %s", res.Status)
}

// refresh gets new tokens. The refresh token is used once; the next one comes with the answer.
func (a *app) refresh(ctx context.Context) error {
	fresh, err := a.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: a.tokens.RefreshToken}).Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		a.tokens = nil // RFC 6749, 5.2: for good
		return errSignedOut
	}
	if err == nil {
		a.tokens = fresh
	}
	return err
}

// logout signs this application out and nothing else: the browser's session and other applications live on. A public client names itself and
// sends its refresh token, because the access token may have expired.
func (a *app) logout(ctx context.Context) error {
	if a.tokens == nil {
		return nil
	}
	form := url.Values{"client_id": {a.clientID}, "token": {a.tokens.RefreshToken}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.issuer, "/")+"/api/logout", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a.tokens = nil // from this device they go whatever the answer is
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("signed out here; the provider could not be told: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // nothing was read
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("signed out here; the provider answers %s", res.Status)
	}
	return nil
}
