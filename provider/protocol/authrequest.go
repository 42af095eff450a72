package protocol

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
	"github.com/zitadel/schema"

	"github.com/exeunt-id/exeunt/provider/identity"
)

var authorizeParameters = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "display", "ui_locales",
	"id_token_hint", "login_hint", "acr_values", "code_challenge", "code_challenge_method", "claims", "request", "request_uri", "registration",
}

var supportedPrompts = []string{oidc.PromptNone, oidc.PromptLogin, oidc.PromptConsent, oidc.PromptSelectAccount}

// authorizeDecoder is made once: it caches what it learns of the struct.
var authorizeDecoder = func() *schema.Decoder {
	d := schema.NewDecoder()
	d.IgnoreUnknownKeys(true)
	return d
}()

// target is where the answer to an authorization request goes. Whatever is wrong with the rest of the request is told there.
type target struct {
	Client      identity.Client
	RedirectURI string
	State       string
	Mode        string
}

// findTarget identifies client and redirect URI before anything else is looked at: until both are known to belong together, no
// redirect may happen (RFC 6749, 4.1.2.1; RFC 9700, 4.11). Its errors are pages.
func findTarget(ctx context.Context, clients identity.Clients, p parameters) (target, error) {
	switch {
	case p["client_id"] == "":
		return target{}, signInRefused("It does not say, once and clearly, which application sent you (client_id).", nil)
	case p["redirect_uri"] == "":
		return target{}, signInRefused("It does not say, once and clearly, where to return to (redirect_uri).", nil)
	}
	client, err := clients.Client(ctx, p["client_id"])
	if errors.Is(err, identity.ErrNoClient) {
		return target{}, signInRefused("The application that sent you is not known here.", err)
	}
	if err != nil {
		return target{}, err
	}
	if !client.RedirectRegistered(p["redirect_uri"]) {
		return target{}, signInRefused("The address to return to is not one that the application has registered.", nil)
	}
	t := target{Client: client, RedirectURI: p["redirect_uri"], State: p["state"]}
	mode, state := unsupportedObject(p["request"])
	t.State = cmp.Or(t.State, state)
	if mode = cmp.Or(p["response_mode"], mode); mode == string(oidc.ResponseModeFormPost) {
		t.Mode = mode
	}
	return t, nil
}

// maxParameters bounds what a request that nobody has authenticated makes us store, in bytes.
const maxParameters = 8 << 10

// validate checks everything else (OpenID Connect Core 1.0, 3.1.2.2; RFC 7636, 4.4.1). Its *oidc.Error goes to the client.
func (t target) validate(r *http.Request, p parameters, repeated []string) (identity.AuthorizationRequest, *oidc.Error) {
	var none identity.AuthorizationRequest
	if len(repeated) > 0 {
		return none, invalidRequest("The parameter %s is repeated.", repeated[0])
	}
	size := 0
	for name, value := range p {
		if name != "id_token_hint" { // is verified, not stored
			size += len(value)
		}
		// NUL is UTF-8, but PostgreSQL keeps none: the nonce would fail at the exchange, where nobody can mend it any more.
		if !utf8.ValidString(value) || strings.Contains(value, "\x00") {
			return none, invalidRequest("The parameter %s is not UTF-8 text without NUL.", name)
		}
	}
	if size > maxParameters {
		return none, invalidRequest("The parameters are longer than %d bytes together.", maxParameters)
	}
	if err := t.checkSupported(p); err != nil {
		return none, err
	}
	// From here on the library reads the parameters, from what is left of the form.
	r.Form = make(url.Values, len(p))
	for name, value := range p {
		r.Form.Set(name, value)
	}
	parsed, err := op.ParseAuthorizeRequest(r, authorizeDecoder)
	if err != nil {
		return none, invalidRequest("A parameter has a value of the wrong kind.").WithParent(err)
	}
	prompts := strings.Fields(p["prompt"])
	maxAge, err := op.ValidateAuthReqPrompt(prompts, parsed.MaxAge)
	if err != nil {
		return none, oidc.DefaultToServerError(err, "prompt")
	}
	for _, prompt := range prompts {
		if !slices.Contains(supportedPrompts, prompt) {
			return none, invalidRequest("The parameter prompt has an unknown value.")
		}
	}
	if err := t.checkPKCE(parsed); err != nil {
		return none, err
	}
	scopes := t.grantable(scopesOf(p["scope"]))
	if len(scopes) == 0 {
		return none, oidc.ErrInvalidScope().WithDescription("None of the requested scopes is open to this client; ask at least for openid.")
	}
	claims, claimScopes, refusal := t.claimsParameter(p["claims"], scopes)
	if refusal != nil {
		return none, refusal
	}
	request := identity.AuthorizationRequest{
		RedirectURI: t.RedirectURI, ResponseType: string(parsed.ResponseType), ResponseMode: t.Mode, Scopes: scopes, State: p["state"],
		Nonce: p["nonce"], Prompt: prompts, MaxAge: t.Client.DefaultMaxAge, LoginHint: p["login_hint"],
		UILocales: strings.Fields(p["ui_locales"]), ACRValues: strings.Fields(p["acr_values"]),
		CodeChallenge: parsed.CodeChallenge, CodeChallengeMethod: string(parsed.CodeChallengeMethod),
		Claims: claims, ClaimScopes: claimScopes,
	}
	if maxAge != nil {
		seconds := int(min(*maxAge, 1<<31-1))
		request.MaxAge = &seconds
	}
	return request, nil
}

