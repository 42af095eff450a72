package conformance

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/store"
)

// RFC 7592, 2: only a client's own registration access token opens its registration. A wrong one, an unknown client and a client of the
// configuration cannot be told apart.
func TestRegistrationManagement_2_Token(t *testing.T) {
	w := open(t)
	p, other := w.join("rp"), w.join("other")
	update := w.registration("evil").with("client_id", p.id)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		answers := map[string]answer{}
		for name, call := range map[string][2]string{
			"a wrong token":               {p.uri, "wrong"},
			"another client's":            {p.uri, other.token},
			"the initial access token":    {p.uri, initialAccessToken},
			"the client's secret":         {p.uri, p.secret},
			"an unknown client":           {w.issuer + "/register/nobody", p.token},
			"a client of the operator":    {w.issuer + "/register/shop", p.token},
			"its secret":                  {w.issuer + "/register/shop", secret},
			"an id that cannot be stored": {w.issuer + "/register/%00%ff", p.token},
			"a longer id":                 {p.uri + "x", p.token},
		} {
			a := w.program().tell(method, call[0], call[1], update).wantError(401, "invalid_token")
			if !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: headers %v", method, name, a.header)
			}
			answers[a.body+a.header.Get("WWW-Authenticate")] = a
		}
		if len(answers) != 1 {
			t.Errorf("%s: %d different answers: %v", method, len(answers), answers)
		}
		if a := w.program().tell(method, p.uri, "", update).wantError(401, "invalid_token"); strings.Contains(a.header.Get("WWW-Authenticate"), "error") {
			t.Errorf("%s without a token: %q", method, a.header.Get("WWW-Authenticate"))
		}
	}
	if a := p.manage(http.MethodGet, nil).want(200); a.json()["client_name"] != "The rp" {
		t.Errorf("the client was changed: %s", a)
	}
	p.program().tell(http.MethodPost, p.uri, p.token, update).want(405)
}

// RFC 7592, 2.1: the registration as it stands. The secret is not shown again: only its hash is kept.
func TestRegistrationManagement_2_1_Read(t *testing.T) {
	w := open(t)
	created := w.register(w.registration("rp"))
	p := created.registered(w, "rp")
	a := p.manage(http.MethodGet, nil).want(200)
	want := metadata(created.json()).with("client_secret", nil)
	if got := metadata(a.json()); !reflect.DeepEqual(got, want) || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("read %v\nwant %v", got, want)
	}
}

