package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// withHook gives one of the clients a webhook instead of its back-channel.
func withHook(h *logouttest.Hook, changes ...func(*identity.Client)) func(*provider.Config) {
	return withClient(h.ClientID, append([]func(*identity.Client){func(c *identity.Client) {
		c.BackchannelLogoutURI, c.WebhookURI, c.WebhookSecrets = "", h.URL, []identity.Secret{identity.Secret(logouttest.WebhookSecret(1))}
	}}, changes...)...)
}

func withClient(id string, changes ...func(*identity.Client)) func(*provider.Config) {
	return func(cfg *provider.Config) {
		for i := range cfg.Clients {
			if cfg.Clients[i].ID == id {
				for _, change := range changes {
					change(&cfg.Clients[i])
				}
			}
		}
	}
}

// basic is the Authorization of a client.
func basic(client string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client)+":"+url.QueryEscape(secret)))
}

// hears waits for events of a type.
func (w *world) hears(h *logouttest.Hook, event string, n int) []logouttest.Message {
	w.Helper()
	w.eventually(h.ClientID+" hears of "+event, func() bool { return len(h.Received(event)) >= n })
	all := h.Received(event)
	if len(all) != n {
		w.Fatalf("%s heard %d times of %s, want %d", h.ClientID, len(all), event, n)
	}
	return all
}

// A logout reaches a webhook, signed; the one-time user token in it is exchanged once, by the client alone.
func TestWebhookAndUserToken(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		shop, wiki := logouttest.NewHook(t, "shop"), logouttest.NewHook(t, "wiki")
		w := newWorld(t, db, withHook(shop, func(c *identity.Client) { c.UserToken = true }), withHook(wiki))
		alice := w.browser()
		sid, sub := claims(t, alice.firstSignOn("shop", "alice").id)["sid"], claims(t, alice.signOn("wiki").id)["sub"]
		alice.get("/logout", endRequest("client_id", "wiki")).want(http.StatusOK)
		for _, h := range []*logouttest.Hook{shop, wiki} {
			w.hears(h, logout.EventSessionEnded, 1)
			m := w.hears(h, logout.EventUserLoggedOut, 1)[0]
			wh, err := standardwebhooks.NewWebhook(logouttest.WebhookSecret(1))
			if err != nil {
				t.Fatal(err)
			}
			// The world's clock may stand elsewhere than the library's.
			if err := wh.VerifyIgnoringTimestamp(m.Body, m.Header); err != nil {
				t.Error(err)
			}
			if m.Data["iss"] != w.url || m.Data["cause"] != "redirect" || m.Data["client_id"] != h.ClientID {
				t.Errorf("%s", m.Body)
			}
		}
		if m := wiki.Received(logout.EventUserLoggedOut)[0]; m.Data["sub"] != sub || m.Data["user_token"] != nil {
			t.Errorf("%s", m.Body)
		}
		m := shop.Received(logout.EventUserLoggedOut)[0]
		if strings.Contains(string(m.Body), sub.(string)) || m.Data["sid"] != sid {
			t.Errorf("%s", m.Body)
		}
		text := m.Data["user_token"].(string)
		form := func() url.Values { return url.Values{"user_token": {text}} }
		w.program().post("/api/user-token", form()).wantError(http.StatusUnauthorized, "invalid_client")
		w.asAt("/api/user-token", "app", form()).wantError(http.StatusUnauthorized, "invalid_client")
		w.asAt("/api/user-token", "shop", url.Values{}).wantError(http.StatusBadRequest, "invalid_request")
		w.asAt("/api/user-token?"+form().Encode(), "shop", form()).wantError(http.StatusBadRequest, "invalid_request")
		w.asAt("/api/user-token", "wiki", form()).wantError(http.StatusNotFound, "unknown_user_token")
		w.asAt("/api/user-token", "shop", url.Values{"user_token": {"x"}}).wantError(http.StatusNotFound, "unknown_user_token")
		a := w.asAt("/api/user-token", "shop", form()).want(http.StatusOK)
		if got := a.json(); got["sub"] != sub || got["sid"] != sid || got["event_id"] != m.ID() || len(got) != 3 || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("exchanged for %s", a.body)
		}
		w.asAt("/api/user-token", "shop", form()).wantError(http.StatusGone, "used_user_token")
		late := url.Values{"user_token": {shop.Received(logout.EventSessionEnded)[0].Data["user_token"].(string)}}
		w.clock.Advance(15 * time.Minute)
		w.asAt("/api/user-token", "shop", late).wantError(http.StatusGone, "used_user_token")
	})
}