// checkSupported refuses what this provider does not do, with the code that says so (Core 3.1.2.6 and 6.1).
func (t target) checkSupported(p parameters) *oidc.Error {
	switch {
	case p["request"] != "":
		return oidc.ErrRequestNotSupported().WithDescription("Request objects are not supported.")
	case p["request_uri"] != "":
		return &oidc.Error{ErrorType: codeRequestURINotSupported, Description: "Request objects are not supported."}
	case p["registration"] != "":
		return &oidc.Error{ErrorType: codeRegistrationUnsupported, Description: "The parameter registration is for self-issued providers."}
	case p["response_type"] == "":
		return invalidRequest("The parameter response_type is missing.")
	case p["response_type"] != string(oidc.ResponseTypeCode):
		return &oidc.Error{ErrorType: codeUnsupportedResponseType, Description: "Only the response type code is supported."}
	case !t.Client.Allows(identity.GrantAuthorizationCode):
		return oidc.ErrUnauthorizedClient().WithDescription("The client has not registered the grant type authorization_code.")
	}
	switch oidc.ResponseMode(p["response_mode"]) {
	case "", oidc.ResponseModeQuery, oidc.ResponseModeFormPost:
		return nil
	default:
		return invalidRequest("Only the response modes query and form_post are supported.")
	}
}

// checkPKCE wants S256 of every public client, and of every other that sends a challenge. "plain", which is also what an absent method
// means, protects nothing (RFC 9700, 2.1.1).
func (t target) checkPKCE(r *oidc.AuthRequest) *oidc.Error {
	switch {
	case r.CodeChallenge == "" && r.CodeChallengeMethod != "":
		return invalidRequest("A code_challenge_method was sent without a code_challenge.")
	case r.CodeChallenge == "" && t.Client.Public():
		return invalidRequest("A public client must send a code_challenge (PKCE).")
	case r.CodeChallenge == "":
		return nil
	case r.CodeChallengeMethod != oidc.CodeChallengeMethodS256:
		return invalidRequest("The code_challenge_method must be S256.")
	case len(r.CodeChallenge) != 43 || strings.Trim(r.CodeChallenge, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return invalidRequest("The code_challenge is not the base64url of a SHA-256.")
	default:
		return nil
	}
}

// grantable drops the scopes that the client did not register (RFC 6749, 3.3), and offline_access where no refresh token could carry it
// (Core 11). What the client does by itself no person can grant. A registered scope that means nothing here may mean something to the client's own services.
func (t target) grantable(scopes []string) []string {
	return slices.DeleteFunc(scopes, func(scope string) bool {
		return !t.Client.MayAsk(scope) || identity.OwnScope(scope) || scope == oidc.ScopeOfflineAccess && !t.Client.Allows(identity.GrantRefreshToken)
	})
}
