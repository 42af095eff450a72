package conformance

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// logOut lets a person log in at a client and out again, and returns the ID token.
func (w *world) logOut(client, username string) string {
	w.Helper()
	a := w.browser()
	got := a.firstSignOn(client, username)
	a.get("/logout", values("client_id", client))
	return got.id
}

// deliveries are those of a client, newest first.
func (w *world) deliveries(client string) []logout.Delivery {
	w.Helper()
	all, err := logoutstore.New(w.db).List(w.Context(), logout.Filter{ClientID: client})
	if err != nil {
		w.Fatal(err)
	}
	return all
}

// Enabled, paused, disabled: a paused stream holds its events and delivers them once it is enabled, a disabled one drops them. By push and poll.
func TestSSF_8_1_2_Status(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		sink := newSink(t)
		pushed, polled := w.ssfOf("pushed", managementScope), w.ssfOf("polled", managementScope)
		push := pushed.stream(object{"method": byPush, "endpoint_url": sink.server.URL})["stream_id"]
		mailbox := polled.stream(object{"method": byPoll})
		poll := mailbox["stream_id"]
		both := func(status string) {
			t.Helper()
			pushed.status(push, status).want(http.StatusOK)
			polled.status(poll, status).want(http.StatusOK)
		}
		status := func(want object) {
			t.Helper()
			if got := pushed.get("/ssf/status?stream_id="+push.(string), nil).want(http.StatusOK).json(); !reflect.DeepEqual(got, want) {
				t.Errorf("status %v, want %v", got, want)
			}
		}
		status(object{"stream_id": push, "status": "enabled"})
		want := object{"stream_id": push, "status": "paused", "reason": "maintenance"}
		if got := pushed.call(http.MethodPost, "/ssf/status", want).want(http.StatusOK).json(); !reflect.DeepEqual(got, want) {
			t.Errorf("%v", got)
		}
		status(want)
		both("paused")
		w.logOut("pushed", "alice")
		w.logOut("polled", "alice")
		if sets := polled.poll(mailbox, nil); len(sets) != 0 {
			t.Errorf("a paused stream gave %v", sets)
		}
		held := w.deliveries("pushed")
		if len(held) != 1 || held[0].State != logout.StateUnconfirmed || held[0].Attempts != 0 || held[0].LastError == "" || len(sink.events(sessionRevoked)) != 0 {
			t.Fatalf("paused: %+v", held)
		}
		both("enabled")
		w.eventually("what was held is pushed", func() bool { return len(sink.events(sessionRevoked)) == 1 })
		sets := polled.poll(mailbox, nil)
		if len(sets) != 1 {
			t.Fatalf("%d tokens to poll", len(sets))
		}
		w.eventually("it is delivered", func() bool { return w.deliveries("pushed")[0].State == logout.StateDelivered })

		both("disabled")
		w.logOut("pushed", "alice")
		w.logOut("polled", "alice")
		dropped := w.deliveries("polled")[1]
		if dropped.State != logout.StateUnreachable || dropped.LastError != "dropped: the stream was disabled" {
			t.Errorf("what the disabled stream still held: %+v", dropped)
		}
		both("enabled")
		w.logOut("pushed", "alice")
		w.eventually("the next one is pushed", func() bool { return len(sink.events(sessionRevoked)) >= 2 })
		if n := len(sink.events(sessionRevoked)); n != 2 {
			t.Errorf("%d were pushed, want none of the time when it was disabled", n)
		}
		if sets := polled.poll(mailbox, nil); len(sets) != 0 {
			t.Errorf("a stream that was disabled gave %v", sets)
		}

		for _, body := range []object{{"stream_id": push}, {"stream_id": push, "status": "off"}, {"status": "enabled"}, {"stream_id": push, "status": "enabled", "reason": 1}} {
			pushed.call(http.MethodPost, "/ssf/status", body).wantError(http.StatusBadRequest, "invalid_request")
		}
		pushed.get("/ssf/status", nil).wantError(http.StatusBadRequest, "invalid_request")
		for _, id := range []any{poll, "nothing", "\x00"} {
			pushed.status(id, "enabled").wantError(http.StatusNotFound, "not_found")
		}
		pushed.get("/ssf/status?stream_id="+poll.(string), nil).wantError(http.StatusNotFound, "not_found")
	})
}

