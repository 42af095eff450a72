package provider_test

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// trail reads the audit trail as an operator would.
type trail struct {
	*testing.T
	operator *provider.Operator
}

func (w *world) trail(cfg provider.Config) trail {
	w.Helper()
	operator, err := provider.NewOperator(cfg)
	if err != nil {
		w.Fatal(err)
	}
	return trail{w.T, operator.As(logout.Actor{Kind: "admin", ID: "root"})}
}

// export returns the lines, oldest first, and all of them as text.
func (tr trail) export() (lines []audit.Line, text string) {
	tr.Helper()
	var b strings.Builder
	err := tr.operator.Audit(tr.Context(), audit.Filter{Oldest: true}, func(e audit.Entry) error {
		lines = append(lines, e.Line())
		return json.NewEncoder(&b).Encode(e.Line())
	})
	if err != nil {
		tr.Fatal(err)
	}
	return lines, b.String()
}

// last returns the newest line of a kind; its detail must hold the given parts.
func (tr trail) last(kind audit.Kind, parts ...string) audit.Line {
	tr.Helper()
	lines, _ := tr.export()
	for _, line := range slices.Backward(lines) {
		if line.Kind != kind {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(string(line.Detail), part) {
				tr.Errorf("%s: detail %s lacks %s", kind, line.Detail, part)
			}
		}
		return line
	}
	tr.Fatalf("the trail has no %s", kind)
	return audit.Line{}
}

func (tr trail) count(kind audit.Kind) int {
	tr.Helper()
	lines, _ := tr.export()
	n := 0
	for _, line := range lines {
		if line.Kind == kind {
			n++
		}
	}
	return n
}

// Who did what to whom, when, from where, and why; and never a secret, nor what was typed into the field for the name.
func TestAuditTrail(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var cfg provider.Config
		w := newWorld(t, db, func(c *provider.Config) { cfg = *c })
		tr := w.trail(cfg)
		if n := tr.count(audit.KindClientCreated); n != len(cfg.Clients) || tr.count(audit.KindUserCreated) != len(cfg.Users) {
			t.Errorf("%d clients of the configuration are recorded", n)
		}

		alice := w.browser()
		page := alice.get("/authorize", request("shop"))
		for _, typed := range []url.Values{
			{"username": {"correct-horse-battery"}, "password": {"staple"}}, // the password in the wrong field
			{"username": {"alice"}, "password": {"wonderful"}},
		} {
			alice.submit(page, typed).want(http.StatusUnprocessableEntity)
		}
		lines, text := tr.export()
		failed := lines[len(lines)-2:]
		if failed[0].Kind != audit.KindLoginFailed || failed[0].Subject != "" || string(failed[0].Detail) != `{"reason":"unknown_user"}` ||
			failed[1].Subject == "" || string(failed[1].Detail) != `{"reason":"wrong_password"}` || failed[1].ClientID != "shop" ||
			failed[1].Actor != audit.ActorAnonymous || failed[1].Address != "127.0.0.1" || failed[1].UserAgent != "Mozilla/5.0" {
			t.Errorf("failed logins: %+v", failed)
		}
		for _, typed := range []string{"correct-horse", "staple", "wonderful"} {
			if strings.Contains(text, typed) {
				t.Errorf("the trail shows what was typed: %q", typed)
			}
		}
		shop := alice.exchange("shop", alice.logIn(page, "alice").code())
		login := tr.last(audit.KindLoginSucceeded, `"renewed":false`)
		if login.Subject != failed[1].Subject || login.ClientID != "shop" || login.SessionID == "" {
			t.Errorf("login: %+v", login)
		}

		// A logout with a token that is not revoked: two entries, of one transaction.
		alice.signOn("wiki")
		bobs := w.browser().firstSignOn("shop", "bob")
		alice.post("/logout", endRequest("client_id", "shop", "redirect_uri", bye("shop"), "oauth_token", bobs.access)).wantRedirect(bye("shop"))
		out := tr.last(audit.KindLogout, `"cause":"redirect"`, `"initiator_client_id":"shop"`, `"sessions":1`, `"participations":2`, `"offline_revoked":false`,
			`{"client_id":"shop","channel":"backchannel","state":"pending","count":1}`, `{"client_id":"wiki","channel":"backchannel","state":"pending","count":1}`)
		ignored := tr.last(audit.KindTokenIgnored, `"reason":"another user's"`, `"grant_id"`)
		if out.Actor != "user" || out.ActorID != login.Subject || out.Subject != login.Subject || out.SessionID != login.SessionID || out.LogoutID == "" ||
			out.Address != "127.0.0.1" || out.UserAgent != "Mozilla/5.0" || time.Since(out.At) > time.Minute {
			t.Errorf("logout: %+v", out)
		}
		if ignored.SessionID != out.SessionID || ignored.Subject != login.Subject || ignored.ClientID != "shop" {
			t.Errorf("ignored token: %+v", ignored)
		}
		// Without a session nobody is known.
		w.browser().post("/logout", endRequest("client_id", "shop", "oauth_token", "unknown")).wantPage(200, "logged out")
		if line := tr.last(audit.KindTokenIgnored, `"reason":"unknown"`); line.Actor != audit.ActorAnonymous || line.Subject != "" {
			t.Errorf("ignored token of a stranger: %+v", line)
		}
		w.browser().post("/logout", endRequest("client_id", "shop", "oauth_token", bobs.access)).wantPage(200, "logged out")
		tr.last(audit.KindTokenRevoked, `"by":"redirect"`)

		// Tokens by themselves.
		again := alice.firstSignOn("shop", "alice")
		w.asAt("/revoke", "shop", url.Values{"token": {again.access}}).want(200)
		w.asAt("/revoke", "shop", url.Values{"token": {again.access}}).want(200)
		if line := tr.last(audit.KindTokenRevoked, `"by":"revoke"`); line.Actor != "client" || line.ActorID != "shop" || line.Subject != login.Subject {
			t.Errorf("revocation: %+v", line)
		}
		third := alice.signOn("shop")
		w.asAt("/api/logout", "shop", url.Values{"token": {third.refresh}}).want(200)
		tr.last(audit.KindTokenRevoked, `"by":"api"`)
		if n := tr.count(audit.KindTokenRevoked); n != 3 {
			t.Errorf("%d tokens were revoked, want 3: what is dead already is not revoked again", n)
		}
		fourth := alice.signOn("shop")
		w.refresh("shop", fourth.refresh).want(200)
		w.clock.Advance(time.Minute)
		w.refresh("shop", fourth.refresh).wantError(400, "invalid_grant")
		tr.last(audit.KindTokenReused, `"grant_id"`)
		tr.last(audit.KindLogout, `"cause":"token_reuse"`, `"only_participation":true`)

		// Somebody who is not the client.
		w.program().with("Authorization", "Basic c2hvcDp3cm9uZy1zZWNyZXQ=").post("/token", url.Values{"grant_type": {"client_credentials"}}).wantError(401, "invalid_client")
		if line := tr.last(audit.KindRefused, `"request":"/token"`, "wrong secret"); line.ClientID != "shop" || line.Actor != audit.ActorAnonymous {
			t.Errorf("refused: %+v", line)
		}
		_, text = tr.export()
		for name, secret := range map[string]string{
			"client secret": secret, "wrong secret": "wrong-secret", "access token": shop.access, "refresh token": shop.refresh, "ID token": shop.id, "password": "wonderland",
		} {
			if strings.Contains(text, secret) {
				t.Errorf("the trail shows a %s", name)
			}
		}
		tr.operators(login.Subject)
	})
}