// token.revoked goes to the authorization's own client, if it asks by name; nobody else hears of it.
func TestTokenRevokedEvent(t *testing.T) {
	shop, wiki := logouttest.NewHook(t, "shop"), logouttest.NewHook(t, "wiki")
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withHook(wiki),
		withHook(shop, func(c *identity.Client) { c.WebhookEvents = []string{logout.EventTokenRevoked} }))
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	for i, how := range []string{"/revoke", "/api/logout"} {
		token := alice.signOn("shop").access
		for range 2 {
			w.asAt(how, "shop", url.Values{"token": {token}}).want(http.StatusOK)
		}
		m := w.hears(shop, logout.EventTokenRevoked, i+1)[i]
		if m.Data["cause"] != []string{"revoke", "api"}[i] || m.Data["sid"] == nil || m.Data["sub"] == nil {
			t.Errorf("%s: %s", how, m.Body)
		}
		w.asAt(how, "wiki", url.Values{"token": {alice.signOn("wiki").access}}).want(http.StatusOK)
	}
	if !alice.alive() || len(wiki.Received()) != 0 {
		t.Errorf("the session lives: %t; the other client heard %d events", alice.alive(), len(wiki.Received()))
	}
}

// What operators do to users reaches the clients that know them.
func TestUserEvents(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		shop, wiki := logouttest.NewHook(t, "shop"), logouttest.NewHook(t, "wiki")
		var cfg provider.Config
		w := newWorld(t, db, withHook(shop, func(c *identity.Client) {
			c.SkipConsent = false
			c.WebhookEvents = []string{logout.EventUserCreated, logout.EventUserUpdated, logout.EventUserDisabled, logout.EventUserDeleted, logout.EventUserPasswordChanged}
		}), withHook(wiki), func(c *provider.Config) { cfg = *c })
		operator, err := provider.NewOperator(cfg)
		if err != nil {
			t.Fatal(err)
		}
		carol, err := operator.CreateUser(t.Context(), provider.User{Username: "carol", Password: "wonderland"})
		if err != nil {
			t.Fatal(err)
		}
		if m := w.hears(shop, logout.EventUserCreated, 1)[0]; m.Data["sub"] != carol.ID || m.Data["sid"] != nil || m.Data["cause"] != nil {
			t.Errorf("%s", m.Body)
		}
		browser := w.browser()
		browser.submit(browser.logIn(browser.get("/authorize", request("shop")), "carol"), url.Values{"decision": {"allow"}}).code()
		actor := logout.Actor{Kind: "admin"}
		for _, step := range []struct {
			event string
			do    func() error
		}{
			{logout.EventUserPasswordChanged, func() error { _, err := operator.SetPassword(t.Context(), carol, "other", actor); return err }},
			{logout.EventUserDisabled, func() error { _, err := operator.DisableUser(t.Context(), carol, actor); return err }},
			{logout.EventUserUpdated, func() error { _, err := operator.EnableUser(t.Context(), carol); return err }},
			{logout.EventUserDeleted, func() error { _, err := operator.DeleteUser(t.Context(), carol, actor); return err }},
		} {
			for range 2 { // the second time changes nothing, except the password
				if err := step.do(); err != nil && step.event != logout.EventUserDeleted {
					t.Fatal(err)
				}
				if step.event == logout.EventUserPasswordChanged {
					break
				}
			}
			if m := w.hears(shop, step.event, 1)[0]; m.Data["sub"] != carol.ID {
				t.Errorf("%s", m.Body)
			}
		}
		if n := len(wiki.Received()); n != 0 {
			t.Errorf("a client that does not know her heard %d events", n)
		}
	})
}

