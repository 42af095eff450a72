package rp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// BearerConfig says which access tokens an API accepts.
type BearerConfig struct {
	// Scopes must all have been granted. Defaults to none.
	Scopes []string
	// Audience must be in the token's aud. Defaults to none, which is right only
	// for a provider that shows this client its own tokens alone.
	Audience string
	// CacheFor is for how long the provider is not asked again about a token that
	// it called active, and with it the longest time for which a token revoked
	// by itself is still accepted. Defaults to thirty seconds.
	CacheFor time.Duration
	// Limit is the greatest number of tokens remembered. Defaults to 100,000.
	Limit int
}

// Bearer is the guard of an API that takes access tokens (RFC 6750). It asks
// the provider about each token by introspection (RFC 7662) and remembers the
// answer for a short while. A token whose session has ended is refused at
// once, by what the kit was told, without asking: by the answer's sid or, if
// the provider names none, by sub and iat.
type Bearer struct {
	kit *Kit
	cfg BearerConfig

	mu    sync.Mutex
	known *expiring[*introspection]
}

// introspection is what the provider said about a token that is active.
type introspection struct {
	login    Login
	scopes   []string
	audience []string
	until    time.Time
	claims   map[string]any
}

// Bearer returns a guard with the kit's client, store and knowledge of logouts.
func (k *Kit) Bearer(cfg BearerConfig) *Bearer {
	cfg.CacheFor = orDefault(cfg.CacheFor, 30*time.Second)
	return &Bearer{kit: k, cfg: cfg, known: newExpiring[*introspection](cfg.Limit, k.cfg.Now)}
}

// Middleware lets requests with a good access token pass, and puts whom it
// stands for into the request's context, see [UserFrom]. All others are
// answered 401, 403 or, if nothing can be known, 503.
func (b *Bearer) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// 1. One token, in the header (RFC 6750, 2.1): elsewhere it would be logged.
		token, ok := bearerToken(r)
		if !ok {
			b.refuse(w, http.StatusUnauthorized, "")
			return
		}

		// 2. What the provider says of it.
		answer, err := b.ask(r.Context(), token)
		if err != nil {
			b.unavailable(w, r, err)
			return
		}
		if answer == nil {
			b.refuse(w, http.StatusUnauthorized, `error="invalid_token"`)
			return
		}

		// 3. Whether its session has ended since.
		ended, err := b.kit.endings.ended(r.Context(), answer.login)
		if err != nil {
			b.unavailable(w, r, err)
			return
		}
		if ended || b.cfg.Audience != "" && !slices.Contains(answer.audience, b.cfg.Audience) {
			b.refuse(w, http.StatusUnauthorized, `error="invalid_token"`)
			return
		}

		// 4. What it allows (3.1).
		for _, scope := range b.cfg.Scopes {
			if !slices.Contains(answer.scopes, scope) {
				b.refuse(w, http.StatusForbidden, `error="insufficient_scope", scope="`+strings.Join(b.cfg.Scopes, " ")+`"`)
				return
			}
		}
		user := &User{
			Issuer: answer.login.Issuer, Subject: answer.login.Subject, SID: answer.login.SID, LoggedInAt: answer.login.IssuedAt,
			Until: answer.until, Claims: answer.claims, AccessToken: token, AccessTokenUntil: answer.until,
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
}

func bearerToken(r *http.Request) (string, bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= maxTokenBytes
}

func (b *Bearer) refuse(w http.ResponseWriter, status int, challenge string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("WWW-Authenticate", strings.TrimSpace("Bearer "+challenge))
	http.Error(w, http.StatusText(status), status)
}

func (b *Bearer) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	b.kit.cfg.Logger.ErrorContext(r.Context(), "rp: an access token could not be judged", "error", err)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
}

// ask returns what is known of a token, nil if it is not active.
func (b *Bearer) ask(ctx context.Context, token string) (*introspection, error) {
	key := storeKey("token", token) // not the token itself: memory is dumped too
	b.mu.Lock()
	answer, found := b.known.get(key)
	b.mu.Unlock()
	if found {
		return answer, nil
	}
	answer, err := b.introspect(ctx, token)
	if err != nil || answer == nil {
		return nil, err
	}
	until := b.kit.cfg.Now().Add(b.cfg.CacheFor)
	if answer.until.Before(until) {
		until = answer.until
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.known.put(key, until, answer)
	return answer, nil
}

// introspect asks the provider (RFC 7662, 2).
func (b *Bearer) introspect(ctx context.Context, token string) (*introspection, error) {
	document, err := b.kit.discovery.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if document.IntrospectionEndpoint == "" {
		return nil, errors.New("rp: the provider publishes no introspection_endpoint")
	}
	req, err := b.kit.authenticated(ctx, document, document.IntrospectionEndpoint, url.Values{"token": {token}, "token_type_hint": {"access_token"}})
	if err != nil {
		return nil, err
	}
	var claims claimSet
	if err := doJSON(b.kit.client, req, &claims); err != nil {
		return nil, err
	}
	return b.read(claims), nil
}

// read returns an answer's contents, nil unless it says that the token is
// active, of this provider and has not expired.
func (b *Bearer) read(claims claimSet) *introspection {
	now := b.kit.cfg.Now()
	answer := &introspection{login: Login{Issuer: b.kit.cfg.Issuer}, audience: claims.texts("aud"), until: now.Add(b.cfg.CacheFor), claims: claims.values()}
	if active, _ := answer.claims["active"].(bool); !active {
		return nil
	}
	if iss, present := claims.text("iss"); present && iss != b.kit.cfg.Issuer {
		return nil
	}
	if until, present := claims.time("exp"); present {
		if !now.Before(until) {
			return nil
		}
		answer.until = until
	}
	answer.login.Subject, _ = claims.text("sub")
	answer.login.SID, _ = claims.text("sid")
	// Without iat nobody can say whether it was issued before a logout: any counts.
	answer.login.IssuedAt, _ = claims.time("iat")
	scope, _ := claims.text("scope")
	answer.scopes = strings.Fields(scope)
	return answer
}
