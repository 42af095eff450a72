package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// errSignedOut says that the session has ended, or that the person has left this application on their account page.
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

// check asks whether the session lives. The ID token may have expired, and asking does not keep the session alive.
func (a *app) check(ctx context.Context) error {
	body, err := json.Marshal(map[string]string{"client_id": a.clientID, "id_token": a.idToken})
	if err != nil {
		return err
	}
	answer, err := a.post(ctx, "/api/session/status", "application/json", body)
	if err != nil {
		return err
	}
	var said struct{ Status string }
	if err := json.Unmarshal(answer, &said); err != nil {
		return err
	}
	if said.Status == "ended" {
		return errSignedOut
	}
	return nil
}

// logout signs this application out and nothing else: the browser's session and other applications live on. A public client names itself and
// sends its refresh token, because the access token may have expired.
func (a *app) logout(ctx context.Context) error {
	form := url.Values{"client_id": {a.clientID}, "token": {a.tokens.RefreshToken}}
	a.tokens, a.idToken = nil, "" // from this device they go whatever the answer is
	if _, err := a.post(ctx, "/api/logout", "application/x-www-form-urlencoded", []byte(form.Encode())); err != nil {
		return fmt.Errorf("signed out here; the provider could not be told: %w", err)
	}
	return nil
}

// post sends a body to a path of the provider and returns the answer.
func (a *app) post(ctx context.Context, path, kind string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.issuer, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the provider answers %s", res.Status)
	}
	return answer, err
}
