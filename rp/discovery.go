package rp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	// metadataLife is how long the discovery document is used without asking again.
	metadataLife = time.Hour
	// maxDocumentBytes bounds what is read of the provider's documents.
	maxDocumentBytes = 1 << 20
)

// metadata is what the kit reads of a discovery document (OpenID Connect
// Discovery 1.0, 3; the logout specifications, 2.1 each; RFC 9207, 3).
type metadata struct {
	Issuer                string   `json:"issuer"`
	JWKSURI               string   `json:"jwks_uri"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserinfoEndpoint      string   `json:"userinfo_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	CheckSessionIframe    string   `json:"check_session_iframe"`
	TokenAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	IssInResponse         bool     `json:"authorization_response_iss_parameter_supported"`
}

// discover reads the provider's discovery document.
func discover(ctx context.Context, client *http.Client, issuer string) (*metadata, error) {
	address := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	var document metadata
	if err := getJSON(ctx, client, address, &document); err != nil {
		return nil, err
	}
	// Without this another provider's keys could be slipped in (OpenID Connect Discovery 1.0, 4.3).
	if document.Issuer != issuer {
		return nil, fmt.Errorf("%s names the issuer %q, not %q: correct the configured Issuer", address, document.Issuer, issuer)
	}
	for name, endpoint := range map[string]string{
		"jwks_uri": document.JWKSURI, "authorization_endpoint": document.AuthorizationEndpoint, "token_endpoint": document.TokenEndpoint,
		"userinfo_endpoint": document.UserinfoEndpoint, "introspection_endpoint": document.IntrospectionEndpoint,
		"end_session_endpoint": document.EndSessionEndpoint, "check_session_iframe": document.CheckSessionIframe,
	} {
		if endpoint != "" && strings.HasPrefix(issuer, "https://") && !strings.HasPrefix(endpoint, "https://") {
			return nil, fmt.Errorf("%s has the %s %q, which is not https", address, name, endpoint)
		}
	}
	return &document, nil
}

// authMethod is how the client authenticates at the provider's endpoints: as
// configured or else, with a secret, by the first of Basic and POST that the
// provider accepts; Basic is what a provider accepts that names none.
func (m *metadata) authMethod(configured, secret string) string {
	switch {
	case configured != "":
		return configured
	case secret == "":
		return AuthNone
	case len(m.TokenAuthMethods) == 0 || slices.Contains(m.TokenAuthMethods, AuthBasic) || !slices.Contains(m.TokenAuthMethods, AuthPost):
		return AuthBasic
	}
	return AuthPost
}

// discovery remembers the discovery document. It is safe for concurrent use.
type discovery struct {
	issuer string
	client *http.Client
	now    func() time.Time

	mu        sync.Mutex
	document  *metadata
	fetchedAt time.Time
}

// metadata returns the document, which it reads when it is first needed and
// again after an hour; an old one goes on serving while the provider is away.
// The error is a *TemporaryError.
func (d *discovery) metadata(ctx context.Context) (*metadata, error) {
	d.mu.Lock()
	known, fresh := d.document, d.document != nil && d.now().Before(d.fetchedAt.Add(metadataLife))
	d.mu.Unlock()
	if fresh {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	document, err := discover(ctx, d.client, d.issuer) // without the lock: two at once read the same
	if err != nil && known != nil {
		return known, nil
	}
	if err != nil {
		return nil, &TemporaryError{Reason: "the provider's discovery document could not be read", Err: err}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.document, d.fetchedAt = document, d.now()
	return document, nil
}

// known returns the document if it has been read before, however long ago, and nil otherwise.
func (d *discovery) known() *metadata {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.document
}

// getJSON reads the JSON document at address into document.
func getJSON(ctx context.Context, client *http.Client, address string, document any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return doJSON(client, req, document)
}

// doJSON sends req and reads the JSON document of a 200 answer.
func doJSON(client *http.Client, req *http.Request, document any) (err error) {
	name := req.Method + " " + req.URL.Redacted()
	req.Header.Set("Accept", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, res.Body.Close()) }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", name, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocumentBytes+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(body) > maxDocumentBytes {
		return fmt.Errorf("%s answered more than %d bytes", name, maxDocumentBytes)
	}
	if err := json.Unmarshal(body, document); err != nil {
		return fmt.Errorf("%s did not answer the expected JSON: %w", name, err)
	}
	return nil
}

// clientOr returns client or, if it is nil, one that gives up after ten seconds
// and follows no redirects: the provider's endpoints are where it says they are.
func clientOr(client *http.Client) *http.Client {
	if client != nil {
		return client
	}
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
