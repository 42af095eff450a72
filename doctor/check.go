package doctor

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
)

// check is one request to the endpoint, and what must come of it.
type check struct {
	name, sent string
	section    string
	advice     string // what to do if it comes out otherwise
	good       bool   // expected: 200; otherwise 400
	also       []int  // what else will do
	lenient    bool   // a wrong answer is a warning: the rule is a recommendation
	unsigned   bool   // means the same whoever signed it
	needs      func(Config) string
	build      func(ctx context.Context, b *bench) (*attempt, error)
}

// attempt is a request to be sent.
type attempt struct {
	method, contentType, body string
	query                     string
}

const formType = "application/x-www-form-urlencoded"

// post is the ordinary way to send a token.
func post(token string, further ...string) *attempt {
	form := url.Values{"logout_token": {token}}
	for i := 0; i+1 < len(further); i += 2 {
		form.Set(further[i], further[i+1])
	}
	return &attempt{method: http.MethodPost, contentType: formType, body: form.Encode()}
}

// changed sends a token whose claims were changed, and that is good otherwise.
func changed(change func(claims object)) func(context.Context, *bench) (*attempt, error) {
	return typed("logout+jwt", change)
}

func typed(typ string, change func(claims object)) func(context.Context, *bench) (*attempt, error) {
	return func(ctx context.Context, b *bench) (*attempt, error) {
		claims := b.claims()
		change(claims)
		token, err := b.sign(ctx, b.cfg.Algorithm, typ, claims)
		if err != nil {
			return nil, err
		}
		return post(token), nil
	}
}

func set(name string, value any) func(context.Context, *bench) (*attempt, error) {
	return changed(func(claims object) { claims[name] = value })
}

func without(names ...string) func(context.Context, *bench) (*attempt, error) {
	return changed(func(claims object) {
		for _, name := range names {
			delete(claims, name)
		}
	})
}

// shifted sets a claim so many seconds from now.
func shifted(name string, seconds int64, further ...string) func(context.Context, *bench) (*attempt, error) {
	return func(ctx context.Context, b *bench) (*attempt, error) {
		return changed(func(claims object) {
			claims[name] = b.cfg.Now().Unix() + seconds
			for _, name := range further {
				claims[name] = b.cfg.Now().Unix() + seconds - 60
			}
		})(ctx, b)
	}
}

// literal sends a body as it is.
func literal(method, contentType, body string) func(context.Context, *bench) (*attempt, error) {
	return func(context.Context, *bench) (*attempt, error) {
		return &attempt{method: method, contentType: contentType, body: body}, nil
	}
}

func noOtherAlgorithm(cfg Config) string {
	if cfg.OtherAlgorithm == "" {
		return "The provider signs with one algorithm only."
	}
	return ""
}

// goodChecks come first: what a token must not be refused for. They need the
// provider's keys.
var goodChecks = []check{
	{
		name: "good", sent: "a good token for a session that does not exist", section: "Back-Channel Logout 1.0, 2.7 and 2.8", good: true,
		advice: "Answer 200 to a valid logout token, also when the session is unknown or already gone: it is not there, which is all that was asked for.",
		build:  changed(func(object) {}),
	},
	{
		name: "idempotent", sent: "a fresh token for the same session", section: "Back-Channel Logout 1.0, 2.8", good: true,
		advice: "Answer 200 again: a provider that did not read the first answer sends another token for the same session.",
		build:  changed(func(object) {}),
	},
	{
		name: "aud-list", sent: "aud as a list that contains the client", section: "Back-Channel Logout 1.0, 2.4; RFC 7519, 4.1.3", good: true,
		advice: "Accept aud both as a string and as a list; the client must be in it.",
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			return set("aud", []string{b.cfg.ClientID})(ctx, b)
		},
	},
	{
		name: "no-typ", sent: "no typ header, as older providers do", section: "Back-Channel Logout 1.0, 2.4", good: true, lenient: true,
		advice: "Accept tokens without typ: explicit typing is recommended to providers, not required of them.",
		build:  typed("", func(object) {}),
	},
	{
		name: "extra-claim", sent: "a claim that nobody knows", section: "Back-Channel Logout 1.0, 2.4", good: true,
		advice: "Ignore claims that you do not know.",
		build:  set("https://example.com/trace", object{"id": 7}),
	},
	{
		name: "extra-field", sent: "a further form field", section: "Back-Channel Logout 1.0, 2.5", good: true,
		advice: "Ignore form fields that you do not know.",
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			token, err := b.sign(ctx, b.cfg.Algorithm, "logout+jwt", b.claims())
			return post(token, "trace", "7"), err
		},
	},
	{
		name: "sid-only", sent: "sid without sub", section: "Back-Channel Logout 1.0, 2.4 and 2.7", good: true,
		advice: "Accept a token with sid and without sub: it means that session.",
		build:  without("sub"),
	},
	{
		name: "sub-only", sent: "sub without sid", section: "Back-Channel Logout 1.0, 2.4 and 2.7", good: true, lenient: true,
		advice: "Accept a token with sub and without sid, and end all sessions of that user, unless you registered backchannel_logout_session_required.",
		build:  without("sid"),
	},
}

