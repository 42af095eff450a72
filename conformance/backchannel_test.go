package conformance

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
)

// keys reads the published keys.
func (w *world) keys() *jose.JSONWebKeySet {
	w.Helper()
	set := &jose.JSONWebKeySet{}
	if err := json.Unmarshal([]byte(w.program().get("/keys", nil).want(200).body), set); err != nil {
		w.Fatal(err)
	}
	return set
}

// verified checks a token's signature with the published keys.
func (w *world) verified(token, alg string) {
	w.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		w.Fatal(err)
	}
	found := w.keys().Key(jws.Signatures[0].Protected.KeyID)
	if len(found) != 1 || found[0].Algorithm != alg {
		w.Fatalf("kid %q is published %d times", jws.Signatures[0].Protected.KeyID, len(found))
	}
	if _, err := jws.Verify(found[0]); err != nil {
		w.Fatal(err)
	}
}

const backchannelEvent = "http://schemas.openid.net/event/backchannel-logout"

// Header, claims, and nothing else; the request carries nothing but the token.
func TestBackChannelLogout_2_4_Token(t *testing.T) {
	for client, alg := range map[string]string{"shop": "RS256", "wiki": "ES256", "mail": "EdDSA"} {
		t.Run(client, func(t *testing.T) {
			w := open(t)
			alice := w.browser()
			got := alice.firstSignOn(client, "alice")
			id := readJWT(got.id)
			alice.get("/logout", values("client_id", client))
			all := w.receiver.to(client, sidOf(got.id))
			if len(all) != 1 {
				t.Fatalf("%d requests", len(all))
			}
			d := all[0]
			w.verified(strings.Join(d.token.parts, "."), alg)
			if len(d.token.header) != 3 || d.token.header["typ"] != "logout+jwt" || d.token.header["alg"] != alg || d.token.header["kid"] == "" {
				t.Errorf("header %v", d.token.header)
			}
			now := float64(w.clock.Now().Unix())
			iat, _ := d.token.claims["iat"].(float64)
			exp, _ := d.token.claims["exp"].(float64)
			if now-iat > 5 || iat > now || exp <= iat || exp-iat > 120 {
				t.Errorf("iat %v, exp %v, now %v", iat, exp, now)
			}
			jti, _ := d.token.claims["jti"].(string)
			if len(jti) < 16 {
				t.Errorf("jti %q", jti)
			}
			want := map[string]any{
				"iss": w.issuer, "aud": client, "sub": id.claims["sub"], "sid": id.claims["sid"], "iat": iat, "exp": exp, "jti": jti,
				"events": map[string]any{backchannelEvent: map[string]any{}},
			}
			if !reflect.DeepEqual(d.token.claims, want) {
				t.Errorf("claims %v, want %v", d.token.claims, want)
			}
			if form, err := url.ParseQuery(d.body); err != nil || len(form) != 1 || len(form["logout_token"]) != 1 {
				t.Errorf("body %q", d.body)
			}
			if d.header.Get("Content-Type") != formType || d.header.Get(logout.DeliveryIDHeader) == "" || d.header.Get("Cookie") != "" {
				t.Errorf("headers %v", d.header)
			}
		})
	}
}

// sid is per session and client; one token for each participation, whatever was refreshed or expired meanwhile.
func TestBackChannelLogout_2_1_SID(t *testing.T) {
	w := open(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	again, wiki := alice.signOn("shop"), alice.signOn("wiki")
	if sidOf(again.id) != sidOf(shop.id) {
		t.Error("another sid for the same session and client")
	}
	if sidOf(wiki.id) == sidOf(shop.id) || sidOf(shop.id) == "" {
		t.Error("two clients see the same sid")
	}
	refreshed := w.refresh("shop", shop.refresh, "scope", "openid").tokens()
	if sidOf(refreshed.id) != sidOf(shop.id) {
		t.Error("sid does not survive the refresh")
	}
	other := w.browser().firstSignOn("shop", "alice") // another browser of the same user
	w.clock.Advance(time.Hour)                        // all access and ID tokens have expired
	alice.get("/logout", values("client_id", "shop"))
	if w.told(shop.id) != 1 || w.told(wiki.id) != 1 {
		t.Errorf("shop was told %d times, wiki %d times", w.told(shop.id), w.told(wiki.id))
	}
	if w.told(other.id) != 0 {
		t.Error("another session of the user was told")
	}
	w.refresh("shop", other.refresh).want(200)
}

// What the endpoint answers decides: 2xx acknowledges; redirects are not followed; retries carry a fresh token under the same id.
func TestBackChannelLogout_2_8_Answers(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	invalid := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_request"}`))
	}
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}
	tests := map[string]struct {
		answer http.HandlerFunc
		states []logout.State // that the delivery may be in after its first attempt
	}{
		"200":                       {status(200), []logout.State{logout.StateDelivered}},
		"201":                       {status(201), []logout.State{logout.StateDelivered}},
		"202":                       {status(202), []logout.State{logout.StateDelivered}},
		"204":                       {status(204), []logout.State{logout.StateDelivered}},
		"307":                       {redirect, []logout.State{logout.StateRetrying}},
		"400 without invalid":       {status(400), []logout.State{logout.StateRetrying}},
		"400 invalid_request, once": {invalid, []logout.State{logout.StateRetrying}},
		"401":                       {status(401), []logout.State{logout.StateRetrying}},
		"403":                       {status(403), []logout.State{logout.StateRetrying}},
		"404":                       {status(404), []logout.State{logout.StateRetrying}},
		"408":                       {status(408), []logout.State{logout.StateRetrying}},
		"410":                       {status(410), []logout.State{logout.StateRetrying}},
		"425":                       {status(425), []logout.State{logout.StateRetrying}},
		"429":                       {status(429), []logout.State{logout.StateRetrying}},
		"500":                       {status(500), []logout.State{logout.StateRetrying}},
		"503":                       {status(503), []logout.State{logout.StateRetrying}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := openAlone(t) // a receiver that refuses again and again is left alone for a while, by all tests
			alice := w.browser()
			wiki := alice.firstSignOn("wiki", "alice")
			batch := alice.signOn("batch")
			w.receiver.answers(sidOf(wiki.id), test.answer)
			alice.get("/logout", values("client_id", "batch"))
			if w.told(batch.id) != 1 {
				t.Error("the others were not told at once")
			}
			w.eventually("the first attempt", func() bool { return w.told(wiki.id) >= 1 })
			w.receiver.answers(sidOf(wiki.id), nil)
			if state := w.deliveryState(sidOf(wiki.id)); !slices.Contains(test.states, state) {
				t.Errorf("the delivery is %s", state)
			}
			if len(w.receiver.got["elsewhere"]) > 0 {
				t.Error("the redirect was followed")
			}
		})
	}
}