// pulled reads an answer's events.
func (a answer) pulled() (events []map[string]any, next string) {
	a.Helper()
	var body struct {
		Events []map[string]any `json:"events"`
		Next   string           `json:"next"`
	}
	if err := json.Unmarshal([]byte(a.want(http.StatusOK).body), &body); err != nil || body.Events == nil {
		a.Fatalf("%v\n%s", err, a.body)
	}
	return body.Events, body.Next
}

// A client pulls with its own credentials of every kind, and acknowledges.
func TestPullEvents(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		keys := newKeys()
		silent := func(c *identity.Client) { c.BackchannelLogoutURI = "" }
		w := newWorld(t, db, withClient("shop", silent, func(c *identity.Client) {
			c.GrantTypes, c.Scope = append(c.GrantTypes, identity.GrantClientCredentials), c.Scope+" exeunt.events jobs"
		}), withClient("mail", silent), keyed(withKeys(t, keys["ES256"]), silent), withJob())
		alice := w.browser()
		sid := claims(t, alice.firstSignOn("shop", "alice").id)["sid"]
		byKey := func(path string, form url.Values) answer {
			return w.program().post(path, asserted(keys["ES256"].sign(t, w.assertion("keyed")), form))
		}
		key := byKey("/token", codeForm("keyed", alice.get("/authorize", request("keyed")).code())).tokens()
		mail, access := alice.signOn("mail"), alice.signOn("shop", "scope", "openid")
		alice.get("/logout", endRequest("client_id", "shop")).want(http.StatusOK)

		token := w.clientCredentials("shop", "scope", "exeunt.events").tokens().access
		byToken, byBasic := w.program().with("Authorization", "Bearer "+token), w.program().with("Authorization", basic("shop"))
		events, next := byBasic.get("/api/events", nil).pulled()
		if len(events) != 1 || events[0]["sid"] != sid || events[0]["type"] != "session.ended" || events[0]["state"] != "unreachable" || events[0]["cause"] != "redirect" ||
			events[0]["sub"] == nil || events[0]["id"] == nil || events[0]["occurred_at"] == nil {
			t.Fatalf("events %v", events)
		}
		id := events[0]["id"].(string)
		for name, a := range map[string]answer{
			"token": byToken.get("/api/events", nil), "form": byBasic.post("/api/events", url.Values{"limit": {"1"}}), "pending": byToken.get("/api/events?pending=true", nil),
		} {
			if again, _ := a.pulled(); len(again) != 1 || again[0]["id"] != id {
				t.Errorf("%s: %s", name, a.body)
			}
		}
		for _, own := range []struct {
			answer answer
			sid    any
		}{{w.asAt("/api/events", "mail", url.Values{}), claims(t, mail.id)["sid"]}, {byKey("/api/events", url.Values{}), claims(t, key.id)["sid"]}} {
			if other, _ := own.answer.pulled(); len(other) != 1 || other[0]["id"] == id || other[0]["sid"] != own.sid {
				t.Errorf("by a secret or a key in the form: %s", own.answer.body)
			}
		}
		if rest, end := byToken.get("/api/events", url.Values{"after": {next}}).pulled(); len(rest) != 0 || end != next {
			t.Errorf("after the cursor: %v, %s", rest, end)
		}

		// Refusals.
		for query, code := range map[string]string{
			"after=nonsense": "invalid_request", "limit=0": "invalid_request", "limit=1001": "invalid_request", "limit=x": "invalid_request", "wait=31": "invalid_request",
			"wait=-1": "invalid_request", "pending=maybe": "invalid_request", "pending=true&after=" + next: "invalid_request", "after=a&after=b": "invalid_request", "client_secret=x": "invalid_request", "%": "invalid_request",
		} {
			byBasic.get("/api/events?"+query, nil).wantError(http.StatusBadRequest, code)
		}
		if a := byBasic.get("/api/events?after=nonsense", nil); !strings.Contains(a.body, "begin without a cursor") {
			t.Errorf("the refusal says %s", a.body)
		}
		w.program().with("Authorization", basic("wiki")).get("/api/events?after="+next, nil).wantError(http.StatusBadRequest, "invalid_request")
		w.program().get("/api/events", nil).wantError(http.StatusUnauthorized, "invalid_client")
		w.asAt("/api/events", "app", url.Values{}).wantError(http.StatusUnauthorized, "invalid_client")
		w.program().with("Authorization", "Bearer nothing").get("/api/events", nil).wantError(http.StatusUnauthorized, "invalid_token")
		w.program().with("Authorization", "Bearer "+access.access).get("/api/events", nil).wantError(http.StatusUnauthorized, "invalid_token") // ended
		w.program().with("Authorization", "Bearer "+w.clientCredentials("job").tokens().access).get("/api/events", nil).wantError(http.StatusForbidden, "insufficient_scope")

		// Acknowledgment.
		ack := func(a *agent, kind, body string) answer { return w.send(a, "/api/events/ack", kind, body) }
		const asJSON, asForm = "application/json", "application/x-www-form-urlencoded"
		foreign := w.program().with("Authorization", basic("wiki"))
		if got := ack(foreign, asJSON, `{"ids":["`+id+`"]}`).want(http.StatusOK); !strings.Contains(got.body, `{"acknowledged":[],"unknown":["`+id+`"]}`) {
			t.Errorf("another client acknowledged: %s", got.body)
		}
		for _, bad := range []string{"", "{", "null", "[]", `{"ids":1}`, `{"ids":[1]}`, `{}`, `{"ids":null}`, `{"ids":[]} {"ids":[]}`} {
			ack(byBasic, asJSON, bad).wantError(http.StatusBadRequest, "invalid_request")
		}
		ack(byBasic, asForm, "ids=a&ids=b").wantError(http.StatusBadRequest, "invalid_request")
		ack(byBasic, asForm, "").wantError(http.StatusBadRequest, "invalid_request")
		ack(byBasic, asForm, "ids="+strings.Repeat("x+", 1001)).wantError(http.StatusBadRequest, "invalid_request")
		ack(w.program(), asJSON, `{"ids":[]}`).wantError(http.StatusUnauthorized, "invalid_client")
		ack(byBasic, "text/plain", "ids=a").wantError(http.StatusBadRequest, "invalid_request")
		got := ack(byToken, asJSON, `{"ids":["no\u0000","`+id+`"]}`).want(http.StatusOK).json()
		if len(got["acknowledged"].([]any)) != 1 || len(got["unknown"].([]any)) != 1 {
			t.Errorf("acknowledged: %v", got)
		}
		if a := ack(byBasic, asForm, "ids="+id); !strings.Contains(a.body, `"unknown":[]`) {
			t.Errorf("acknowledged again, by form: %s", a.body)
		}
		if pending, _ := byToken.get("/api/events?pending=true", nil).pulled(); len(pending) != 0 {
			t.Errorf("still pending: %v", pending)
		}
		if events, _ := byToken.get("/api/events", nil).pulled(); len(events) != 1 || events[0]["state"] != "delivered" {
			t.Errorf("after the acknowledgment: %v", events)
		}
	})
}

