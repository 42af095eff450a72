package conformance

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// What a receiver answers to a push decides: 202 acknowledges, some errors refuse, all else is tried again with the same token.
func TestRFC8935_2_Answers(t *testing.T) {
	shared := openAlone(t)
	for _, test := range []struct {
		name, contentType, body string
		status                  int
		state                   logout.State
		rejections              int
	}{
		{"202", "", "", 202, logout.StateDelivered, 0},
		{"200", "", "", 200, logout.StateRetrying, 0},
		{"204", "", "", 204, logout.StateRetrying, 0},
		{"307", "", "", 307, logout.StateRetrying, 0},
		{"invalid_request", jsonType, `{"err":"invalid_request","description":"no"}`, 400, logout.StateRetrying, 1},
		{"invalid_issuer", jsonType, `{"err":"invalid_issuer","description":"no"}`, 400, logout.StateRetrying, 1},
		{"invalid_audience", jsonType + ";charset=utf-8", `{"err":"invalid_audience"}`, 400, logout.StateRetrying, 1},
		{"invalid_key", jsonType, `{"err":"invalid_key","description":"fetching"}`, 400, logout.StateRetrying, 0},
		{"authentication_failed", jsonType, `{"err":"authentication_failed"}`, 400, logout.StateRetrying, 0},
		{"access_denied", jsonType, `{"err":"access_denied"}`, 400, logout.StateRetrying, 0},
		{"400 of a proxy", "text/html", `{"err":"invalid_request"}`, 400, logout.StateRetrying, 0},
		{"401", jsonType, `{"err":"invalid_request"}`, 401, logout.StateRetrying, 0},
		{"404", "", "", 404, logout.StateRetrying, 0},
		{"500", "", "", 500, logout.StateRetrying, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &world{T: t, place: shared.place}
			w.forgetStream("pushed")
			sink := newSink(t)
			sink.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				w.Header().Set("Location", "https://elsewhere.example.com/")
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			w.ssfOf("pushed", managementScope).stream(object{"method": byPush, "endpoint_url": sink.server.URL})
			w.logOut("pushed", "alice")
			var d logout.Delivery
			w.eventually("the attempt is recorded", func() bool { d = w.deliveries("pushed")[0]; return d.Attempts == 1 })
			if d.State != test.state || d.Rejections != test.rejections || d.LastStatus != test.status || d.Channel != logout.ChannelCAEP {
				t.Errorf("%+v", d)
			}
		})
	}
}

// forgetStream deletes the stream that another test left.
func (w *world) forgetStream(client string) {
	w.Helper()
	for _, s := range w.streams(client) {
		w.ssfOf(client, managementScope).call(http.MethodDelete, "/ssf/stream?stream_id="+s, nil).want(http.StatusNoContent)
	}
}

// streams are the ids of a client's streams.
func (w *world) streams(client string) []string {
	w.Helper()
	all, err := w.operator().Streams(w.Context(), client)
	if err != nil {
		w.Fatal(err)
	}
	var ids []string
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

// A receiver that is down hears of it when it is back, by the very same token: jti identifies the event (RFC 8417, 2.2).
func TestRFC8935_2_ReceiverComesBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		sink := newSink(t)
		sink.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
		w.ssfOf("pushed", managementScope).stream(object{"method": byPush, "endpoint_url": sink.server.URL})
		w.logOut("pushed", "alice")
		w.eventually("the first attempt fails", func() bool { return len(sink.events(sessionRevoked)) > 0 })
		sink.answers(nil)
		w.eventually("it is delivered", func() bool { return w.deliveries("pushed")[0].State == logout.StateDelivered })
		got := sink.events(sessionRevoked)
		if len(got) < 2 || got[0].body != got[len(got)-1].body || got[0].set.claims["jti"] != w.deliveries("pushed")[0].ID {
			t.Errorf("%d pushes: %v, %v", len(got), got[0].set.claims, got[len(got)-1].set.claims)
		}
	})
}