// RFC 7592, 2.2: an update replaces everything, names the client, and chooses neither its secret nor what it was issued.
func TestRegistrationManagement_2_2_Update(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		first := w.registration("rp").with("contacts", []any{"ops@example.com"})
		p := w.register(first).registered(w, "rp")
		change := first.with("contacts", nil, "client_id", p.id, "client_name", "New", "redirect_uris", []string{callback("new")})
		for name, test := range map[string]struct {
			body metadata
			code string
		}{
			"without client_id":   {change.with("client_id", nil), "invalid_client_metadata"},
			"another client_id":   {change.with("client_id", "shop"), "invalid_client_metadata"},
			"no text":             {change.with("client_id", 7), "invalid_client_metadata"},
			"a chosen secret":     {change.with("client_secret", "a-secret-that-the-client-would-like"), "invalid_client_metadata"},
			"a secret of no kind": {change.with("client_secret", []string{p.secret}), "invalid_client_metadata"},
			"its token":           {change.with("registration_access_token", p.token), "invalid_client_metadata"},
			"its address":         {change.with("registration_client_uri", p.uri), "invalid_client_metadata"},
			"an expiry":           {change.with("client_secret_expires_at", 0), "invalid_client_metadata"},
			"a date of issue":     {change.with("client_id_issued_at", 0), "invalid_client_metadata"},
			"a bad redirect URI":  {change.with("redirect_uris", []string{"https://x/#x"}), "invalid_redirect_uri"},
			"what it cannot set":  {change.with("skip_consent", true), "invalid_client_metadata"},
		} {
			if a := p.manage(http.MethodPut, test.body).wantError(400, test.code); strings.Contains(a.body, p.token) || strings.Contains(a.body, p.secret) {
				t.Errorf("%s: the answer shows a secret: %s", name, a)
			}
		}
		p.program().with("Authorization", "Bearer "+p.token).send(http.MethodPut, p.uri, "application/json", "x").wantError(400, "invalid_client_metadata")
		p.program().with("Authorization", "Bearer "+p.token).send(http.MethodPut, p.uri, "text/plain", "{}").wantError(400, "invalid_client_metadata")
		if got := p.manage(http.MethodGet, nil).want(200).json()["client_name"]; got != "The rp" {
			t.Errorf("a refused update changed the name to %v", got)
		}

		// What was read, changed, is what is sent: with the secret or without.
		w.clock.Advance(5e9)
		for _, body := range []metadata{change.with("client_secret", p.secret), change} {
			a := p.manage(http.MethodPut, body).want(200)
			got := metadata(a.json())
			if got["client_name"] != "New" || got["contacts"] != nil || fmt.Sprint(got["redirect_uris"]) != fmt.Sprint([]string{callback("new")}) {
				t.Errorf("after the update: %v", got)
			}
			if got["registration_access_token"] != p.token || got["registration_client_uri"] != p.uri || got["client_secret"] != body["client_secret"] {
				t.Errorf("token or secret changed: %v", got)
			}
			read := metadata(p.manage(http.MethodGet, nil).want(200).json())
			if !reflect.DeepEqual(read, got.with("client_secret", nil)) {
				t.Errorf("read %v\nwant %v", read, got)
			}
		}
		// What the operator set for metadata that is no more goes with it, and is not the client's to see.
		clients := store.New(db, w.clock.Now).Clients
		record, err := clients.Record(t.Context(), p.id)
		if err != nil {
			t.Fatal(err)
		}
		record.SkipConsent, record.HintLogout = true, true
		if err := clients.Update(t.Context(), record.Client); err != nil {
			t.Fatal(err)
		}
		if read := p.manage(http.MethodGet, nil).want(200).json(); read["skip_consent"] != nil || read["hint_logout"] != nil {
			t.Errorf("the client sees what the operator set: %v", read)
		}
		p.manage(http.MethodPut, change).want(200)
		if record, err := clients.Record(t.Context(), p.id); err != nil || record.SkipConsent || record.HintLogout {
			t.Errorf("after the client's update: %+v, %v", record, err)
		}

		// Seen at once: the old redirect URI is not the client's any more.
		w.browser().get("/authorize", p.ask()).wantPage(400, "not one that the application has registered")
		p.at("/token", codeForm("new", "x")).wantError(400, "invalid_grant") // the secret still is

		public := p.manage(http.MethodPut, change.with("token_endpoint_auth_method", "none")).want(200).json()
		if public["client_secret"] != nil || public["client_secret_expires_at"] != nil {
			t.Errorf("a public client: %v", public)
		}
		p.at("/token", codeForm("new", "x")).wantError(401, "invalid_client")
		p.manage(http.MethodPut, change.with("client_secret", p.secret)).wantError(400, "invalid_client_metadata") // it has none
		renewed := p.manage(http.MethodPut, change.with("token_endpoint_auth_method", "client_secret_basic")).want(200).registeredAgain(p)
		if renewed.secret == "" || renewed.secret == p.secret {
			t.Errorf("the new secret %q", renewed.secret)
		}
		renewed.at("/token", codeForm("new", "x")).wantError(400, "invalid_grant")
		p.at("/token", codeForm("new", "x")).wantError(401, "invalid_client")
	})
}

// registeredAgain reads the answer to an update.
func (a answer) registeredAgain(p *party) *party {
	a.t.Helper()
	again := *p
	again.secret, _ = a.json()["client_secret"].(string)
	return &again
}