// operators does what administrators do.
func (tr trail) operators(alice string) {
	tr.Helper()
	ctx, o := tr.Context(), tr.operator
	do := func(err error) {
		tr.Helper()
		if err != nil {
			tr.Fatal(err)
		}
	}
	byRoot := func(line audit.Line, subject, client string) {
		tr.Helper()
		if line.Actor != "admin" || line.ActorID != "root" || line.Subject != subject || line.ClientID != client {
			tr.Errorf("%+v", line)
		}
	}
	root := logout.Actor{Kind: "admin", ID: "root"}
	user, err := o.User(ctx, alice)
	do(err)
	carol, err := o.CreateUser(ctx, provider.User{Username: "carol", Password: "wonderland"})
	do(err)
	byRoot(tr.last(audit.KindUserCreated, `"username":"carol"`), carol.ID, "")
	_, err = o.SetPassword(ctx, user, "looking-glass", root)
	do(err)
	byRoot(tr.last(audit.KindUserPasswordChanged), alice, "")
	tr.last(audit.KindLogout, `"cause":"password_changed"`, `"offline_revoked":true`)
	_, err = o.DisableUser(ctx, user, root)
	do(err)
	byRoot(tr.last(audit.KindUserDisabled), alice, "")
	for range 2 { // the second time it changes nothing
		_, err = o.EnableUser(ctx, user)
		do(err)
	}
	byRoot(tr.last(audit.KindUserEnabled), alice, "")
	if n := tr.count(audit.KindUserEnabled); n != 1 {
		tr.Errorf("enabled %d times", n)
	}
	_, err = o.DeleteUser(ctx, carol, root)
	do(err)
	byRoot(tr.last(audit.KindUserDeleted), carol.ID, "")

	kiosk := identity.Client{ID: "kiosk", Name: "Kiosk", SecretHash: []byte("one"), ApplicationType: "web", GrantTypes: []string{"authorization_code"}}
	do(o.CreateClient(ctx, kiosk))
	byRoot(tr.last(audit.KindClientCreated), "", "kiosk")
	kiosk.Name, kiosk.SecretHash, kiosk.RedirectURIs = "Booth", []byte("two"), []string{"https://kiosk.example.com/"}
	do(o.UpdateClient(ctx, kiosk))
	byRoot(tr.last(audit.KindClientUpdated, `{"changed":["client_name","client_secret","redirect_uris"]}`), "", "kiosk")
	_, err = o.DeleteClient(ctx, "kiosk", root)
	do(err)
	byRoot(tr.last(audit.KindClientDeleted), "", "kiosk")

	_, err = o.RotateKeys(ctx, "ES256", time.Hour)
	do(err)
	byRoot(tr.last(audit.KindKeyRotated, `"alg":"ES256"`, `"kid":`), "", "")
	if n, err := o.Redeliver(ctx, logout.Filter{ClientID: "shop", States: []logout.State{logout.StateDead}}); err != nil || n != 0 {
		tr.Errorf("redelivered %d, %v", n, err)
	}
	if n := tr.count(audit.KindRedelivered); n != 0 {
		tr.Errorf("%d redeliveries of nothing are recorded", n)
	}

	// A change that fails leaves no entry, and an entry that fails no change.
	lines, _ := tr.export()
	if err := o.CreateClient(ctx, identity.Client{ID: "shop"}); err == nil {
		tr.Fatal("a client_id was given twice")
	}
	if _, err := o.DeleteUser(ctx, carol, root); err == nil {
		tr.Fatal("a user was deleted twice")
	}
	if after, _ := tr.export(); len(after) != len(lines) {
		tr.Errorf("what did not happen is recorded: %+v", after[len(lines):])
	}
}