// A stream that changes its method or address takes its events along.
func TestSSF_8_1_1_3_EventsFollow(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		sink, other := newSink(t), newSink(t)
		sink.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
		s := w.ssfOf("pushed", managementScope)
		id := s.stream(object{"method": byPush, "endpoint_url": sink.server.URL, "authorization_header": "secret"})["stream_id"]
		w.logOut("pushed", "alice")
		w.eventually("the first attempt fails", func() bool { return w.deliveries("pushed")[0].State == logout.StateRetrying })
		deliver := func(delivery object) object {
			t.Helper()
			return s.call(http.MethodPatch, "/ssf/stream", object{"stream_id": id, "delivery": delivery}).want(http.StatusOK).json()
		}
		mailbox := deliver(object{"method": byPoll})
		if sets := s.poll(mailbox, nil); len(sets) != 1 || w.deliveries("pushed")[0].State != logout.StateUnconfirmed {
			t.Errorf("%d to poll, %+v", len(sets), w.deliveries("pushed"))
		}
		deliver(object{"method": byPush, "endpoint_url": other.server.URL})
		w.eventually("it arrives at the new address", func() bool { return len(other.events(sessionRevoked)) == 1 })
		got := other.events(sessionRevoked)[0]
		if got.header.Get("Authorization") != "" {
			t.Error("the new address was sent the old one's authorization")
		}
		if first := sink.events(sessionRevoked)[0].set; first.claims["jti"] != got.set.claims["jti"] {
			t.Errorf("jti %v, then %v", first.claims["jti"], got.set.claims["jti"])
		}
		// The same address keeps its header, unless it is taken away.
		deliver(object{"method": byPush, "endpoint_url": sink.server.URL, "authorization_header": "secret"})
		deliver(object{"method": byPush, "endpoint_url": sink.server.URL})
		sink.answers(nil)
		for _, want := range []string{"secret", ""} {
			before := len(sink.events(sessionRevoked))
			w.logOut("pushed", "alice")
			w.eventually("it is pushed", func() bool { return len(sink.events(sessionRevoked)) > before })
			if got := sink.events(sessionRevoked)[before].header.Get("Authorization"); got != want {
				t.Errorf("Authorization %q, want %q", got, want)
			}
			deliver(object{"method": byPush, "endpoint_url": sink.server.URL, "authorization_header": nil})
		}
	})
}

// Subjects: the answers tell nothing; who is removed is not told about until they are added again.
func TestSSF_8_1_3_Subjects(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		s := w.ssfOf("polled", managementScope)
		mailbox := s.stream(object{"method": byPoll})
		id := mailbox["stream_id"]
		person, _ := readJWT(w.logOut("polled", "alice")).claims["sub"].(string)
		if sets := s.poll(mailbox, nil); len(sets) != 1 {
			t.Fatalf("by default everybody is in: %d", len(sets))
		}
		known := 1
		issSub := func(sub string) object { return object{"format": "iss_sub", "iss": w.issuer, "sub": sub} }
		for _, subject := range []object{
			issSub(person), {"format": "email", "email": "alice@example.com"}, {"format": "complex", "user": issSub(person)},
		} {
			s.call(http.MethodPost, "/ssf/subjects/remove", object{"stream_id": id, "subject": subject}).want(http.StatusNoContent)
			w.logOut("polled", "alice")
			w.logOut("polled", "bob")
			known++ // bob's
			if sets := s.poll(mailbox, nil); len(sets) != known {
				t.Errorf("after %v was removed: %d tokens, want %d", subject, len(sets), known)
			}
			s.call(http.MethodPost, "/ssf/subjects/add", object{"stream_id": id, "subject": subject, "verified": true}).want(http.StatusOK)
			w.logOut("polled", "alice")
			known++
			if sets := s.poll(mailbox, nil); len(sets) != known {
				t.Errorf("after %v was added: %d tokens, want %d", subject, len(sets), known)
			}
		}
		// Whoever they are, the answer is the same, to the byte.
		answers := map[string]bool{}
		for _, subject := range []object{
			issSub(person), issSub("nobody"), issSub("\x00"),
			{"format": "iss_sub", "iss": "https://example.org", "sub": person},
			{"format": "email", "email": "alice@example.com"},
			{"format": "email", "email": "nobody@example.com"},
			{"format": "opaque", "id": id},
			{"format": "phone_number", "phone_number": "+12065550100"},
			{"format": "complex", "user": issSub(person), "device": object{"format": "opaque", "id": "x"}},
			{"format": "complex", "tenant": object{"format": "opaque", "id": "x"}},
		} {
			for path, status := range map[string]int{"/ssf/subjects/add": http.StatusOK, "/ssf/subjects/remove": http.StatusNoContent, "/ssf/subjects/add?": http.StatusOK} {
				a := s.call(http.MethodPost, path, object{"stream_id": id, "subject": subject}).want(status)
				answers[path+a.body+a.header.Get("Content-Type")] = true
			}
		}
		if len(answers) != 3 {
			t.Errorf("answers differ: %v", answers)
		}
		for _, subject := range []any{nil, "x", object{}, object{"format": 1}, object{"format": "iss_sub", "sub": "x"}, object{"format": "email"}, object{"format": "complex", "user": "x"}, object{"format": "complex", "user": object{"format": "complex", "user": "x"}}} {
			s.call(http.MethodPost, "/ssf/subjects/remove", object{"stream_id": id, "subject": subject}).wantError(http.StatusBadRequest, "invalid_request")
		}
		s.call(http.MethodPost, "/ssf/subjects/add", object{"stream_id": "nothing", "subject": issSub(person)}).wantError(http.StatusNotFound, "not_found")
	})
}

