package protocol

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Whatever a browser sends to /authorize: nobody is redirected to an address that is not registered, and what is accepted keeps the rules.
func FuzzAuthorizeRequest(f *testing.F) {
	store := newFakeStore()
	base := "client_id=shop&redirect_uri=https%3A%2F%2Fshop.example.com%2Fcb&response_type=code&scope=openid"
	f.Add(base + "&state=x&nonce=y&max_age=1&prompt=login+consent&ui_locales=de+en")
	f.Add(strings.Replace(base, "shop&", "app&", 1) + "&code_challenge=" + strings.Repeat("A", 43) + "&code_challenge_method=S256")
	f.Add(base + "&max_age=-1&display=x&claims=%7B%7D&prompt.0=x&scope=profile")
	f.Add("client_id=shop;redirect_uri=%zz")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p, repeated := pick(values, authorizeParameters)
		to, err := findTarget(t.Context(), store, p)
		if err != nil {
			var page *browser.Error
			if !errors.As(err, &page) || page.Status != http.StatusBadRequest {
				t.Fatalf("no page: %v", err)
			}
			return
		}
		if !slices.Contains(to.Client.RedirectURIs, to.RedirectURI) {
			t.Fatalf("would redirect to %q", to.RedirectURI)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/authorize", nil)
		request, refusal := to.validate(r, p, repeated)
		if refusal != nil {
			if refusal.ErrorType == oidc.ServerError {
				t.Errorf("a fault of ours: %v", refusal)
			}
			return
		}
		switch {
		case request.ResponseType != "code", len(request.Scopes) == 0, request.State != values.Get("state"), request.Nonce != values.Get("nonce"):
			t.Errorf("accepted %+v", request)
		case to.Client.Public() && request.CodeChallenge == "", request.CodeChallenge != "" && request.CodeChallengeMethod != "S256":
			t.Errorf("accepted without PKCE: %+v", request)
		case request.MaxAge != nil && *request.MaxAge < 0:
			t.Errorf("max_age %d", *request.MaxAge)
		}
		for _, scope := range request.Scopes {
			if !to.Client.MayAsk(scope) {
				t.Errorf("scope %q", scope)
			}
		}
	})
}

// Whatever a browser sends to /end_session: nobody is redirected to an address that is not registered for the client that vouches.
func FuzzEndSessionRequest(f *testing.F) {
	h, keys := newEndSession(f)
	hint := keys.sign(f, "JWT", idTokenClaims(nil))
	f.Add("id_token_hint=" + hint + "&post_logout_redirect_uri=https%3A%2F%2Fshop.example.com%2Fbye&state=x")
	f.Add("client_id=app&post_logout_redirect_uri=https%3A%2F%2Fshop.example.com%2Fbye")
	f.Add("state=x&logout_hint=alice&ui_locales=de")
	f.Add("id_token_hint=" + hint + "&client_id=app")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		request, err := h.validate(t.Context(), values)
		if err != nil {
			var page *browser.Error
			if !errors.As(err, &page) || page.Status != http.StatusBadRequest {
				t.Fatalf("no page: %v", err)
			}
			return
		}
		if uri := request.next.RedirectURI; uri != "" && (request.client == nil || !request.client.PostLogoutRegistered(uri)) {
			t.Errorf("would redirect to %q", uri)
		}
		if values.Get("id_token_hint") != "" && (request.hint == nil || request.client.ID != request.hint.ClientID) {
			t.Errorf("a hint that vouches for nobody: %+v", request)
		}
		if request.next.State != values.Get("state") {
			t.Errorf("state %q", request.next.State)
		}
	})
}

// Whatever stands in an Authorization header, nobody is two clients at once.
func FuzzClientCredentials(f *testing.F) {
	f.Add("Basic c2hvcDpzZWNyZXQ=", "", "")
	f.Add("basic c2hvcA==", "shop", "secret")
	f.Add("Bearer x", "shop", "")
	f.Add("", "app", "")
	f.Fuzz(func(t *testing.T, header, id, secret string) {
		p := parameters{}
		if id != "" {
			p["client_id"] = id
		}
		if secret != "" {
			p["client_secret"] = secret
		}
		got, err := present(header, p)
		if err != nil {
			var refusal *oidc.Error
			if !errors.As(err, &refusal) {
				t.Fatalf("no refusal: %v", err)
			}
			return
		}
		if got.id == "" || id != "" && got.id != id || got.method == identity.AuthBasic && secret != "" || got.method != identity.AuthBasic && header != "" {
			t.Errorf("%q, %q, %q: %+v", header, id, secret, got)
		}
	})
}

func TestNavigation(t *testing.T) {
	const chrome = "Mozilla/5.0 (X11; Linux x86_64)"
	tests := map[string]struct {
		headers    map[string]string
		navigation bool
		status     int // of topLevel; 0: passes
	}{
		"page load":         {map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true, 0},
		"old browser":       {map[string]string{"User-Agent": chrome, "Accept": "text/html,*/*"}, true, 0},
		"server":            {map[string]string{"User-Agent": "Go-http-client/1.1"}, false, 0},
		"server, any type":  {map[string]string{"User-Agent": "Java/21", "Accept": "text/html, image/gif, */*; q=.2"}, false, 0},
		"image":             {map[string]string{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, false, 403},
		"frame":             {map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, true, 403},
		"script":            {map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "User-Agent": chrome}, false, 403},
		"prefetch":          {map[string]string{"Sec-Purpose": "prefetch", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}, true, 503},
		"prerender":         {map[string]string{"Sec-Purpose": "prefetch;prerender"}, false, 503},
		"prefetch, Firefox": {map[string]string{"X-Moz": "prefetch"}, false, 503},
		"prefetch as image": {map[string]string{"Purpose": "prefetch", "Sec-Fetch-Dest": "image"}, false, 503},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/logout", nil)
			for header, value := range test.headers {
				r.Header.Set(header, value)
			}
			if got := navigation(r); got != test.navigation {
				t.Errorf("navigation %v", got)
			}
			status := 0
			var page *browser.Error
			if errors.As(topLevel(r), &page) {
				status = page.Status
			}
			if status != test.status {
				t.Errorf("status %d, want %d", status, test.status)
			}
		})
	}
}
