package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	client "github.com/zitadel/oidc/v3/pkg/client/rp"
	"golang.org/x/oauth2"
)

// scope is what the demo apps ask for.
const scope = "openid profile email"

// provider is the OpenID Provider as the app sees it. Discovery happens when
// it is first needed, and again after a failure: app and provider start at the
// same moment.
type provider struct {
	cfg Config

	mu    sync.Mutex
	party client.RelyingParty // nil until discovery has succeeded
}

type nonceKey struct{}

// discovered returns the relying party. The error says that the provider
// cannot be reached or is not the configured one.
func (p *provider) discovered(ctx context.Context) (client.RelyingParty, error) {
	p.mu.Lock()
	party := p.party
	p.mu.Unlock()
	if party != nil {
		return party, nil
	}
	// Without the lock: two at once find out the same.
	party, err := client.NewRelyingPartyOIDC(ctx, p.cfg.Issuer, p.cfg.ClientID, p.cfg.ClientSecret,
		p.cfg.BaseURL+"/callback", strings.Fields(scope),
		client.WithHTTPClient(p.cfg.HTTPClient),
		client.WithAuthStyle(oauth2.AuthStyleInHeader),
		client.WithVerifierOpts(
			client.WithSupportedSigningAlgorithms(p.cfg.SigningAlg),
			client.WithNonce(func(ctx context.Context) string {
				nonce, _ := ctx.Value(nonceKey{}).(string)
				return nonce
			}),
		),
	)
	if err != nil {
		return nil, fmt.Errorf("discovery of %s: %w", p.cfg.Issuer, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.party = party
	return party, nil
}

// origins returns the origins of the provider's issuer and, once known, of its
// end_session endpoint.
func (p *provider) origins() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	addresses := []string{p.cfg.Issuer}
	if p.party != nil {
		addresses = append(addresses, p.party.GetEndSessionEndpoint())
	}
	var origins []string
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil && u.Host != "" && !slices.Contains(origins, u.Scheme+"://"+u.Host) {
			origins = append(origins, u.Scheme+"://"+u.Host)
		}
	}
	return origins
}

// endSessionURL returns where RP-initiated logout begins (RP-Initiated Logout 1.0, section 2).
func (p *provider) endSessionURL(ctx context.Context, idToken, state string) (string, error) {
	party, err := p.discovered(ctx)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(party.GetEndSessionEndpoint())
	if err != nil || u.Host == "" {
		return "", errors.New("the provider publishes no end_session_endpoint")
	}
	query := u.Query()
	query.Set("id_token_hint", idToken)
	query.Set("post_logout_redirect_uri", p.cfg.BaseURL+"/")
	query.Set("state", state)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// redirectLogoutURL returns the provider's /logout. The access token could go
// along as oauth_token; it does not, since addresses end up in logs.
func (p *provider) redirectLogoutURL(state string) string {
	query := url.Values{"client_id": {p.cfg.ClientID}, "redirect_uri": {p.cfg.BaseURL + "/"}, "state": {state}}
	return strings.TrimSuffix(p.cfg.Issuer, "/") + "/logout?" + query.Encode()
}

// revokeByAPI calls the provider's POST /api/logout with the app's own token.
func (p *provider) revokeByAPI(ctx context.Context, accessToken string) (err error) {
	address := strings.TrimSuffix(p.cfg.Issuer, "/") + "/api/logout"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	res, err := p.cfg.HTTPClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	// Read, so that the connection can be used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16)); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("POST %s answered %s", address, res.Status)
	}
	return nil
}