// Without a trail there is no logout: they are one transaction.
func TestAuditIsPartOfTheLogout(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice := w.browser()
		alice.firstSignOn("shop", "alice")
		rename := func(from, to string) {
			t.Helper()
			if err := db.Writer(t.Context()).Exec("ALTER TABLE " + from + " RENAME TO " + to).Error; err != nil {
				t.Fatal(err)
			}
		}
		rename("audit", "lost")
		alice.get("/logout", endRequest("client_id", "shop")).want(http.StatusInternalServerError)
		rename("lost", "audit")
		if !alice.alive() {
			t.Error("a session ended without a trace")
		}
	})
}

// What clients do with their own: registrations, and a user token that somebody may have stolen.
func TestAuditOfClients(t *testing.T) {
	hook := logouttest.NewHook(t, "shop")
	var cfg provider.Config
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withHook(hook, func(c *identity.Client) { c.UserToken = true }), func(c *provider.Config) {
		sum := sha256.Sum256([]byte(secret))
		c.Registration = provider.Registration{InitialAccessTokens: [][]byte{sum[:]}, Check: func(id string, metadata []byte) (identity.Client, error) {
			client := identity.Client{ID: id, ApplicationType: "web", TokenEndpointAuthMethod: identity.AuthNone}
			err := json.Unmarshal(metadata, &client)
			client.ID = id
			return client, err
		}}
		cfg = *c
	})
	tr := w.trail(cfg)
	send := func(method, path, token, body string, status int) map[string]any {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		var answer map[string]any
		_ = json.NewDecoder(response.Body).Decode(&answer) // a deletion answers nothing
		if response.StatusCode != status {
			t.Fatalf("%s %s: status %d, %v", method, path, response.StatusCode, answer)
		}
		return answer
	}
	made := send("POST", "/register", secret, `{"client_name": "Kiosk"}`, http.StatusCreated)
	id, token := made["client_id"].(string), made["registration_access_token"].(string)
	if line := tr.last(audit.KindClientCreated); line.ClientID != id || line.Actor != "client" || line.Address != "127.0.0.1" {
		t.Errorf("%+v", line)
	}
	send("PUT", "/register/"+id, token, `{"client_id": "`+id+`", "client_name": "Booth"}`, http.StatusOK)
	if line := tr.last(audit.KindClientUpdated, `"client_name"`); line.ClientID != id || line.Actor != "client" {
		t.Errorf("%+v", line)
	}
	send("DELETE", "/register/"+id, token, "", http.StatusNoContent)
	if line := tr.last(audit.KindClientDeleted); line.ClientID != id || line.Actor != "client" {
		t.Errorf("%+v", line)
	}

	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	alice.get("/logout", endRequest("client_id", "shop")).want(200)
	w.eventually("the webhook is there", func() bool { return len(hook.Received(logout.EventUserLoggedOut)) == 1 })
	message := hook.Received(logout.EventUserLoggedOut)[0]
	form := func() url.Values { return url.Values{"user_token": {message.Data["user_token"].(string)}} }
	w.asAt("/api/user-token", "shop", form()).want(http.StatusOK)
	if n := tr.count(audit.KindUserTokenReused); n != 0 {
		t.Errorf("%d entries after the first use", n)
	}
	w.asAt("/api/user-token", "shop", form()).wantError(http.StatusGone, "used_user_token")
	if line := tr.last(audit.KindUserTokenReused, `"event_id":"`+message.ID()+`"`); line.ClientID != "shop" {
		t.Errorf("%+v", line)
	}
	if _, text := tr.export(); strings.Contains(text, token) || strings.Contains(text, form().Get("user_token")) {
		t.Error("the trail shows a token")
	}
}
