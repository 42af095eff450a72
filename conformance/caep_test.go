package conformance

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// A logout in a browser becomes a security event token at a receiver by push and at one by poll: session and person, when, why and by whom.
func TestCAEP_3_1_SessionRevoked(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		sink := newSink(t)
		pushed, polled := w.ssfOf("pushed", managementScope), w.ssfOf("polled", managementScope)
		pushed.stream(object{"method": byPush, "endpoint_url": sink.server.URL + "/events", "authorization_header": "Bearer of the receiver"})
		mailbox := polled.stream(object{"method": byPoll})
		alice := w.browser()
		one := alice.firstSignOn("pushed", "alice")
		two := alice.signOn("polled")
		other := w.browser().firstSignOn("pushed", "alice") // another session, which lives on
		alice.get("/logout", values("client_id", "pushed"))

		want := func(set jwt, client, idToken string) {
			t.Helper()
			w.wantSET(set, client, sessionRevoked)
			subject := object{
				"format": "complex", "user": object{"format": "iss_sub", "iss": w.issuer, "sub": readJWT(idToken).claims["sub"]},
				"session": object{"format": "opaque", "id": sidOf(idToken)},
			}
			if !reflect.DeepEqual(set.claims["sub_id"], subject) {
				t.Errorf("sub_id %v, want %v", set.claims["sub_id"], subject)
			}
			event := set.event(sessionRevoked)
			admin, _ := event["reason_admin"].(object)
			user, _ := event["reason_user"].(object)
			if len(event) != 4 || event["event_timestamp"] != set.claims["iat"] || event["initiating_entity"] != "user" || admin["en"] == "" || admin["en"] == nil || user["en"] == nil {
				t.Errorf("event %v", event)
			}
		}
		w.eventually("the token is pushed", func() bool { return len(sink.events(sessionRevoked)) == 1 })
		p := sink.events(sessionRevoked)[0]
		want(p.set, "pushed", one.id)
		for name, value := range map[string]string{
			"Content-Type": "application/secevent+jwt", "Accept": "application/json", "Authorization": "Bearer of the receiver", "Cookie": "",
		} {
			if p.header.Get(name) != value {
				t.Errorf("%s: %q", name, p.header.Get(name))
			}
		}
		sets := polled.poll(mailbox, nil)
		if len(sets) != 1 {
			t.Fatalf("%d tokens to poll", len(sets))
		}
		for _, set := range sets {
			want(set, "polled", two.id)
			if set.claims["txn"] == p.set.claims["txn"] {
				t.Error("two receivers can tell by txn that they have a person in common")
			}
		}
		if !w.active("pushed", other.access) {
			t.Error("another session ended too")
		}
	})
}

// A changed password is told to the receivers that know the person, beside the sessions that it ends, as one transaction.
func TestCAEP_3_3_CredentialChange(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		polled := w.ssfOf("polled", managementScope)
		mailbox := polled.stream(object{"method": byPoll})
		got := w.browser().firstSignOn("polled", "alice")
		w.setPassword("alice", "another wonderland")
		kinds := map[string]jwt{}
		for _, set := range polled.poll(mailbox, nil) {
			for _, kind := range []string{sessionRevoked, credentialGone} {
				if set.event(kind) != nil {
					w.wantSET(set, "polled", kind)
					kinds[kind] = set
				}
			}
		}
		if len(kinds) != 2 {
			t.Fatalf("events %v", kinds)
		}
		changed := kinds[credentialGone]
		if want := (object{"format": "iss_sub", "iss": w.issuer, "sub": readJWT(got.id).claims["sub"]}); !reflect.DeepEqual(changed.claims["sub_id"], want) {
			t.Errorf("sub_id %v", changed.claims["sub_id"])
		}
		event := changed.event(credentialGone)
		if event["credential_type"] != "password" || event["change_type"] != "update" || event["initiating_entity"] != "admin" || event["reason_admin"] == nil {
			t.Errorf("event %v", event)
		}
		if by := kinds[sessionRevoked].event(sessionRevoked)["initiating_entity"]; by != "admin" {
			t.Errorf("the session was revoked by %v", by)
		}
	})
}

// A receiver hears of what it asked for, about the people that it has not removed.
func TestCAEP_OnlyWhatWasAskedFor(t *testing.T) {
	w := openAlone(t)
	polled := w.ssfOf("polled", managementScope)
	mailbox := polled.call(http.MethodPost, "/ssf/stream", object{"events_requested": []string{credentialGone}}).want(http.StatusCreated).json()
	alice := w.browser()
	alice.firstSignOn("polled", "alice")
	alice.get("/logout", values("client_id", "polled"))
	if sets := polled.poll(mailbox, nil); len(sets) != 0 {
		t.Errorf("it got %v", sets)
	}
}
