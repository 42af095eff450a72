package main

import (
	"bufio"
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// serve starts a provider with one native client and returns its issuer.
func serve(t *testing.T) string {
	t.Helper()
	var p *provider.Provider
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	issuer := "http://" + server.Listener.Addr().String()
	outgoing, err := logout.NewOutgoing(logout.OutgoingConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p, err = provider.New(t.Context(), provider.Config{
		Issuer: issuer, DB: databasetest.Open(t, databasetest.SQLiteURL(t)), Secrets: [][32]byte{{1}}, Algorithms: []string{"RS256"}, Outgoing: outgoing,
		Tokens:   protocol.Lifetimes{Code: time.Minute, Access: time.Minute, ID: time.Minute, Refresh: time.Hour},
		Sessions: signout.Lifetimes{Idle: time.Hour}, Password: identity.PasswordParams{MemoryKiB: 8, Iterations: 1, Parallelism: 1},
		Users: []provider.User{{Username: "alice", Password: "wonderland", Claims: map[string]any{"name": "Alice Doe"}}},
		Clients: []identity.Client{{
			ID: "native", Name: "Native", ApplicationType: "native", TokenEndpointAuthMethod: identity.AuthNone, Idle: identity.IdleNone, SkipConsent: true,
			GrantTypes: []string{identity.GrantAuthorizationCode, identity.GrantRefreshToken}, ResponseTypes: []string{"code"}, Scope: "openid profile",
			RedirectURIs: []string{"http://127.0.0.1/callback"}, IDTokenSigningAlg: "RS256",
		}},
	})
	if err == nil {
		err = p.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		server.Close()
		_ = p.Stop(context.Background()) // the test is over
	})
	return issuer
}

// person has a browser, in which they are logged in once they have been.
type person struct {
	*testing.T
	client http.Client
}

func (p *person) get(address string) string {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		p.Fatal(err)
	}
	return p.do(req)
}

// do returns the page at which the browser arrives.
func (p *person) do(req *http.Request) string {
	p.Helper()
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := p.client.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		p.Fatalf("%s: %s, %v\n%s", req.URL, res.Status, err, page)
	}
	return string(page)
}

var (
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
	action = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
)

// signIn goes to an address and logs in where that is asked for.
func (p *person) signIn(address string) string {
	p.Helper()
	page := p.get(address)
	if !strings.Contains(page, `name="password"`) {
		return page
	}
	form := url.Values{"username": {"alice"}, "password": {"wonderland"}}
	for _, field := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	base, err := url.Parse(address)
	if err != nil {
		p.Fatal(err)
	}
	to, err := base.Parse(html.UnescapeString(action.FindStringSubmatch(page)[1]))
	if err != nil {
		p.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.Context(), http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req)
}

// begin runs the application until it greets the person, and returns what it says afterwards, line by line, and how to press Enter.
func (p *person) begin(a *app) (lines *bufio.Scanner, enter io.WriteCloser, done <-chan error) {
	p.Helper()
	in, enter := io.Pipe()
	read, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := a.run(p.Context(), in, out)
		_ = out.Close()
		ended <- err
	}()
	p.Cleanup(func() { _ = enter.Close(); _ = read.Close() })
	lines = bufio.NewScanner(read)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "http") { //nolint:revive // the address stands in a line of its own
	}
	if page := p.signIn(lines.Text()); !strings.Contains(page, "go back to the application") {
		p.Fatal(page)
	}
	if !lines.Scan() || lines.Text() != "Hello Alice Doe. Press Enter to sign out." {
		p.Fatalf("it says %q", lines.Text())
	}
	return lines, enter, ended
}

// One login, and both ways out of it: the application's own, which leaves the browser's session alone, and the end of that session.
func TestNative(t *testing.T) {
	t.Parallel()
	issuer := serve(t)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	alice := &person{T: t, client: http.Client{Jar: jar}}

	a := &app{issuer: issuer, clientID: "native", every: time.Hour}
	lines, enter, done := alice.begin(a)
	if err := a.check(t.Context()); err != nil {
		t.Errorf("signed in: %v", err)
	}
	refresh := a.tokens.RefreshToken
	if _, err := io.WriteString(enter, "\n"); err != nil {
		t.Fatal(err)
	}
	if !lines.Scan() || lines.Text() != "You are signed out." {
		t.Errorf("it says %q", lines.Text())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	var refused *oauth2.RetrieveError
	if _, err := a.oauth.TokenSource(t.Context(), &oauth2.Token{RefreshToken: refresh}).Token(); !errors.As(err, &refused) || refused.ErrorCode != "invalid_grant" {
		t.Errorf("after the logout its refresh token is answered %v", err)
	}

	// The browser is still signed in: nobody asks for the password. Then its session ends.
	b := &app{issuer: issuer, clientID: "native", every: 20 * time.Millisecond}
	lines, _, done = alice.begin(b)
	if !strings.Contains(alice.get(issuer+"/logout?client_id=native"), "logged out") {
		t.Error("the browser is not logged out")
	}
	if !lines.Scan() || lines.Text() != "You were signed out elsewhere." {
		t.Errorf("it says %q", lines.Text())
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What somebody else on the machine sends to the port is no answer.
func TestAnswerIsOurs(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"state=right&iss=https://id.example.com&code=c": "", "state=right&iss=https://evil.example&code=c": "comes from", "state=right&iss=https://id.example.com&error=access_denied": "access_denied",
	} {
		server := httptest.NewUnstartedServer(nil)
		a := &app{issuer: "https://id.example.com"}
		done := make(chan error, 1)
		go func() {
			_, err := a.answer(t.Context(), server.Listener, "right")
			done <- err
		}()
		address := "http://" + server.Listener.Addr().String()
		p := &person{T: t}
		for _, other := range []string{"/", "/callback?state=wrong&code=c", "/callback"} {
			if status := p.status(address + other); status != http.StatusNotFound {
				t.Errorf("%s: %d", other, status)
			}
		}
		p.get(address + "/callback?" + query)
		if err := <-done; (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", query, err, want)
		}
	}
}

func (p *person) status(address string) int {
	p.Helper()
	req, err := http.NewRequestWithContext(p.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		p.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
