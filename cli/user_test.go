package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/cli"
	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
	"github.com/exeunt-id/exeunt/provider/store"
)

// site is a running provider with two apps that listen for logout tokens, and a look into its database.
type site struct {
	*testing.T
	file  string
	node  *process
	db    *database.DB
	store *logoutstore.Store
	rps   map[string]*logouttest.RP
}

const siteFile = `issuer: http://localhost:8080
listen: "127.0.0.1:0"
database: %q
passwords: {memory: 64KiB, iterations: 1}
users: [{username: fixed, password: stone}]
clients:
  - {client_id: shop, client_secret: a-secret-that-is-long-enough-for-this, redirect_uris: [http://localhost/shop], backchannel_logout_uri: %q}
  - {client_id: wiki, client_secret: a-secret-that-is-long-enough-for-that, redirect_uris: [http://localhost/wiki], backchannel_logout_uri: %q}
`

func newSite(t *testing.T, url string) *site {
	t.Helper()
	s := &site{T: t, rps: map[string]*logouttest.RP{"shop": logouttest.NewRP(t, "shop"), "wiki": logouttest.NewRP(t, "wiki")}}
	s.file = write(t, "exeunt.yaml", fmt.Sprintf(siteFile, url, s.rps["shop"].URL, s.rps["wiki"].URL))
	s.node = start(t, "serve", "--config", s.file)
	s.node.ready(t)
	s.db = databasetest.Open(t, url)
	s.store = logoutstore.New(s.db)
	return s
}