// badChecks have one fault each.
var badChecks = []check{
	{
		name: "alg-none", sent: "alg none, no signature", section: "Back-Channel Logout 1.0, 2.6 step 3", unsigned: true,
		advice: "Never accept alg none: anybody could log your users out. Give your JOSE library the one algorithm that you registered.",
		build: func(_ context.Context, b *bench) (*attempt, error) {
			token, err := raw(object{"alg": "none", "typ": "logout+jwt"}, b.claims(), func([]byte) []byte { return nil })
			return post(token), err
		},
	},
	{
		name: "alg-hs256", sent: "alg HS256, keyed with what is public", section: "Back-Channel Logout 1.0, 2.6 step 3; RFC 8725, 3.1", unsigned: true,
		advice: "Decide the algorithm by configuration, not by the token: here a public key was used as a secret.",
		build: func(_ context.Context, b *bench) (*attempt, error) {
			token, err := b.confused(b.claims())
			return post(token), err
		},
	},
	{
		name: "wrong-key", sent: "signed by a stranger, under the provider's kid", section: "Back-Channel Logout 1.0, 2.6 step 2", unsigned: true,
		advice: "Verify the signature with the provider's published key. A kid proves nothing.",
		build:  strangely(func(b *bench) string { return b.kid }),
	},
	{
		name: "unknown-kid", sent: "signed by a stranger, under a kid of its own", section: "Back-Channel Logout 1.0, 2.6 step 2", unsigned: true,
		advice: "Refuse with 400 a key that the provider does not publish, after having fetched its key set once more.",
		// Right after a fetch a careful relying party says "I do not know yet" rather than ask the provider for each invented kid.
		also:  []int{http.StatusServiceUnavailable},
		build: strangely(func(*bench) string { return "doctor-" + rand.Text() }),
	},
	{
		name: "wrong-alg", sent: "the provider's signature, by another algorithm than registered", section: "Back-Channel Logout 1.0, 2.6 step 3",
		advice: "Accept only the algorithm of id_token_signed_response_alg, RS256 by default.", needs: noOtherAlgorithm,
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			token, err := b.sign(ctx, b.cfg.OtherAlgorithm, "logout+jwt", b.claims())
			return post(token), err
		},
	},
	{
		name: "tampered", sent: "another sid under a signature that was made for one", section: "Back-Channel Logout 1.0, 2.6 step 2", unsigned: true,
		advice: "Verify the signature over the token as it came.",
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			token, err := b.tampered(ctx)
			return post(token), err
		},
	},
	{
		name: "wrong-iss", sent: "iss of another provider", section: "Back-Channel Logout 1.0, 2.6 step 4",
		advice: "Compare iss with the provider that you use, byte by byte.", build: set("iss", "https://doctor.invalid"),
	},
	{
		name: "wrong-aud", sent: "aud of another client", section: "Back-Channel Logout 1.0, 2.6 step 4",
		advice: "Check that aud is, or contains, your client_id. Otherwise a token for any other application works at yours.",
		build:  set("aud", "doctor-other-client"),
	},
	{
		name: "no-event", sent: "no events claim", section: "Back-Channel Logout 1.0, 2.6 step 6",
		advice: "Require the events claim with the member " + event + ".", build: without("events"),
	},
	{
		name: "wrong-event", sent: "an event of another kind", section: "Back-Channel Logout 1.0, 2.6 step 6",
		advice: "Require the member " + event + " itself; other events mean other things.",
		build:  set("events", object{"https://schemas.openid.net/secevent/caep/event-type/session-revoked": object{}}),
	},
	{
		name: "event-not-object", sent: "the event's value is true, not an object", section: "Back-Channel Logout 1.0, 2.4",
		advice: "Require a JSON object as the event's value.", lenient: true, build: set("events", object{event: true}),
	},
	{
		name: "nonce", sent: "a nonce", section: "Back-Channel Logout 1.0, 2.6 step 7",
		advice: "Refuse a token with a nonce: it is an ID token, which lives in many more places.", build: set("nonce", "doctor"),
	},
	{
		name: "id-token", sent: "an ID token", section: "Back-Channel Logout 1.0, 2.6 and 4",
		advice: "Refuse ID tokens: they have no logout event.",
		build: typed("JWT", func(claims object) {
			delete(claims, "events")
			delete(claims, "jti")
			claims["auth_time"], claims["nonce"] = claims["iat"], "doctor"
		}),
	},
	{
		name: "expired", sent: "exp an hour ago", section: "Back-Channel Logout 1.0, 2.6 step 4",
		advice: "Refuse tokens whose exp has passed, with a minute or two of grace for clocks.", build: shifted("exp", -3600, "iat"),
	},
	{
		name: "no-exp", sent: "no exp", section: "Back-Channel Logout 1.0, 2.4", lenient: true,
		advice: "Require exp: a token without it could be replayed for ever.", build: without("exp"),
	},
	{
		name: "future", sent: "iat in an hour", section: "Back-Channel Logout 1.0, 2.6 step 4", lenient: true,
		advice: "Refuse tokens from the future, with a minute or two of grace for clocks.", build: shifted("iat", 3600),
	},
	{
		name: "no-iat", sent: "no iat", section: "Back-Channel Logout 1.0, 2.4", lenient: true,
		advice: "Require iat: it is how a logout is told from a later login.", build: without("iat"),
	},
	{
		name: "no-jti", sent: "no jti", section: "Back-Channel Logout 1.0, 2.4", lenient: true,
		advice: "Require jti: without it a replay cannot be recognised.", build: without("jti"),
	},
	{
		name: "no-sub-sid", sent: "neither sub nor sid", section: "Back-Channel Logout 1.0, 2.6 step 5",
		advice: "Require sub or sid. Make sure that an absent sid does not match sessions that have none.", build: without("sub", "sid"),
	},
	{
		name: "wrong-typ", sent: "typ at+jwt, that of an access token", section: "RFC 8725, 3.11; Back-Channel Logout 1.0, 2.4", lenient: true,
		advice: "If typ is there, require logout+jwt.", build: typed("at+jwt", func(object) {}),
	},
	{
		name: "no-jwt", sent: "what is no JWT", section: "Back-Channel Logout 1.0, 2.8", unsigned: true,
		advice: "Answer 400 to what cannot be parsed.", build: literal(http.MethodPost, formType, "logout_token=x.y.z"),
	},
	{
		name: "no-token", sent: "a form without logout_token", section: "Back-Channel Logout 1.0, 2.8", unsigned: true,
		advice: "Answer 400 if the parameter is missing.", build: literal(http.MethodPost, formType, "trace=7"),
	},
	{
		name: "empty", sent: "an empty body", section: "Back-Channel Logout 1.0, 2.8", unsigned: true,
		advice: "Answer 400 if there is no body.", build: literal(http.MethodPost, formType, ""),
	},
	{
		name: "json", sent: "JSON instead of a form", section: "Back-Channel Logout 1.0, 2.5", also: []int{http.StatusUnsupportedMediaType},
		advice: "Read form-encoded bodies only.",
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			token, err := b.sign(ctx, b.cfg.Algorithm, "logout+jwt", b.claims())
			return &attempt{method: http.MethodPost, contentType: "application/json", body: `{"logout_token":"` + token + `"}`}, err
		},
	},
	{
		name: "query", sent: "a good token in the address, not in the body", section: "Back-Channel Logout 1.0, 2.5", lenient: true,
		advice: "Read the token from the body alone: addresses end up in logs.",
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			token, err := b.sign(ctx, b.cfg.Algorithm, "logout+jwt", b.claims())
			return &attempt{method: http.MethodPost, contentType: formType, query: url.Values{"logout_token": {token}}.Encode()}, err
		},
	},
	{
		name: "get", sent: "GET", section: "Back-Channel Logout 1.0, 2.5", also: []int{http.StatusMethodNotAllowed, http.StatusNotFound},
		advice: "Accept POST alone. A GET can be caused by any page that a browser shows.",
		build: func(ctx context.Context, b *bench) (*attempt, error) {
			token, err := b.sign(ctx, b.cfg.Algorithm, "logout+jwt", b.claims())
			return &attempt{method: http.MethodGet, query: url.Values{"logout_token": {token}}.Encode()}, err
		},
	},
	{
		name: "huge", sent: "a body of 2 MiB", section: "robustness", unsigned: true,
		also:   []int{http.StatusRequestEntityTooLarge, http.StatusRequestHeaderFieldsTooLarge, connectionClosed},
		advice: "Limit what you read: a logout token has less than 4 KiB.",
		build:  literal(http.MethodPost, formType, "logout_token="+strings.Repeat("x", 2<<20)),
	},
}

func strangely(kid func(*bench) string) func(context.Context, *bench) (*attempt, error) {
	return func(_ context.Context, b *bench) (*attempt, error) {
		payload, err := jsonOf(b.claims())
		if err != nil {
			return nil, err
		}
		token, err := b.strange(b.cfg.Algorithm, "logout+jwt", kid(b), payload)
		return post(token), err
	}
}
