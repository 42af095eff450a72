package demo

import "crypto/rand"

// Apps returns the three apps of the demo, for a provider at
// http://localhost:8080. Their client secrets are fresh in every call: register
// them from the same values that New gets.
//
// After changing any BaseURL call Connect, so that the links follow.
func Apps() []Config {
	const issuer = "http://localhost:8080"
	return Connect([]Config{
		{
			Name: "Globe Tickets", Tagline: "Seats, standing room and the odd royal box.", Accent: "#b3261e",
			ClientID: "tickets", ClientSecret: secret(), Issuer: issuer,
			BaseURL: "http://localhost:9101", Listen: "localhost:9101", SigningAlg: "RS256",
		},
		{
			Name: "Rose Playbills", Tagline: "Printed the night before, read in the interval.", Accent: "#8a5a00",
			ClientID: "playbills", ClientSecret: secret(), Issuer: issuer,
			BaseURL: "http://localhost:9102", Listen: "localhost:9102", SigningAlg: "ES256",
		},
		{
			Name: "Swan Wardrobe", Tagline: "Doublets, ruffs and one bear costume.", Accent: "#1f6f54",
			ClientID: "wardrobe", ClientSecret: secret(), Issuer: issuer,
			BaseURL: "http://localhost:9103", Listen: "localhost:9103", SigningAlg: "EdDSA",
		},
	})
}

// Connect sets the OtherApps of each app to links to all the others, and
// returns apps.
func Connect(apps []Config) []Config {
	for i := range apps {
		apps[i].OtherApps = nil
		for j, other := range apps {
			if i != j {
				apps[i].OtherApps = append(apps[i].OtherApps, Link{Name: other.Name, URL: other.BaseURL + "/"})
			}
		}
	}
	return apps
}

// Registration is what the provider must know of an app, under the names of
// OpenID Connect Dynamic Client Registration 1.0, the logout specifications,
// and, for the last two, of Exeunt's configuration.
type Registration struct {
	ClientID                         string   `json:"client_id" yaml:"client_id"`
	ClientSecret                     string   `json:"client_secret" yaml:"client_secret"`
	ClientName                       string   `json:"client_name" yaml:"client_name"`
	ApplicationType                  string   `json:"application_type" yaml:"application_type"`
	TokenEndpointAuthMethod          string   `json:"token_endpoint_auth_method" yaml:"token_endpoint_auth_method"`
	GrantTypes                       []string `json:"grant_types" yaml:"grant_types"`
	ResponseTypes                    []string `json:"response_types" yaml:"response_types"`
	Scope                            string   `json:"scope" yaml:"scope"`
	RedirectURIs                     []string `json:"redirect_uris" yaml:"redirect_uris"`
	PostLogoutRedirectURIs           []string `json:"post_logout_redirect_uris" yaml:"post_logout_redirect_uris"`
	BackchannelLogoutURI             string   `json:"backchannel_logout_uri" yaml:"backchannel_logout_uri"`
	BackchannelLogoutSessionRequired bool     `json:"backchannel_logout_session_required" yaml:"backchannel_logout_session_required"`
	IDTokenSignedResponseAlg         string   `json:"id_token_signed_response_alg" yaml:"id_token_signed_response_alg"`
	// SkipConsent: the demo is about leaving, not about asking.
	SkipConsent bool `json:"skip_consent" yaml:"skip_consent"`
	// AllowPrivateNetwork: the logout endpoint is on a loopback address.
	AllowPrivateNetwork bool `json:"allow_private_network" yaml:"allow_private_network"`
}

// Registration returns the client as which the app must be registered. Defaults
// of New are filled in.
func (c Config) Registration() Registration {
	if c.SigningAlg == "" {
		c.SigningAlg = "RS256"
	}
	return Registration{
		ClientID:                         c.ClientID,
		ClientSecret:                     c.ClientSecret,
		ClientName:                       c.Name,
		ApplicationType:                  "web",
		TokenEndpointAuthMethod:          "client_secret_basic",
		GrantTypes:                       []string{"authorization_code"},
		ResponseTypes:                    []string{"code"},
		Scope:                            scope,
		RedirectURIs:                     []string{c.BaseURL + "/callback"},
		PostLogoutRedirectURIs:           []string{c.BaseURL + "/"},
		BackchannelLogoutURI:             c.BaseURL + "/backchannel-logout",
		BackchannelLogoutSessionRequired: true,
		IDTokenSignedResponseAlg:         c.SigningAlg,
		SkipConsent:                      true,
		AllowPrivateNetwork:              true,
	}
}

// secret returns 260 random bits that need no escaping anywhere.
func secret() string { return rand.Text() + rand.Text() }
