package protocol

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// ACR is the authentication context of every login with name and password: level 1 of ISO/IEC 29115 (Core 2, acr).
const ACR = "1"

// scopes that the provider knows.
var supportedScopes = []string{
	oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail, oidc.ScopeAddress, oidc.ScopePhone, oidc.ScopeOfflineAccess,
	identity.ScopeDevicesRead, identity.ScopeDevicesDetach,
}

// metadata adds to what zitadel/oidc knows of provider metadata, and says no explicitly where an absent member could mean yes.
type metadata struct {
	oidc.DiscoveryConfiguration
	RequestParameterSupported                  bool     `json:"request_parameter_supported"`
	ClaimsParameterSupported                   bool     `json:"claims_parameter_supported"`
	AuthorizationResponseIssParameterSupported bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207, 3
	FrontchannelLogoutSupported                bool     `json:"frontchannel_logout_supported"`
	FrontchannelLogoutSessionSupported         bool     `json:"frontchannel_logout_session_supported"`
	PromptValuesSupported                      []string `json:"prompt_values_supported"`

	// Global Token Revocation (draft-parecki-oauth-global-token-revocation-06), 3; absent unless somebody may use it.
	GlobalRevocationEndpoint    string            `json:"global_token_revocation_endpoint,omitempty"`
	GlobalRevocationAuthMethods []oidc.AuthMethod `json:"global_token_revocation_endpoint_auth_methods_supported,omitempty"`
}

// Discovery answers GET /.well-known/openid-configuration (OpenID Connect Discovery 1.0, 4). The document is made once.
type Discovery struct{ document []byte }

// NewDiscovery makes the document. It advertises exactly what works.
func NewDiscovery(s Settings) (*Discovery, error) {
	m := metadata{
		DiscoveryConfiguration: oidc.DiscoveryConfiguration{
			Issuer:                                             s.Issuer,
			AuthorizationEndpoint:                              s.URL(PathAuthorize),
			TokenEndpoint:                                      s.URL(PathToken),
			IntrospectionEndpoint:                              s.URL(PathIntrospect),
			UserinfoEndpoint:                                   s.URL(PathUserinfo),
			RevocationEndpoint:                                 s.URL(PathRevoke),
			CheckSessionIframe:                                 s.URL(PathCheckSession),
			EndSessionEndpoint:                                 s.URL(PathEndSession),
			JwksURI:                                            s.URL(PathKeys),
			ScopesSupported:                                    supportedScopes,
			ResponseTypesSupported:                             []string{string(oidc.ResponseTypeCode)},
			ResponseModesSupported:                             []string{string(oidc.ResponseModeQuery), string(oidc.ResponseModeFormPost)},
			GrantTypesSupported:                                []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeClientCredentials},
			ACRValuesSupported:                                 []string{ACR},
			SubjectTypesSupported:                              []string{"public"},
			IDTokenSigningAlgValuesSupported:                   s.Algorithms,
			TokenEndpointAuthMethodsSupported:                  append(confidentialMethods(), oidc.AuthMethodNone),
			RevocationEndpointAuthMethodsSupported:             append(confidentialMethods(), oidc.AuthMethodNone),
			IntrospectionEndpointAuthMethodsSupported:          confidentialMethods(),
			TokenEndpointAuthSigningAlgValuesSupported:         algorithmNames(assertionAlgorithms),
			RevocationEndpointAuthSigningAlgValuesSupported:    algorithmNames(assertionAlgorithms),
			IntrospectionEndpointAuthSigningAlgValuesSupported: algorithmNames(assertionAlgorithms),
			DisplayValuesSupported:                             []oidc.Display{oidc.DisplayPage},
			UILocalesSupported:                                 oidc.ParseLocales(s.Languages),
			ClaimTypesSupported:                                []string{"normal"},
			ClaimsSupported:                                    supportedClaims(),
			CodeChallengeMethodsSupported:                      []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
			BackChannelLogoutSupported:                         true,
			BackChannelLogoutSessionSupported:                  true,
		},
		ClaimsParameterSupported:                   true,
		AuthorizationResponseIssParameterSupported: true,
		FrontchannelLogoutSupported:                true,
		FrontchannelLogoutSessionSupported:         true,
		PromptValuesSupported:                      supportedPrompts,
	}
	if s.GlobalRevocation {
		m.GlobalRevocationEndpoint, m.GlobalRevocationAuthMethods = s.URL(PathGlobalRevocation), []oidc.AuthMethod{oidc.AuthMethodPrivateKeyJWT}
	}
	if s.Registration {
		m.RegistrationEndpoint = s.URL(PathRegister)
	}
	document, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("protocol: provider metadata: %w", err)
	}
	return &Discovery{document: document}, nil
}

// confidentialMethods are those by which a client proves who it is.
func confidentialMethods() []oidc.AuthMethod {
	return []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}
}

func algorithmNames(algorithms []jose.SignatureAlgorithm) []string {
	names := make([]string, len(algorithms))
	for i, alg := range algorithms {
		names[i] = string(alg)
	}
	return names
}

// Get answers with the document.
func (d *Discovery) Get(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.JSONBlob(http.StatusOK, d.document)
}
