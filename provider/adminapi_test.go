package provider_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// withAdmins adds clients that may use the admin API: a robot with opaque tokens, a machine with JWTs, and a tool for people.
func withAdmins(cfg *provider.Config) {
	robot := cfg.Clients[0]
	robot.ID, robot.GrantTypes, robot.BackchannelLogoutURI = "robot", []string{identity.GrantClientCredentials}, ""
	robot.Scope, robot.RedirectURIs, robot.PostLogoutRedirectURIs, robot.ResponseTypes = "openid exeunt.admin other", nil, nil, nil
	machine := robot
	machine.ID, machine.AccessTokenFormat = "machine", identity.AccessTokenJWT
	tool := cfg.Clients[0]
	tool.ID, tool.Scope, tool.BackchannelLogoutURI = "tool", "openid exeunt.admin", ""
	tool.RedirectURIs = []string{"https://tool.example.com/callback"}
	own := cfg.Clients[0]
	own.ID, own.GrantTypes, own.Scope = "own", []string{identity.GrantClientCredentials}, "x"
	cfg.Clients = append(cfg.Clients, robot, machine, tool, own)
	for i, c := range cfg.Clients {
		if c.ID == "wiki" {
			cfg.Clients[i].GrantTypes, cfg.Clients[i].Scope = append(c.GrantTypes, identity.GrantClientCredentials), c.Scope+" wiki"
		}
	}
}

// own returns an access token of a client's own.
func (w *world) own(client string, scope ...string) string {
	w.Helper()
	form := url.Values{"grant_type": {"client_credentials"}}
	if len(scope) > 0 {
		form.Set("scope", scope[0])
	}
	return w.as(client, form).tokens().access
}