// Polling: the same tokens until they are acknowledged or refused, as many as are wanted, oldest first; acknowledging alone.
func TestRFC8936_2_Poll(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		s := w.ssfOf("polled", managementScope)
		mailbox := s.stream(object{"method": byPoll})
		ids := func(sets map[string]jwt) []string { return slices.Sorted(maps.Keys(sets)) }
		if sets := s.poll(mailbox, nil); len(sets) != 0 {
			t.Fatalf("%v", sets)
		}
		for range 3 {
			w.logOut("polled", "alice")
		}
		all := ids(s.poll(mailbox, object{"unknown": 1}))
		if len(all) != 3 || !slices.Equal(all, ids(s.poll(mailbox, nil))) {
			t.Fatalf("%v", all)
		}
		for _, set := range s.poll(mailbox, nil) {
			w.wantSET(set, "polled", sessionRevoked)
		}
		// 2.2 maxEvents, 2.3 moreAvailable
		endpoint, _ := mailbox["delivery"].(object)["endpoint_url"].(string)
		more := func(max int) (int, any) {
			a := s.call(http.MethodPost, endpoint, object{"maxEvents": max, "returnImmediately": true}).want(http.StatusOK).json()
			return len(a["sets"].(object)), a["moreAvailable"]
		}
		for max, want := range map[int][2]any{1: {1, true}, 2: {2, true}, 3: {3, nil}, 10: {3, nil}, 0: {0, nil}} {
			if n, available := more(max); n != want[0] || available != want[1] {
				t.Errorf("maxEvents %d: %d, moreAvailable %v; want %v", max, n, available, want)
			}
		}
		// 2.4.2 acknowledge only; another stream's, unknown and broken ones are passed over.
		if got := s.poll(mailbox, object{"maxEvents": 0, "ack": []string{all[0], "unknown", "\x00", all[0], logout.NewID()}}); len(got) != 0 {
			t.Errorf("%v", got)
		}
		// 2.4.4 refuse and poll in one
		left := ids(s.poll(mailbox, object{"setErrs": object{all[1]: object{"err": "invalid_issuer", "description": "who are you?\x00"}}}))
		if !slices.Equal(left, all[2:]) {
			t.Errorf("left %v, want %v", left, all[2:])
		}
		states := map[string]logout.Delivery{}
		for _, d := range w.deliveries("polled") {
			states[d.ID] = d
		}
		d := states[all[1]]
		if states[all[0]].State != logout.StateDelivered || d.State != logout.StateRejected || !strings.Contains(d.LastError, "invalid_issuer") || states[all[2]].State != logout.StateUnconfirmed {
			t.Errorf("%+v", states)
		}
		// What is settled stays so.
		s.poll(mailbox, object{"ack": all[1:2], "setErrs": object{all[0]: object{"err": "invalid_request", "description": "late"}}})
		if after := w.deliveries("polled"); after[1] != d || after[2] != states[all[0]] {
			t.Errorf("%+v", after)
		}
		// An operator gives it out again.
		if n, err := w.provider.Engine().Redeliver(t.Context(), logout.Filter{DeliveryID: all[1]}); n != 1 || err != nil {
			t.Fatalf("redelivered %d, %v", n, err)
		}
		if again := ids(s.poll(mailbox, nil)); !slices.Equal(again, all[1:]) {
			t.Errorf("%v", again)
		}
		for _, bad := range []string{`{"maxEvents":-1}`, `{"maxEvents":"1"}`, `{"ack":"x"}`, `{"setErrs":[]}`, `{"returnImmediately":"yes"}`, `{"maxEvents":1.5}`} {
			s.call(http.MethodPost, endpoint, bad).wantError(http.StatusBadRequest, "invalid_request")
		}
		other := w.ssfOf("pushed", managementScope)
		other.call(http.MethodPost, endpoint, object{"ack": all}).wantError(http.StatusNotFound, "not_found")
		push := other.stream(object{"method": byPush, "endpoint_url": "https://receiver.example.com/"})["stream_id"]
		other.call(http.MethodPost, fmt.Sprint("/ssf/poll/", push), object{}).wantError(http.StatusBadRequest, "invalid_request")
	})
}

// A poll waits until there is something, and no longer than the provider lives.
func TestRFC8936_2_LongPoll(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		s := w.ssfOf("polled", managementScope)
		endpoint, _ := s.stream(object{"method": byPoll})["delivery"].(object)["endpoint_url"].(string)
		poll := func() <-chan answer {
			got := make(chan answer, 1)
			go func() { got <- s.call(http.MethodPost, endpoint, object{}) }()
			return got
		}
		first := poll()
		w.logOut("polled", "alice")
		got := (<-first).want(http.StatusOK).json()["sets"].(object)
		if len(got) != 1 {
			t.Fatalf("%v", got)
		}
		s.call(http.MethodPost, endpoint, object{"ack": slices.Collect(maps.Keys(got)), "maxEvents": 0}).want(http.StatusOK)
		start := time.Now()
		second := poll()
		select {
		case a := <-second:
			t.Fatalf("it did not wait: %s", a)
		case <-time.After(50 * time.Millisecond):
		}
		w.provider.Drain()
		if sets := (<-second).want(http.StatusOK).json()["sets"].(object); len(sets) != 0 || time.Since(start) > 20*time.Second {
			t.Errorf("%v after %s", sets, time.Since(start))
		}
	})
}

