package driver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Agent is a person's browser, without a screen: it keeps cookies and fills in the login form.
type Agent struct {
	issuer string
	http   *http.Client
}

// Tokens is what a code exchange or refresh gave.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	ExpiresIn    int    `json:"expires_in"`
}

// NewTransport returns a transport that many agents can share, so that connections are reused as by a load balancer.
func NewTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute}
}

// NewAgent returns a browser without cookies.
func NewAgent(issuer string, transport http.RoundTripper) *Agent {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cookiejar.New fails for no options
	}
	return &Agent{issuer: issuer, http: &http.Client{
		Transport: transport, Jar: jar, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Login opens the login page, sends the form and checks that the provider lets the person in.
func (a *Agent) Login(ctx context.Context, username string) error {
	_, page, err := a.do(ctx, http.MethodGet, a.issuer+"/login", nil)
	if err != nil {
		return err
	}
	form := hiddenFields(page)
	form.Set("username", username)
	form.Set("password", Password)
	res, body, err := a.do(ctx, http.MethodPost, a.issuer+"/login", form)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusSeeOther && res.StatusCode != http.StatusFound {
		return fmt.Errorf("driver: login of %s: %s: %s", username, res.Status, excerpt(body))
	}
	return nil
}

// Code asks for an authorization code; the person must be logged in. It returns the code and its PKCE verifier.
func (a *Agent) Code(ctx context.Context, c Client, scope string) (code, verifier string, err error) {
	verifier = random()
	sum := sha256.Sum256([]byte(verifier))
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.RedirectURI}, "scope": {scope}, "state": {random()}, "nonce": {random()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	res, body, err := a.do(ctx, http.MethodGet, a.issuer+"/authorize?"+query.Encode(), nil)
	if err != nil {
		return "", "", err
	}
	back, err := res.Location()
	if err != nil || back.Query().Get("code") == "" || back.Query().Get("state") != query.Get("state") {
		return "", "", fmt.Errorf("driver: authorize for %s: %s, location %q: %s", c.ID, res.Status, res.Header.Get("Location"), excerpt(body))
	}
	return back.Query().Get("code"), verifier, nil
}

// Exchange redeems a code, as the relying party's server does. The status tells a refusal from success; err is for everything else.
func (a *Agent) Exchange(ctx context.Context, c Client, code, verifier string) (Tokens, int, error) {
	return a.token(ctx, c, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.RedirectURI}, "code_verifier": {verifier}})
}

// Refresh rotates a refresh token.
func (a *Agent) Refresh(ctx context.Context, c Client, refreshToken string) (Tokens, int, error) {
	return a.token(ctx, c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
}

func (a *Agent) token(ctx context.Context, c Client, form url.Values) (Tokens, int, error) {
	var tokens Tokens
	status, err := a.Call(ctx, c, "/token", form, &tokens)
	return tokens, status, err
}

// Call posts a form to an endpoint with the client's authentication and decodes a JSON answer of status 200.
func (a *Agent) Call(ctx context.Context, c Client, path string, form url.Values, answer any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	res, err := (&http.Client{Transport: a.http.Transport, Timeout: time.Minute}).Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, err
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return res.StatusCode, fmt.Errorf("driver: %s: %s: %s", path, res.Status, excerpt(body))
	}
	if res.StatusCode == http.StatusOK && answer != nil {
		return res.StatusCode, json.Unmarshal(body, answer)
	}
	return res.StatusCode, nil
}

// Active reports what introspection says of a token.
func (a *Agent) Active(ctx context.Context, c Client, token string) (bool, error) {
	var answer struct {
		Active bool `json:"active"`
	}
	status, err := a.Call(ctx, c, "/introspect", url.Values{"token": {token}}, &answer)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("driver: introspection answered %d", status)
	}
	return answer.Active, err
}

// SignOn runs a whole code flow in the session of the person.
func (a *Agent) SignOn(ctx context.Context, c Client, scope string) (Tokens, error) {
	code, verifier, err := a.Code(ctx, c, scope)
	if err != nil {
		return Tokens{}, err
	}
	tokens, status, err := a.Exchange(ctx, c, code, verifier)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("driver: exchange for %s answered %d", c.ID, status)
	}
	return tokens, err
}

// Logout goes to the redirect logout, as a link in the client's page does.
func (a *Agent) Logout(ctx context.Context, c Client) error {
	query := url.Values{"client_id": {c.ID}, "redirect_uri": {c.RedirectURI}}
	res, body, err := a.do(ctx, http.MethodGet, a.issuer+"/logout?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if res.Header.Get("Location") != c.RedirectURI {
		return fmt.Errorf("driver: logout: %s, location %q: %s", res.Status, res.Header.Get("Location"), excerpt(body))
	}
	return nil
}

// do sends a navigation and reads its answer.
func (a *Agent) do(ctx context.Context, method, target string, form url.Values) (*http.Response, []byte, error) {
	var content io.Reader
	if form != nil {
		content = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-Site", "none")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", a.issuer)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// hiddenFields returns the hidden inputs of a page's forms.
func hiddenFields(page []byte) url.Values {
	fields := make(url.Values)
	for tokens := html.NewTokenizer(strings.NewReader(string(page))); ; {
		switch tokens.Next() {
		case html.ErrorToken:
			return fields
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			if token.Data != "input" {
				continue
			}
			attr := make(map[string]string)
			for _, a := range token.Attr {
				attr[a.Key] = a.Val
			}
			if attr["type"] == "hidden" {
				fields.Set(attr["name"], attr["value"])
			}
		}
	}
}

func random() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func excerpt(body []byte) string { return string(body[:min(len(body), 300)]) }