// call is a request to the admin API with a token, and JSON if there is a body.
func (d *desk) call(token, method, path, body string) answer {
	d.Helper()
	r, err := http.NewRequestWithContext(d.Context(), method, d.admin+"/admin/api/v1"+path, strings.NewReader(body))
	must(d.T, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	must(d.T, err)
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	must(d.T, err)
	return answer{T: d.T, status: response.StatusCode, header: response.Header, body: string(read), url: r.URL}
}

// list returns the objects of a list, page by page.
func (d *desk) list(token, path, name string) []map[string]any {
	d.Helper()
	var all []map[string]any
	for cursor := ""; ; {
		more := path
		if cursor != "" {
			more += "&cursor=" + url.QueryEscape(cursor)
		}
		page := d.call(token, "GET", more, "").want(200).json()
		for _, item := range page[name].([]any) {
			all = append(all, item.(map[string]any))
		}
		if cursor, _ = page["next_cursor"].(string); cursor == "" {
			return all
		}
	}
}

func TestAdminAPI(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db, withAdmins)
		d.rps["wiki"].Answer(logouttest.Status(503))
		for range 2 {
			alice := d.browser()
			alice.firstSignOn("shop", "alice")
			alice.signOn("wiki")
			alice.get("/logout", url.Values{"client_id": {"shop"}}).want(200)
		}
		robot, machine := d.own("robot"), d.own("machine", "exeunt.admin")
		if strings.Count(machine, ".") != 2 {
			t.Fatalf("no JWT: %s", machine)
		}
		d.eventually("every first attempt is written", func() bool { return len(d.list(robot, "/deliveries?state=pending", "deliveries")) == 0 })

		for path, want := range map[string]int{
			"/deliveries?limit=1": 4, "/deliveries?state=dead": 2, "/deliveries?state=dead,delivered&limit=3": 4, "/deliveries?client_id=wiki&user=alice&since=1h&channel=backchannel": 2,
			"/deliveries?error=503": 2, "/deliveries?cause=admin": 0, "/deliveries?user=nobody": 0, "/deliveries?until=2001-01-01": 0,
		} {
			if got := d.list(machine, path, "deliveries"); len(got) != want {
				t.Errorf("%s: %d, want %d", path, len(got), want)
			}
		}
		dead := d.list(robot, "/deliveries?state=dead", "deliveries")[0]
		show := d.call(robot, "GET", "/deliveries/"+dead["id"].(string), "").want(200).json()
		tries := show["tries"].([]any)
		if len(tries) != 1 || tries[0].(map[string]any)["status"] != 503.0 || show["client_id"] != "wiki" || show["sub"] != d.subject("alice") || show["session_id"] == nil {
			t.Errorf("shown %v", show)
		}

		health := d.call(robot, "GET", "/clients/wiki", "").want(200).json()
		if health["given_up"] != 2.0 || health["last_day"].(map[string]any)["success"] != 0.0 || health["client_name"] != "The wiki" {
			t.Errorf("the wiki's health: %v", health)
		}
		shop := d.call(robot, "GET", "/clients/shop", "").want(200).json()
		if hour := shop["last_hour"].(map[string]any); hour["success"] != 1.0 || hour["told"] != 2.0 || shop["last_delivered_at"] == nil {
			t.Errorf("the shop's health: %v", shop)
		}
		if all := d.list(robot, "/clients?limit=3", "clients"); len(all) != 11 {
			t.Errorf("%d clients", len(all))
		}

		d.rps["wiki"].Answer(logouttest.Status(200))
		if n := d.call(robot, "POST", "/deliveries/"+dead["id"].(string)+"/redeliver", "").want(200).json()["redelivered"]; n != 1.0 {
			t.Errorf("redelivered %v", n)
		}
		d.eventuallyTold("wiki", 1)
		if n := d.call(robot, "POST", "/deliveries/redeliver", `{"client_id":"wiki","state":["dead","rejected"]}`).want(200).json()["redelivered"]; n != 1.0 {
			t.Errorf("redelivered %v", n)
		}
		d.eventuallyTold("wiki", 2)
		d.eventually("both are recorded", func() bool {
			return len(d.list(robot, "/deliveries?client_id=wiki&state=delivered", "deliveries")) == 2
		})
		if n := d.call(robot, "POST", "/deliveries/redeliver", `{"client_id":"wiki","since":"1h","include_delivered":true}`).want(200).json()["redelivered"]; n != 2.0 {
			t.Errorf("redelivered %v", n)
		}
		d.eventuallyTold("wiki", 4)

		logouts := d.list(robot, "/logouts?user=alice&limit=1", "logouts")
		if len(logouts) != 2 || logouts[0]["cause"] != "redirect" || logouts[0]["actor"].(map[string]any)["kind"] != "user" || logouts[0]["sub"] != d.subject("alice") {
			t.Errorf("logouts %v", logouts)
		}
		one := d.call(robot, "GET", "/logouts/"+logouts[0]["id"].(string), "").want(200).json()
		if len(one["receipts"].([]any)) != 2 || len(one["sessions"].([]any)) != 1 {
			t.Errorf("one logout %v", one)
		}

		bob, other := d.browser(), d.browser()
		bobs := bob.firstSignOn("shop", "bob")
		other.firstSignOn("shop", "bob")
		sessions := d.list(robot, "/sessions?user=bob&limit=1", "sessions")
		if len(sessions) != 2 || sessions[0]["username"] != "bob" || sessions[0]["clients"].([]any)[0] != "shop" {
			t.Fatalf("sessions %v", sessions)
		}
		// By a person: the logout is in their name.
		tool := d.browser()
		tokens := d.exchange("tool", tool.submit(tool.get("/authorize", request("tool", "scope", "openid exeunt.admin")), url.Values{"username": {"carol"}, "password": {"wonderland"}}).code())
		ended := d.call(tokens.access, "POST", "/sessions/"+sessions[1]["session_id"].(string)+"/end", "").want(200).json()
		if ended["ended"] != 1.0 || d.active("shop", bobs.access) {
			t.Errorf("ended %v", ended)
		}
		by := d.call(robot, "GET", "/logouts/"+ended["logout_id"].(string), "").want(200).json()["actor"].(map[string]any)
		if by["kind"] != "admin" || by["id"] != d.subject("carol") || by["address"] == nil {
			t.Errorf("by %v", by)
		}
		again := d.call(robot, "POST", "/sessions/"+sessions[1]["session_id"].(string)+"/end", "").want(200).json()
		if again["ended"] != 0.0 || again["logout_id"] != nil {
			t.Errorf("ended again: %v", again)
		}
		all := d.call(robot, "POST", "/sessions/end", `{"user":"bob"}`).want(200).json()
		if all["ended"] != 1.0 || len(d.list(robot, "/sessions?user=bob", "sessions")) != 0 {
			t.Errorf("ended %v", all)
		}
		if by := d.call(robot, "GET", "/logouts/"+all["logout_id"].(string), "").want(200).json()["actor"].(map[string]any); by["kind"] != "client" || by["id"] != "robot" {
			t.Errorf("by %v", by)
		}
	})
}