// A stream outlives the node that made it; what its receiver wants to hear is encrypted, and shown by nobody.
func TestSSF_8_1_1_Restart(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		const header = "Bearer whisper-of-the-receiver"
		sink := newSink(t)
		before, err := newPlace(t.Context(), db, "http")
		if err != nil {
			t.Fatal(err)
		}
		w := &world{T: t, place: before}
		s := w.ssfOf("pushed", managementScope)
		created := s.call(http.MethodPost, "/ssf/stream", object{"delivery": object{"method": byPush, "endpoint_url": sink.server.URL, "authorization_header": header}}).
			want(http.StatusCreated)
		read := s.call(http.MethodGet, "/ssf/stream", nil).want(http.StatusOK)
		if strings.Contains(created.body+read.body, "whisper") || strings.Contains(created.body, "authorization_header") {
			t.Errorf("the header is shown: %s %s", created, read)
		}
		var sealed []byte
		if err := db.Reader(t.Context()).Raw("SELECT authorization_sealed FROM ssf_streams").Row().Scan(&sealed); err != nil || len(sealed) < len(header) || strings.Contains(string(sealed), "whisper") {
			t.Errorf("in the database: %q, %v", sealed, err)
		}
		if err := before.close(); err != nil {
			t.Fatal(err)
		}
		again := openOn(t, db, "http")
		if after := again.streams("pushed"); len(after) != 1 {
			t.Fatalf("%v", after)
		}
		again.logOut("pushed", "alice")
		again.eventually("the token is pushed", func() bool { return len(sink.events(sessionRevoked)) == 1 })
		if got := sink.events(sessionRevoked)[0].header.Get("Authorization"); got != header {
			t.Errorf("Authorization %q", got)
		}
	})
}

// A client that is deleted is told of the people that it loses, and its stream is nobody's afterwards.
func TestSSF_ClientDeleted(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		sink := newSink(t)
		w := openOn(t, db, "http")
		all := clients("")
		c := all[slices.IndexFunc(all, func(c identity.Client) bool { return c.ID == "pushed" })]
		c.ID = "extra"
		c.RedirectURIs = []string{callback("extra")}
		o := w.operator()
		if err := o.CreateClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		s := w.ssfOf("extra", managementScope)
		s.stream(object{"method": byPush, "endpoint_url": sink.server.URL})
		w.browser().firstSignOn("extra", "alice")
		if _, err := o.DeleteClient(t.Context(), "extra", logout.Actor{Kind: "admin"}); err != nil {
			t.Fatal(err)
		}
		w.eventually("the token is pushed", func() bool { return len(sink.events(sessionRevoked)) == 1 })
		if by := sink.events(sessionRevoked)[0].set.event(sessionRevoked)["initiating_entity"]; by != "admin" {
			t.Errorf("by %v", by)
		}
		if err := w.operator().CreateClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		w.eventually("the new client of that id has no stream", func() bool {
			token := w.asAt("/token", "extra", values("grant_type", "client_credentials"))
			return token.status == http.StatusOK && strings.TrimSpace(w.program().with("Authorization", "Bearer "+token.tokens().access).get("/ssf/stream", nil).body) == "[]"
		})
	})
}

// Streams go to no private address, unless the client may be there.
func TestSSF_6_1_1_Guard(t *testing.T) {
	hit := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit = true }))
	t.Cleanup(server.Close)
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", fenced(t))
	w.ssfOf("pushed", managementScope).stream(object{"method": byPush, "endpoint_url": server.URL})
	w.logOut("pushed", "alice")
	w.eventually("the attempt is recorded", func() bool { return w.deliveries("pushed")[0].Attempts == 1 })
	if d := w.deliveries("pushed")[0]; !strings.Contains(d.LastError, "address not allowed") || hit {
		t.Errorf("%+v", d)
	}
}