// The life of a client: it registers, logs people in, is told of their logout, changes, and deletes itself (RFC 7592, 2.3), by which it leaves
// all sessions, is told so, and its tokens and codes are dead, those of offline access too. The sessions and the other clients live on.
func TestRegistrationManagement_2_3_Delete(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		p := w.join("rp")
		alice := w.browser()
		first := p.signOn(alice, "alice")
		if a := w.userinfo(first.access).want(200).json(); a["name"] != "Alice Doe" {
			t.Errorf("userinfo %v", a)
		}
		alice.get("/logout", values("client_id", p.id, "redirect_uri", bye("rp"))).wantRedirect(bye("rp"))
		w.eventually("the client is told of the logout", func() bool { return len(w.receiver.to("rp", sidOf(first.id))) == 1 })
		d := w.receiver.to("rp", sidOf(first.id))[0]
		w.verified(strings.Join(d.token.parts, "."), "RS256")
		if d.token.claims["aud"] != p.id {
			t.Errorf("logout token %v", d.token.claims)
		}
		p.at("/token", values("grant_type", "refresh_token", "refresh_token", first.refresh)).wantError(400, "invalid_grant")

		shop := alice.firstSignOn("shop", "alice")
		second := p.signOn(alice, "alice")
		bob := p.signOn(w.browser(), "bob", "scope", "openid offline_access", "prompt", "consent")
		code := alice.get("/authorize", p.ask()).code()
		if a := p.manage(http.MethodDelete, nil).want(204); a.body != "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("deleted: %s", a)
		}
		for _, dead := range []tokens{second, bob} {
			w.userinfo(dead.access).want(401)
			if n := len(w.receiver.to("rp", sidOf(dead.id))); n != 1 {
				w.eventually("the client is told of its end", func() bool { return len(w.receiver.to("rp", sidOf(dead.id))) == 1 })
			}
			p.at("/token", values("grant_type", "refresh_token", "refresh_token", dead.refresh)).wantError(401, "invalid_client")
		}
		p.at("/token", codeForm("rp", code)).wantError(401, "invalid_client")
		w.browser().get("/authorize", p.ask()).wantPage(400, "not known here")
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			p.manage(method, w.registration("rp").with("client_id", p.id)).wantError(401, "invalid_token")
		}
		if !alice.alive() || w.told(shop.id) != 0 {
			t.Error("the session ended, or another client was told")
		}
		w.userinfo(shop.access).want(200)
	})
}

// What one node registers, changes or deletes the others know at once.
func TestRegistrationManagement_OtherNodes(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		one, two := openOn(t, databasetest.Open(t, url), "http"), openOn(t, databasetest.Open(t, url), "http")
		p := one.join("rp")
		there := *p
		there.world = two
		becomes := func(what string, status int) {
			t.Helper()
			two.eventually(what, func() bool { return there.at("/token", codeForm("rp", "x")).status == status })
		}
		there.at("/token", codeForm("rp", "x")).wantError(400, "invalid_grant") // and now it is in memory
		p.manage(http.MethodPut, one.registration("rp").with("client_id", p.id, "token_endpoint_auth_method", "none")).want(200)
		becomes("it is public", 401)
		p = p.manage(http.MethodPut, one.registration("rp").with("client_id", p.id)).want(200).registeredAgain(p)
		there.secret = p.secret
		becomes("it has a new secret", 400)
		p.manage(http.MethodDelete, nil).want(204)
		becomes("it is gone", 401)
	})
}

// A client that the operator takes into the configuration is managed there alone: its registration access token is void.
func TestRegistrationManagement_TakenOver(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		db := databasetest.Open(t, url)
		w := openOn(t, databasetest.Open(t, url), "http")
		p := w.join("rp")
		clients := store.New(db, w.clock.Now)
		record, err := clients.Clients.Record(t.Context(), p.id)
		if err != nil || !record.Registered() || record.Configured {
			t.Fatalf("%+v, %v", record, err)
		}
		p = openOn(t, db, "http", func(c *provider.Config) { c.Clients = append(c.Clients, record.Client) }).adopt(p)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			p.manage(method, w.registration("rp").with("client_id", p.id)).wantError(401, "invalid_token")
		}
		p.at("/token", codeForm("rp", "x")).wantError(400, "invalid_grant")
		if record, err := clients.Clients.Record(t.Context(), p.id); err != nil || record.Registered() || !record.Configured {
			t.Errorf("%+v, %v", record, err)
		}
	})
}