// Who may use it: 401 without a token or with a dead one, 403 with one that does not reach so far.
func TestAdminAPIAccess(t *testing.T) {
	d := newDesk(t, openDB(t), withAdmins)
	tokenOf := func(username string) tokens {
		t.Helper()
		tool := d.browser()
		page := tool.get("/authorize", request("tool", "scope", "openid exeunt.admin"))
		return d.exchange("tool", tool.submit(page, url.Values{"username": {username}, "password": {map[string]string{"alice": "wonderland", "carol": "wonderland"}[username]}}).code())
	}
	carol, robot := tokenOf("carol"), d.own("robot")
	paths := []string{"/deliveries", "/deliveries/x", "/clients", "/clients/shop", "/logouts", "/logouts/x", "/sessions"}
	actions := []string{"/deliveries/x/redeliver", "/deliveries/redeliver", "/sessions/x/end", "/sessions/end"}
	refused := func(what, token string, status int, code string) {
		t.Helper()
		try := func(method, path string) {
			t.Helper()
			a := d.call(token, method, path, "")
			if header := a.header.Get("WWW-Authenticate"); a.status != status || !strings.HasPrefix(header, `Bearer realm="`+d.url+`"`) || code != "" && !strings.Contains(header, `error="`+code+`"`) {
				t.Errorf("%s, %s %s: %d %s", what, method, path, a.status, header)
			}
		}
		for _, path := range paths {
			try("GET", path)
		}
		for _, path := range actions {
			try("POST", path)
		}
	}
	refused("no token", "", 401, "")
	refused("an unknown token", "x", 401, "invalid_token")
	refused("a refresh token", carol.refresh, 401, "invalid_token")
	refused("an ID token", carol.id, 401, "invalid_token")
	refused("a token without the scope", d.own("robot", "other"), 403, "insufficient_scope")
	refused("a token of somebody who is no administrator", tokenOf("alice").access, 403, "insufficient_scope")
	d.call(carol.access, "GET", "/deliveries", "").want(200)
	d.call(robot, "GET", "/deliveries", "").want(200)
	// The console's cookie opens no API, and a client that lost the scope has lost it at once.
	if a := d.carol().get("/admin/api/v1/deliveries", nil); a.status != 401 {
		t.Errorf("by cookie: %d", a.status)
	}
	user, err := d.operator.User(t.Context(), "carol")
	must(t, err)
	_, err = d.operator.DisableUser(t.Context(), user, logout.Actor{Kind: "admin"})
	must(t, err)
	refused("a disabled administrator's token", carol.access, 401, "invalid_token")
	must(t, d.db.Writer(t.Context()).Exec(`UPDATE clients SET metadata = replace(metadata, 'exeunt.admin', 'nothing') WHERE id = 'robot'`).Error)
	d.clock.Advance(31e9)
	refused("a client that lost the scope", robot, 403, "insufficient_scope")
	if a := d.program().get("/admin/api/v1/deliveries", nil); a.status != 404 {
		t.Errorf("on the public listener: %d", a.status)
	}
}

// What is wrong in a request is said, as JSON, and changes nothing.
func TestAdminAPIRefuses(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db, withAdmins)
		robot := d.own("robot")
		for _, path := range []string{"/deliveries?state=gone", "/deliveries?limit=0", "/deliveries?limit=501", "/deliveries?cursor=x", "/deliveries?since=yesterday", "/deliveries?cause=x", "/deliveries?client_id=%00", "/deliveries?user=%ff", "/logouts?cause=x", "/logouts?user=%00", "/clients?limit=x", "/clients?cursor=%ff", "/sessions?limit=-1", "/sessions?user=%00"} {
			d.call(robot, "GET", path, "").wantError(400, "invalid_request")
		}
		for _, path := range []string{"/deliveries/x", "/deliveries/%00", "/deliveries/%ff", "/clients/nobody", "/clients/%00", "/logouts/x", "/logouts/%ff"} {
			d.call(robot, "GET", path, "").wantError(404, "invalid_request")
		}
		for path, bodies := range map[string][]string{
			"/deliveries/redeliver": {"", "{}", "null", `{"include_delivered":true}`, `{"clientid":"shop"}`, `{"client_id":1}`, `{"client_id":"shop"} x`, `[]`, `{"state":["x"]}`, `{"client_id":"\u0000"}`, "\xff", `{"client_id":"` + strings.Repeat("x", 300) + `"}`},
			"/sessions/end":         {"", "{}", `{"client_id":"shop"}`, `{"everyone":true}`, `{"sub":"\u0000"}`, `{"user":"a","user":`},
		} {
			for _, body := range bodies {
				d.call(robot, "POST", path, body).wantError(400, "invalid_request")
			}
		}
		d.call(robot, "POST", "/deliveries/redeliver", `{"client_id":"`+strings.Repeat("x", 70<<10)+`"}`).want(413)
		d.call(robot, "POST", "/deliveries/x/redeliver", "").want(404)
		d.call(robot, "POST", "/sessions/x/end", "").want(404)
		d.call(robot, "DELETE", "/deliveries", "").want(405)
		d.call(robot, "GET", "/nowhere", "").want(404)
	})
}