// send posts any body.
func (w *world) send(a *agent, path, kind, body string) answer {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", a.headers["Authorization"])
	return a.answer(r)
}

// Whoever waits is answered when something happens, when the time is over, and when the server is about to stop.
func TestPullWaits(t *testing.T) {
	w := newWorld(t, databasetest.Open(t, databasetest.SQLiteURL(t)), withClient("shop", func(c *identity.Client) { c.BackchannelLogoutURI = "" }))
	shop := w.program().with("Authorization", basic("shop"))
	alice := w.browser()
	alice.firstSignOn("shop", "alice")
	begin := time.Now()
	if events, _ := shop.get("/api/events?wait=1", nil).pulled(); len(events) != 0 || time.Since(begin) < time.Second {
		t.Errorf("waited %s for %v", time.Since(begin), events)
	}
	var group sync.WaitGroup
	group.Go(func() {
		if events, _ := shop.get("/api/events?wait=30", nil).pulled(); len(events) != 1 {
			t.Errorf("waited for %v", events)
		}
	})
	alice.get("/logout", endRequest("client_id", "shop")).want(http.StatusOK)
	group.Wait()
	_, next := shop.get("/api/events", nil).pulled()
	group.Go(func() {
		if events, again := shop.get("/api/events?wait=30&after="+next, nil).pulled(); len(events) != 0 || again != next {
			t.Errorf("waited for %v, %s", events, again)
		}
	})
	w.provider.Drain()
	group.Wait()
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
}
