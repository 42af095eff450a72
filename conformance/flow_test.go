package conformance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// values makes parameters of pairs of name and value.
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// request is an authorization request of a client; pairs of parameters change it, an empty value takes one away.
func request(client string, pairs ...string) url.Values {
	v := values("client_id", client, "redirect_uri", callback(client), "response_type", "code", "scope", "openid profile",
		"state", "s", "nonce", "n-"+client, "code_challenge", challenge(), "code_challenge_method", "S256")
	for i := 0; i < len(pairs); i += 2 {
		if v.Del(pairs[i]); pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

// twice repeats a parameter.
func twice(v url.Values, name string) url.Values {
	v.Add(name, v.Get(name))
	return v
}

// tokens is a token response.
type tokens struct {
	access, refresh, id, scope string
	expires                    float64
}

func (a answer) tokens() tokens {
	a.t.Helper()
	m := a.want(http.StatusOK).json()
	text := func(name string) string { s, _ := m[name].(string); return s }
	expires, _ := m["expires_in"].(float64)
	return tokens{text("access_token"), text("refresh_token"), text("id_token"), text("scope"), expires}
}

// signOn runs a whole code flow of a client in a session that lives.
func (a *agent) signOn(client string, pairs ...string) tokens {
	a.Helper()
	return a.exchange(client, a.get("/authorize", request(client, pairs...)).code()).tokens()
}

// firstSignOn logs in on the way.
func (a *agent) firstSignOn(client, username string, pairs ...string) tokens {
	a.Helper()
	return a.exchange(client, a.logIn(a.get("/authorize", request(client, pairs...)), username).code()).tokens()
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// asAt authenticates a client by its registered method.
func (w *world) asAt(path, client string, form url.Values) answer {
	w.Helper()
	switch client {
	case "app", "phone":
		form.Set("client_id", client)
	case "mail":
		form.Set("client_id", client)
		form.Set("client_secret", secret)
	default:
		return w.program().with("Authorization", basic(client, secret)).post(path, form)
	}
	return w.program().post(path, form)
}

func codeForm(client, code string, pairs ...string) url.Values {
	v := values("grant_type", "authorization_code", "code", code, "redirect_uri", callback(client), "code_verifier", verifier)
	for i := 0; i < len(pairs); i += 2 {
		if v.Del(pairs[i]); pairs[i+1] != "" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func (w *world) exchange(client, code string, pairs ...string) answer {
	w.Helper()
	return w.asAt("/token", client, codeForm(client, code, pairs...))
}

func (w *world) refresh(client, token string, pairs ...string) answer {
	w.Helper()
	return w.asAt("/token", client, values(append(pairs, "grant_type", "refresh_token", "refresh_token", token)...))
}

// active introspects a token.
func (w *world) active(client, token string) bool {
	w.Helper()
	return w.asAt("/introspect", client, values("token", token)).want(http.StatusOK).json()["active"] == true
}

func (w *world) userinfo(token string) answer {
	w.Helper()
	return w.program().with("Authorization", "Bearer "+token).get("/userinfo", nil)
}

// jwt is a compact JWS, read without verifying it.
type jwt struct {
	header, claims map[string]any
	parts          []string
}

func readJWT(token string) jwt {
	j := jwt{parts: strings.Split(token, ".")}
	if len(j.parts) != 3 {
		return j
	}
	for i, into := range []*map[string]any{&j.header, &j.claims} {
		if raw, err := base64.RawURLEncoding.DecodeString(j.parts[i]); err == nil {
			_ = json.Unmarshal(raw, into) // what cannot be read has no claims, and the test sees that
		}
	}
	return j
}

func sidOf(idToken string) string {
	sid, _ := readJWT(idToken).claims["sid"].(string)
	return sid
}