// adopt returns a client as it is at another provider on the same database.
func (w *world) adopt(p *party) *party {
	there := *p
	there.world, there.uri = w, w.issuer+"/register/"+p.id
	return &there
}

// Whatever stands in the metadata, as a value or as its JSON, and in a table that somebody has scribbled in: never a failure of ours, and what
// was accepted can be read, listed and used.
func TestRobust_Registration(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		good := w.registration("rp")
		bearer := w.program().with("Authorization", "Bearer "+initialAccessToken)
		members := []string{
			"redirect_uris", "client_name", "contacts", "scope", "jwks", "jwks_uri", "default_max_age", "require_auth_time", "backchannel_logout_uri",
			"frontchannel_logout_uri", "application_type", "grant_types", "id_token_signed_response_alg", "software_id", "unknown",
		}
		for _, member := range members {
			for _, value := range nasty {
				for _, wrapped := range []any{value, []string{value}, map[string]string{value: value}} {
					a := w.register(good.with(member, wrapped))
					if err := decent(a); err != nil {
						t.Errorf("%s=%.40q: %v: %s", member, value, err, a)
					}
					if a.status != 201 {
						continue
					}
					p := a.registered(w, "rp")
					if read := p.manage(http.MethodGet, nil).want(200); !reflect.DeepEqual(metadata(read.json()), metadata(a.json()).with("client_secret", nil)) {
						t.Errorf("%s=%.40q: registered %s, read %s", member, value, a, read)
					}
					if err := decent(w.browser().get("/authorize", p.ask("redirect_uri", callback("rp")))); err != nil {
						t.Errorf("%s=%.40q: %v", member, value, err)
					}
				}
				raw := fmt.Sprintf(`{"redirect_uris":["https://rp.example.com/"],%q:%s}`, member, value)
				if a := bearer.send(http.MethodPost, "/register", "application/json", raw); decent(a) != nil {
					t.Errorf("%s: %.40q as it is: %v: %s", member, value, decent(a), a)
				}
			}
		}
		for _, body := range []string{
			strings.Repeat("[", 60000), strings.Repeat(`{"jwks":`, 7000), `{"jwks":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
			`{"default_max_age":1e400}`, `{"default_max_age":99999999999999999999}`, `{"default_max_age":1.5,"redirect_uris":["https://x/"]}`, "\ufeff{}", "{}\x00", `{"":{}}`,
		} {
			if a := bearer.send(http.MethodPost, "/register", "application/json", body); decent(a) != nil || a.status == 201 {
				t.Errorf("%.40q: %v: %s", body, decent(a), a)
			}
		}
		clients := store.New(db, w.clock.Now).Clients
		after := ""
		for listed := 1; listed > 0; {
			page, err := clients.List(t.Context(), after, 500)
			if err != nil {
				t.Fatal(err)
			}
			if listed = len(page); listed > 0 {
				after = page[listed-1].ID
			}
		}

		// A token hash that is none, or shorter, matches nothing.
		p := w.join("rp")
		for _, hash := range [][]byte{{}, {0}, []byte(strings.Repeat("\x00", 31))} {
			if err := db.Writer(t.Context()).Exec(`UPDATE clients SET registration_token_hash = ? WHERE id = ?`, hash, p.id).Error; err != nil {
				t.Fatal(err)
			}
			for _, token := range []string{p.token, "\x00", "x"} {
				caller := w.program().with("Authorization", "Bearer "+strings.ReplaceAll(token, "\x00", "%00"))
				caller.send(http.MethodGet, p.uri, "", "").wantError(401, "invalid_token")
			}
		}
	})
}
