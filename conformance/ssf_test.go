package conformance

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// The transmitter's metadata, exactly; https URLs where the issuer is one.
func TestSSF_7_2_Configuration(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), scheme)
			a := w.program().get(w.origin()+"/.well-known/ssf-configuration"+w.base, nil).want(http.StatusOK)
			want := object{
				"spec_version": "1_0", "issuer": w.issuer, "jwks_uri": w.issuer + "/keys", "delivery_methods_supported": []any{byPush, byPoll},
				"configuration_endpoint": w.issuer + "/ssf/stream", "status_endpoint": w.issuer + "/ssf/status",
				"add_subject_endpoint": w.issuer + "/ssf/subjects/add", "remove_subject_endpoint": w.issuer + "/ssf/subjects/remove",
				"verification_endpoint": w.issuer + "/ssf/verify", "authorization_schemes": []any{object{"spec_urn": "urn:ietf:rfc:6749"}},
				"default_subjects": "ALL",
			}
			if got := a.json(); !reflect.DeepEqual(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// Tokens: the receiver's own, live, with the scope, for an hour at most (CAEP Interoperability Profile 1.0, 2.7).
func TestSSF_8_Authorization(t *testing.T) {
	w := openOn(t, databasetest.Open(t, databasetest.SQLiteURL(t)), "http", longTokens)
	manager, reader := w.ssfOf("polled", "ssf.manage"), w.ssfOf("polled", "ssf.read")
	id := manager.stream(object{"method": byPoll})["stream_id"]
	calls := []struct {
		method, path string
		body         any
		reads        bool
		status       int
	}{
		{http.MethodGet, "/ssf/stream", nil, true, http.StatusOK},
		{http.MethodGet, "/ssf/status?stream_id=" + id.(string), nil, true, http.StatusOK},
		{http.MethodPost, "/ssf/stream", object{}, false, http.StatusConflict},
		{http.MethodPatch, "/ssf/stream", object{"stream_id": id}, false, http.StatusOK},
		{http.MethodPut, "/ssf/stream", object{"stream_id": id}, false, http.StatusOK},
		{http.MethodPost, "/ssf/status", object{"stream_id": id, "status": "enabled"}, false, http.StatusOK},
		{http.MethodPost, "/ssf/subjects/add", object{"stream_id": id, "subject": object{"format": "email", "email": "a@b"}}, false, http.StatusOK},
		{http.MethodPost, "/ssf/subjects/remove", object{"stream_id": id, "subject": object{"format": "email", "email": "a@b"}}, false, http.StatusNoContent},
		{http.MethodPost, "/ssf/verify", object{"stream_id": id}, false, http.StatusNoContent},
		{http.MethodPost, "/ssf/poll/" + id.(string), object{"maxEvents": 0}, false, http.StatusOK},
		{http.MethodDelete, "/ssf/stream?stream_id=" + id.(string), nil, false, http.StatusNoContent},
	}
	person := w.browser().firstSignOn("polled", "alice", "scope", "openid ssf.manage offline_access")
	if strings.Contains(person.scope, "ssf") {
		t.Errorf("a person granted %s", person.scope)
	}
	stranger := w.asAt("/token", "polled", values("grant_type", "client_credentials", "scope", "ssf.manage")).tokens()
	if stranger.expires > 3600 || stranger.expires < 3590 {
		t.Errorf("the token lives %v s", stranger.expires)
	}
	w.asAt("/revoke", "polled", values("token", stranger.access)).want(http.StatusOK)
	for _, call := range calls {
		t.Run(call.method+" "+call.path[:10], func(t *testing.T) {
			as := func(token string) ssf {
				s := ssf{manager.agent.in(t).with("Authorization", ""), "polled"}
				if token != "" {
					s.agent = s.with("Authorization", "Bearer "+token)
				}
				return s
			}
			if a := as("").call(call.method, call.path, call.body).want(http.StatusUnauthorized); !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%v", a.header)
			}
			for _, token := range []string{"invalid:token", stranger.access, person.refresh, person.id} {
				a := as(token).call(call.method, call.path, call.body).wantError(http.StatusUnauthorized, "invalid_token")
				if !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
					t.Errorf("%v", a.header)
				}
			}
			// In the URL a token is nothing (RFC 6750, 2.3).
			separator := "?"
			if strings.Contains(call.path, "?") {
				separator = "&"
			}
			as("").call(call.method, call.path+separator+"access_token="+person.access, call.body).want(http.StatusUnauthorized)
			as(person.access).call(call.method, call.path, call.body).wantError(http.StatusForbidden, "insufficient_scope")
			if !call.reads {
				a := ssf{reader.agent.in(t), "polled"}.call(call.method, call.path, call.body).wantError(http.StatusForbidden, "insufficient_scope")
				if !strings.Contains(a.header.Get("WWW-Authenticate"), `scope="ssf.manage"`) {
					t.Errorf("%v", a.header)
				}
			} else {
				ssf{reader.agent.in(t), "polled"}.call(call.method, call.path, call.body).want(call.status)
			}
			a := ssf{manager.agent.in(t), "polled"}.call(call.method, call.path, call.body).want(call.status)
			if a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", a.header.Get("Cache-Control"))
			}
		})
	}
}