// deliveryState waits for the first attempt to be settled and returns the delivery's state.
func (w *world) deliveryState(sid string) logout.State {
	w.Helper()
	var state string
	w.eventually("the attempt is settled", func() bool {
		if err := w.db.Reader(w.Context()).Raw("SELECT state FROM logout_deliveries WHERE sid = ?", sid).Scan(&state).Error; err != nil {
			w.Fatal(err)
		}
		return logout.State(state) != logout.StatePending
	})
	return logout.State(state)
}

// A retry carries a fresh token, so that no replay check refuses it, and the same delivery id.
func TestBackChannelLogout_2_5_RetryIsFresh(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http") // its clock is not moved: retries are made by real time
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")
	sid := sidOf(shop.id)
	w.receiver.answers(sid, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	alice.get("/logout", values("client_id", "shop"))
	if state := w.deliveryState(sid); state != logout.StateRetrying {
		t.Fatalf("the delivery is %s", state)
	}
	w.receiver.answers(sid, nil)
	w.eventually("it is tried again", func() bool { return w.told(shop.id) >= 2 })
	all := w.receiver.to("shop", sid)
	first, second := all[0], all[1]
	if first.header.Get(logout.DeliveryIDHeader) != second.header.Get(logout.DeliveryIDHeader) {
		t.Error("another delivery id")
	}
	if first.token.claims["jti"] == second.token.claims["jti"] || first.token.parts[2] == second.token.parts[2] {
		t.Error("the same token again")
	}
	if !reflect.DeepEqual(first.token.claims["events"], second.token.claims["events"]) || first.token.claims["sub"] != second.token.claims["sub"] {
		t.Errorf("another meaning: %v, %v", first.token.claims, second.token.claims)
	}
}

// A relying party that never answers delays neither the user nor the others.
func TestBackChannelLogout_2_5_OneHangs(t *testing.T) {
	w := open(t)
	alice := w.browser()
	wiki := alice.firstSignOn("wiki", "alice")
	shop, mail := alice.signOn("shop"), alice.signOn("mail")
	done := make(chan struct{})
	defer close(done)
	w.receiver.answers(sidOf(wiki.id), func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	began := time.Now()
	alice.get("/logout", values("client_id", "shop", "redirect_uri", bye("shop"))).wantRedirect(bye("shop"))
	if waited := time.Since(began); waited > 4*time.Second {
		t.Errorf("the user waited %s, the bound is 2 s", waited)
	}
	if w.told(shop.id) != 1 || w.told(mail.id) != 1 {
		t.Error("the others were not told")
	}
}

// Offline grants outlive an ordinary logout; what is refreshed afterwards has no sid.
func TestBackChannelLogout_2_7_OfflineAccess(t *testing.T) {
	w := open(t)
	alice := w.browser()
	offline := alice.firstSignOn("shop", "alice", "scope", "openid profile offline_access")
	bound := alice.signOn("wiki")
	alice.get("/logout", values("client_id", "shop"))
	w.refresh("wiki", bound.refresh).wantError(400, "invalid_grant")
	got := w.refresh("shop", offline.refresh).tokens()
	claims := readJWT(got.id).claims
	if _, ok := claims["sid"]; ok || claims["sub"] != readJWT(offline.id).claims["sub"] {
		t.Errorf("ID token after the logout: %v", claims)
	}
	w.userinfo(got.access).want(200)
}

// A client without an endpoint is not told, and shown as such; the others are.
func TestBackChannelLogout_2_2_Unreachable(t *testing.T) {
	w := open(t)
	alice := w.browser()
	quiet := alice.firstSignOn("quiet", "alice")
	shop := alice.signOn("shop")
	page := alice.get("/logout", values("client_id", "quiet")).wantPage(200, "The quiet")
	if w.told(shop.id) != 1 || w.deliveryState(sidOf(quiet.id)) != logout.StateUnreachable {
		t.Errorf("shop was told %d times, quiet is %s", w.told(shop.id), w.deliveryState(sidOf(quiet.id)))
	}
	if strings.Contains(page.body, "alice") {
		t.Error("the done page names the person")
	}
}