// A relying party sees its own deliveries, and nothing by which it could recognise anybody else's.
func TestOwnDeliveries(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		d := newDesk(t, db, withAdmins)
		d.rps["wiki"].Answer(logouttest.Status(503))
		alice := d.browser()
		alice.firstSignOn("shop", "alice")
		alice.signOn("wiki")
		alice.signOn("mail")
		alice.get("/logout", url.Values{"client_id": {"shop"}}).want(200)
		robot := d.own("robot")
		d.eventually("every first attempt is written", func() bool { return len(d.list(robot, "/deliveries?state=pending", "deliveries")) == 0 })
		basic := func(client string) *agent {
			return d.program().with("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client)+":"+url.QueryEscape(secret))))
		}
		wiki, shop := basic("wiki"), basic("shop")
		read := func(a answer) []map[string]any {
			t.Helper()
			var page struct{ Deliveries []map[string]any }
			must(t, json.Unmarshal([]byte(a.want(200).body), &page))
			return page.Deliveries
		}
		mine := read(wiki.get("/api/deliveries", nil))
		if len(mine) != 1 || mine[0]["client_id"] != "wiki" || mine[0]["state"] != "dead" || mine[0]["sub"] != d.subject("alice") {
			t.Fatalf("the wiki sees %v", mine)
		}
		if mine[0]["session_id"] != nil || mine[0]["logout_id"] != nil {
			t.Errorf("the wiki sees what other clients could compare: %v", mine[0])
		}
		id := mine[0]["id"].(string)
		// By an access token of its own, by POST; with a filter; never another's.
		own := d.program().with("Authorization", "Bearer "+d.own("wiki", "wiki"))
		for what, a := range map[string]answer{
			"token": own.get("/api/deliveries", nil), "another's client_id": wiki.get("/api/deliveries", url.Values{"client_id": {"shop"}, "sub": {"x"}, "session_id": {"x"}}),
			"state": wiki.get("/api/deliveries", url.Values{"state": {"dead,rejected"}, "since": {"1h"}}), "post": wiki.post("/api/deliveries", url.Values{"state": {"dead"}}),
		} {
			if got := read(a); len(got) != 1 || got[0]["id"] != id {
				t.Errorf("%s: %v", what, got)
			}
		}
		if got := read(d.asAt("/api/deliveries", "mail", url.Values{})); len(got) != 1 || got[0]["client_id"] != "mail" {
			t.Errorf("the mail sees %v", got)
		}
		if tries := wiki.get("/api/deliveries/"+id, nil).want(200).json()["tries"].([]any); len(tries) != 1 {
			t.Errorf("tries %v", tries)
		}
		shop.get("/api/deliveries/"+id, nil).want(404)
		if n := shop.post("/api/deliveries/redeliver", url.Values{"delivery_id": {id}}).want(200).json()["redelivered"]; n != 0.0 {
			t.Errorf("the shop redelivered %v", n)
		}
		// It has mended itself.
		d.rps["wiki"].Answer(logouttest.Status(200))
		if n := wiki.post("/api/deliveries/redeliver", url.Values{}).want(200).json()["redelivered"]; n != 1.0 {
			t.Errorf("redelivered %v", n)
		}
		d.eventuallyTold("wiki", 1)
		if n := wiki.post("/api/deliveries/redeliver", url.Values{"since": {"1h"}}).want(200).json()["redelivered"]; n != 0.0 {
			t.Errorf("what was delivered was told again: %v", n)
		}

		// Who may not.
		for what, a := range map[string]answer{
			"nobody": d.program().get("/api/deliveries", nil), "wrong secret": d.program().with("Authorization", "Basic d2lraTp4").get("/api/deliveries", nil),
			"public client": d.program().post("/api/deliveries", url.Values{"client_id": {"app"}}), "a person's token": d.program().with("Authorization", "Bearer "+alice2(d).access).get("/api/deliveries", nil),
			"another method": d.program().post("/api/deliveries", url.Values{"client_id": {"wiki"}, "client_secret": {secret}}), "nobody, one": d.program().get("/api/deliveries/"+id, nil),
			"nobody, again": d.program().post("/api/deliveries/redeliver", nil),
		} {
			if a.status != 401 {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
		}
		wiki.get("/api/deliveries", url.Values{"client_secret": {"x"}}).wantError(400, "invalid_request")
		wiki.get("/api/deliveries", url.Values{"state": {"x"}}).wantError(400, "invalid_request")
		wiki.get("/api/deliveries/%ff", nil).want(404)
	})
}

// alice2 signs on once more.
func alice2(d *desk) tokens {
	d.Helper()
	return d.browser().firstSignOn("shop", "alice")
}