// Create, read, update, replace, delete, on both databases.
func TestSSF_8_1_1_Stream(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		s := w.ssfOf("pushed", managementScope)
		list := func() string {
			return strings.TrimSpace(s.call(http.MethodGet, "/ssf/stream", nil).want(http.StatusOK).body)
		}
		if list() != "[]" {
			t.Errorf("before anything: %s", list())
		}
		// 8.1.1.1
		created := s.stream(object{"method": byPush, "endpoint_url": "https://receiver.example.com/a", "authorization_header": "Bearer secret-of-the-receiver"})
		id := created["stream_id"]
		want := object{
			"stream_id": id, "iss": w.issuer, "aud": "pushed", "delivery": object{"method": byPush, "endpoint_url": "https://receiver.example.com/a"},
			"events_supported": []any{sessionRevoked, credentialGone}, "events_requested": []any{sessionRevoked, credentialGone, notCompliant},
			"events_delivered": []any{sessionRevoked, credentialGone}, "min_verification_interval": 10.0, "description": "a stream",
		}
		same := func(what string, got object) {
			t.Helper()
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		same("created", created)
		s.call(http.MethodPost, "/ssf/stream", object{}).wantError(http.StatusConflict, "stream_exists")
		// 8.1.1.2
		one := "/ssf/stream?stream_id=" + id.(string)
		same("read", s.call(http.MethodGet, one, nil).want(http.StatusOK).json())
		if strings.Count(list(), `"stream_id"`) != 1 || !strings.HasPrefix(list(), "[{") {
			t.Errorf("list %s", list())
		}
		other := w.ssfOf("polled", managementScope)
		for _, unknown := range []string{one, "/ssf/stream?stream_id=", "/ssf/stream?stream_id=%00"} {
			other.call(http.MethodGet, unknown, nil).wantError(http.StatusNotFound, "not_found")
		}
		// 8.1.1.3: what is there is changed, the rest stays; what is ours may come back as it is.
		want["description"] = "changed"
		same("updated", s.call(http.MethodPatch, "/ssf/stream", object{
			"stream_id": id, "description": "changed", "iss": w.issuer, "aud": []string{"pushed"}, "events_delivered": []string{credentialGone, sessionRevoked},
			"min_verification_interval": 10, "unknown": object{},
		}).want(http.StatusOK).json())
		want["events_requested"], want["events_delivered"] = []any{}, []any{}
		same("without events", s.call(http.MethodPatch, "/ssf/stream", object{"stream_id": id, "events_requested": []string{}}).want(http.StatusOK).json())
		for name, value := range map[string]any{
			"iss": "https://example.org", "aud": "polled", "events_supported": []string{sessionRevoked}, "events_delivered": []string{sessionRevoked},
			"min_verification_interval": 1, "inactivity_timeout": 60,
		} {
			s.call(http.MethodPatch, "/ssf/stream", object{"stream_id": id, name: value}).wantError(http.StatusBadRequest, "invalid_request")
		}
		// 8.1.1.4: what is not there is deleted.
		delete(want, "events_requested")
		delete(want, "description")
		want["events_delivered"] = []any{sessionRevoked, credentialGone}
		want["delivery"] = object{"method": byPoll, "endpoint_url": w.issuer + "/ssf/poll/" + id.(string)}
		same("replaced", s.call(http.MethodPut, "/ssf/stream", object{"stream_id": id}).want(http.StatusOK).json())
		// A receiver may send back what it has read.
		same("sent back", s.call(http.MethodPut, "/ssf/stream", s.call(http.MethodGet, one, nil).json()).want(http.StatusOK).json())
		s.call(http.MethodPatch, "/ssf/stream", object{"stream_id": id, "delivery": object{"method": byPoll, "endpoint_url": "https://elsewhere.example"}}).
			wantError(http.StatusBadRequest, "invalid_request")
		// 8.1.1.5
		for _, method := range []string{http.MethodPatch, http.MethodPut} {
			other.call(method, "/ssf/stream", object{"stream_id": id}).wantError(http.StatusNotFound, "not_found")
			s.call(method, "/ssf/stream", object{}).wantError(http.StatusBadRequest, "invalid_request")
		}
		other.call(http.MethodDelete, one, nil).wantError(http.StatusNotFound, "not_found")
		if a := s.call(http.MethodDelete, one, nil).want(http.StatusNoContent); a.body != "" {
			t.Errorf("body %q", a.body)
		}
		s.call(http.MethodDelete, one, nil).wantError(http.StatusNotFound, "not_found")
		s.call(http.MethodGet, one, nil).wantError(http.StatusNotFound, "not_found")
		s.call(http.MethodPatch, "/ssf/stream", object{"stream_id": id}).wantError(http.StatusNotFound, "not_found")
		s.call(http.MethodPut, "/ssf/stream", object{"stream_id": id}).wantError(http.StatusNotFound, "not_found")
		if list() != "[]" {
			t.Errorf("after it was deleted: %s", list())
		}
	})
}