// Verification: over the stream, with the state that was given and none if none was, not too often.
func TestSSF_8_1_4_Verification(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		sink := newSink(t)
		pushed, polled := w.ssfOf("pushed", managementScope), w.ssfOf("polled", managementScope)
		push := pushed.stream(object{"method": byPush, "endpoint_url": sink.server.URL})["stream_id"]
		mailbox := polled.stream(object{"method": byPoll})
		check := func(set jwt, client string, id any, payload object) {
			t.Helper()
			w.wantSET(set, client, verification)
			if subject := (object{"format": "opaque", "id": id}); !reflect.DeepEqual(set.claims["sub_id"], subject) || !reflect.DeepEqual(set.event(verification), payload) {
				t.Errorf("sub_id %v, event %v", set.claims["sub_id"], set.event(verification))
			}
		}
		for n, state := range []any{"VGhpcyBpcyBhIHN0YXRl\n\x00ü", nil, ""} {
			body, payload := object{"stream_id": push}, object{}
			if state != nil {
				body["state"], payload["state"] = state, state
			}
			if a := pushed.call(http.MethodPost, "/ssf/verify", body).want(http.StatusNoContent); a.body != "" {
				t.Errorf("body %q", a.body)
			}
			w.eventually("the event is pushed", func() bool { return len(sink.events(verification)) > n })
			check(sink.events(verification)[n].set, "pushed", push, payload)
			if pushed.call(http.MethodPost, "/ssf/verify", body).wantError(http.StatusTooManyRequests, "too_many_requests").header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			w.clock.Advance(9500 * time.Millisecond) // a receiver whose clock is a little fast
		}
		body := object{"stream_id": mailbox["stream_id"], "state": "x"}
		polled.call(http.MethodPost, "/ssf/verify", body).want(http.StatusNoContent)
		sets := polled.poll(mailbox, nil)
		for _, set := range sets {
			check(set, "polled", mailbox["stream_id"], object{"state": "x"})
		}
		if len(sets) != 1 {
			t.Errorf("%d tokens", len(sets))
		}
		for _, bad := range []object{{}, {"stream_id": push, "state": 1}} {
			pushed.call(http.MethodPost, "/ssf/verify", bad).wantError(http.StatusBadRequest, "invalid_request")
		}
		pushed.call(http.MethodPost, "/ssf/verify", body).wantError(http.StatusNotFound, "not_found") // the other receiver's
		pushed.status(push, "disabled").want(http.StatusOK)
		pushed.call(http.MethodPost, "/ssf/verify", object{"stream_id": push}).wantError(http.StatusBadRequest, "invalid_request")
	})
}

// An operator who stops or starts a stream tells its receiver so, over the stream although it stops.
func TestSSF_8_1_5_StreamUpdated(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		sink := newSink(t)
		pushed, polled := w.ssfOf("pushed", managementScope), w.ssfOf("polled", managementScope)
		push := pushed.stream(object{"method": byPush, "endpoint_url": sink.server.URL})["stream_id"]
		mailbox := polled.stream(object{"method": byPoll})
		o := w.operator()
		for n, status := range []logout.StreamStatus{logout.StreamPaused, logout.StreamEnabled, logout.StreamDisabled} {
			for _, client := range []string{"pushed", "polled"} {
				if err := o.SetStreamStatus(t.Context(), client, status, "maintenance", logout.Actor{Kind: "admin"}); err != nil {
					t.Fatal(err)
				}
			}
			w.logOut("polled", "alice") // is held, given out, and dropped
			w.eventually("the event is pushed", func() bool { return len(sink.events(streamUpdated)) > n })
			set := sink.events(streamUpdated)[n].set
			w.wantSET(set, "pushed", streamUpdated)
			if want := (object{"status": string(status), "reason": "maintenance"}); !reflect.DeepEqual(set.event(streamUpdated), want) ||
				!reflect.DeepEqual(set.claims["sub_id"], object{"format": "opaque", "id": push}) {
				t.Errorf("event %v about %v", set.event(streamUpdated), set.claims["sub_id"])
			}
			updates, others := 0, 0
			for _, set := range polled.poll(mailbox, nil) {
				if set.event(streamUpdated) != nil {
					updates++
				} else {
					others++
				}
			}
			if updates != n+1 || others != []int{0, 2, 0}[n] {
				t.Errorf("%s: %d updates and %d other events to poll", status, updates, others)
			}
			if got := pushed.get("/ssf/status?stream_id="+push.(string), nil).json(); got["status"] != string(status) || got["reason"] != "maintenance" {
				t.Errorf("status %v", got)
			}
		}
		if err := o.SetStreamStatus(t.Context(), "shop", logout.StreamPaused, "", logout.Actor{Kind: "admin"}); err == nil {
			t.Error("a client without a stream")
		}
	})
}