// run runs a command on the site, with a standard input.
func (s *site) run(stdin string, args ...string) result {
	s.Helper()
	var stdout, stderr bytes.Buffer
	code := cli.Run(s.Context(), append(args, "--config", s.file), cli.Env{Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	return result{code, stdout.String(), stderr.String()}
}

// login starts a session in which apps take part, and gives each an offline grant.
func (s *site) login(subject string, clients ...string) (session string, grants []string) {
	s.Helper()
	ctx, now := s.Context(), time.Now().UTC()
	session = logout.NewID()
	must(s.T, s.store.Start(ctx, logout.Session{
		ID: session, Subject: subject, SecretHash: []byte(session), AuthTime: now, CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
		Address: "192.0.2.7", UserAgent: "Firefox",
	}))
	for _, client := range clients {
		part, err := s.store.Join(ctx, session, client, subject, now)
		must(s.T, err)
		grants = append(grants, s.grant(subject, client, session, part.SID))
	}
	return session, grants
}

// grant stores an offline grant with one token, which is its id.
func (s *site) grant(subject, client, session, sid string) string {
	s.Helper()
	now := time.Now().UTC()
	g := identity.Grant{ID: logout.NewID(), ClientID: client, Subject: subject, SessionID: session, SID: sid, Offline: true, AuthTime: now, CreatedAt: now}
	must(s.T, s.grants().Create(s.Context(), g, identity.Token{
		Hash: []byte(g.ID), Kind: identity.KindRefresh, GrantID: g.ID, ClientID: client, IssuedAt: now, ExpiresAt: now.Add(time.Hour),
	}))
	return g.ID
}

// clients opens webhook secrets as the provider does.
func (s *site) clients() *store.Store {
	s.Helper()
	all := store.New(s.db, time.Now)
	vault, err := signing.NewVault([][32]byte{config.DevelopmentSecret()})
	must(s.T, err)
	all.Clients.Vault = vault
	return all
}

func (s *site) grants() *store.Grants { return store.New(s.db, time.Now).Grants }

func (s *site) alive(grant string) bool {
	s.Helper()
	state, err := s.grants().Token(s.Context(), []byte(grant))
	must(s.T, err)
	return state.Grant.RevokedAt.IsZero()
}

// ended reports whether a session has.
func (s *site) ended(session string) bool {
	s.Helper()
	found, err := s.store.Find(s.Context(), session)
	must(s.T, err)
	return !found.EndedAt.IsZero()
}

// told waits until an app has been told of so many logouts in all.
func (s *site) told(client string, n int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	for len(s.rps[client].Acknowledged()) < n {
		select {
		case <-ctx.Done():
			s.Fatalf("%s was told of %d logouts, not %d: %s", client, len(s.rps[client].Acknowledged()), n, s.node.stderr)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// cause returns why a session ended.
func (s *site) cause(session string) string {
	s.Helper()
	deliveries, err := s.store.List(s.Context(), logout.Filter{})
	must(s.T, err)
	for _, d := range deliveries {
		if d.SessionID == session {
			return string(d.Cause)
		}
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// subject returns the id of a user.
func (s *site) subject(name string) string {
	s.Helper()
	r := s.run("", "user", "show", name, "--json")
	var u struct{ Sub string }
	if err := json.Unmarshal([]byte(r.stdout), &u); err != nil || u.Sub == "" {
		s.Fatalf("%v: %s%s", err, r.stdout, r.stderr)
	}
	return u.Sub
}

// consents revokes one of two.
func (s *site) consents() {
	s.Helper()
	t, fixed := s.T, s.subject("fixed")
	s.run("", "user", "consents", "fixed").check(t, 0, []string{"fixed has allowed no app anything"}, nil)
	s.run("", "user", "revoke-consent", "fixed", "shop").check(t, 1, nil, []string{"fixed has allowed shop nothing", "exeunt user consents"})
	s.run("", "user", "revoke-consent", "fixed").check(t, 2, nil, []string{"name one user"})
	consents := store.New(s.db, time.Now).Consents
	for _, client := range []string{"shop", "wiki"} {
		must(t, consents.Agree(s.Context(), identity.Consent{Subject: fixed, ClientID: client, Scopes: []string{"profile", "email"}, GrantedAt: time.Now()}))
	}
	session, grants := s.login(fixed, "shop", "wiki")
	s.run("", "user", "consents", "fixed").check(t, 0, []string{"CLIENT", "shop ", "email profile"}, nil)
	before := len(s.rps["shop"].Acknowledged())
	s.run("", "user", "revoke-consent", "fixed", "shop").check(t, 0, []string{"fixed allows shop nothing any more. It left 1 session, 1 delivery to make"}, nil)
	s.told("shop", before+1)
	if s.ended(session) || s.alive(grants[0]) || !s.alive(grants[1]) || s.cause(session) != "consent_revoked" {
		t.Errorf("session ended %t, shop's grant alive %t, wiki's %t, cause %s", s.ended(session), s.alive(grants[0]), s.alive(grants[1]), s.cause(session))
	}
	if r := s.run("", "user", "consents", "fixed", "--json"); strings.Contains(r.stdout, "shop") || !strings.Contains(r.stdout, `"client_id":"wiki","scopes":["email","profile"]`) {
		t.Errorf("consents afterwards: %s", r.stdout)
	}
}

func TestUser(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		s.run("wonderland\n", "user", "create", "alice", "--password-stdin", "--email", "alice@example.com", "--claims", `{"name": "Alice Doe"}`).
			check(t, 0, []string{"alice is created, with the subject "}, nil)
		s.run("x\n", "user", "create", "alice", "--password-stdin").check(t, 1, nil, []string{"there is a user alice already"})
		s.run("", "user", "create", "bob", "--password-stdin").check(t, 1, nil, []string{"the password is empty"})
		s.run("x", "user", "create", "bob").check(t, 2, nil, []string{"--password-stdin"})
		s.run("hunter2", "user", "create", " bob", "--password-stdin", "--email", "nobody", "--claims", `{"sub": "x"}`).
			check(t, 1, nil, []string{"the user is not created\n  username: \" bob\" is not a username", "\n  email: ", "\n  claims.sub: "})
		s.run("", "user", "list").check(t, 0, []string{"USERNAME", "alice ", "alice@example.com", "fixed ", "enabled"}, nil)
		s.run("", "user", "show", "alice").check(t, 0, []string{"alice@example.com", `{"name":"Alice Doe"}`}, nil)
		s.run("", "user", "show", "nobody").check(t, 1, nil, []string{"there is no user nobody", "exeunt user list"})
		alice := s.subject("alice")
		s.run("", "user", "show", alice).check(t, 0, []string{"alice@example.com"}, nil)
		s.run("", "user", "disable", "alice").check(t, 0, []string{"alice is disabled. No session was live."}, nil)
		s.run("", "user", "enable", "alice").check(t, 0, []string{"alice may log in again"}, nil)
		s.run("", "user", "enable", "alice").check(t, 0, []string{"alice was not disabled"}, nil)

		for i, test := range []struct {
			args, stdin, says, cause string
		}{
			{"disable", "", "is disabled. 1 session ended, 3 deliveries to make: exeunt delivery list --logout ", "user_disabled"},
			{"set-password --password-stdin", "looking-glass\r\n", "has a new password. 1 session ended", "password_changed"},
			{"delete", "", "is deleted. 1 session ended", "user_deleted"},
		} {
			session, grants := s.login(alice, "shop", "wiki")
			old := s.grant(alice, "shop", "an ended session", "a sid of it")
			other, kept := s.login("somebody else", "shop")
			began := time.Now()
			s.run(test.stdin, append([]string{"user"}, append(strings.Fields(test.args), "alice")...)...).check(t, 0, []string{test.says}, nil)
			if !s.ended(session) || s.ended(other) || s.cause(session) != test.cause {
				t.Errorf("%s: ended %t, somebody else's %t, cause %s", test.args, s.ended(session), s.ended(other), s.cause(session))
			}
			if s.alive(grants[0]) || s.alive(grants[1]) || s.alive(old) || !s.alive(kept[0]) {
				t.Errorf("%s: offline grants alive: %t, %t, of an ended session %t, somebody else's %t", test.args, s.alive(grants[0]), s.alive(grants[1]), s.alive(old), s.alive(kept[0]))
			}
			s.told("shop", 2*(i+1)) // of the session, and of the one that had ended
			s.told("wiki", i+1)
			t.Logf("%s: apps were told %v after the command's start", test.args, time.Since(began))
		}
		s.run("", "user", "show", "alice").check(t, 1, nil, []string{"there is no user alice"})
		s.run("", "user", "delete", "fixed").check(t, 1, nil, []string{"is in the configuration file", "disable the user"})

		// Whose sessions are all over loses the offline grants all the same, and their clients are told.
		old := s.grant(s.subject("fixed"), "shop", "an ended session", "a sid of it")
		s.run("", "user", "disable", "fixed").check(t, 0, []string{"0 sessions ended, 1 delivery to make"}, nil)
		s.told("shop", 7)
		if s.alive(old) {
			t.Error("an offline grant outlives its disabled user")
		}
		s.consents()
	})
}