// Bodies that are no JSON, or not of the right form, are 400 and change nothing.
func TestSSF_8_1_1_MalformedBodies(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "https")
		s := w.ssfOf("pushed", managementScope)
		broken := []string{"", "{", ";{ broken", "null", "[]", "1", `"x"`, "{}{}", "\xff", strings.Repeat("[", 20000)}
		delivery := func(text string) string { return `{"stream_id":"%id%","delivery":` + text + `}` }
		malformed := append(slices.Clone(broken),
			`{"stream_id":1}`, `{"stream_id":"%id%","events_requested":"x"}`, `{"stream_id":"%id%","events_requested":[1]}`, `{"stream_id":"%id%","events_requested":[""]}`,
			`{"stream_id":"%id%","events_requested":["\u0000"]}`, `{"stream_id":"%id%","description":1}`, delivery(`"x"`), delivery(`{}`), delivery(`[]`),
			delivery(`{"method":"urn:ietf:rfc:1"}`), delivery(`{"method":"`+byPush+`"}`),
			delivery(`{"method":"`+byPush+`","endpoint_url":"/relative"}`),
			delivery(`{"method":"`+byPush+`","endpoint_url":"javascript:alert(1)"}`),
			delivery(`{"method":"`+byPush+`","endpoint_url":"http://receiver.example.com/"}`), // the issuer is https
			delivery(`{"method":"`+byPush+`","endpoint_url":"https://u:p@receiver.example.com/"}`),
			delivery(`{"method":"`+byPush+`","endpoint_url":"https://receiver.example.com/#f"}`),
			delivery(`{"method":"`+byPush+`","endpoint_url":"https://receiver.example.com/","authorization_header":"a\r\nb"}`),
			delivery(`{"method":"`+byPush+`","endpoint_url":"https://receiver.example.com/","authorization_header":["x"]}`),
		)
		for _, body := range malformed {
			s.call(http.MethodPost, "/ssf/stream", body).wantError(http.StatusBadRequest, "invalid_request")
		}
		created := s.stream(object{"method": byPush, "endpoint_url": "https://receiver.example.com/"})
		id, _ := created["stream_id"].(string)
		for _, body := range malformed {
			body = strings.ReplaceAll(body, "%id%", id)
			for _, method := range []string{http.MethodPatch, http.MethodPut} {
				s.call(method, "/ssf/stream", body).wantError(http.StatusBadRequest, "invalid_request")
			}
		}
		for _, path := range []string{"/ssf/status", "/ssf/subjects/add", "/ssf/subjects/remove", "/ssf/verify", "/ssf/poll/" + id} {
			for _, body := range broken {
				s.call(http.MethodPost, path, body).wantError(http.StatusBadRequest, "invalid_request")
			}
		}
		if after := s.call(http.MethodGet, "/ssf/stream?stream_id="+id, nil).want(http.StatusOK).json(); !reflect.DeepEqual(after, created) {
			t.Errorf("the stream became %v", after)
		}
		s.call(http.MethodPost, "/ssf/verify", strings.Repeat(" ", 100<<10)).want(http.StatusRequestEntityTooLarge)
		// What is only too long is cut; NUL and broken text are kept by no database.
		long := s.call(http.MethodPatch, "/ssf/stream", object{"stream_id": id, "description": "a\x00b\xff" + strings.Repeat("ü", 1000)}).want(http.StatusOK).json()
		if text, _ := long["description"].(string); len([]rune(text)) != 255 || !strings.HasPrefix(text, "ab") {
			t.Errorf("description %q", text)
		}
	})
}
