package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func asked() identity.AuthorizationRequest {
	return identity.AuthorizationRequest{Scopes: []string{"openid", "email", "offline_access", "invoices:read"}}
}

func TestConsentPage(t *testing.T) {
	s := newSite(t)
	s.logIn("alice", "wonderland")
	s.waiting("a-1", asked())
	a := s.get("/consent?id=a-1")
	s.contains(a, "Share with Shop?", "<strong>alice</strong>", "See your e-mail address", "Act for you when you are away", `data-scope="invoices:read"`,
		`id="allow" type="submit" name="decision" value="allow"`, `formaction="/authorize/deny"`, `href="https://shop.example.com/"`)
	if strings.Contains(a.body, "privacy policy") {
		t.Error("the page links to an address that is not of the web")
	}
	if !strings.Contains(a.policy, "form-action 'self' https:;") {
		t.Errorf("policy %q", a.policy)
	}
}

func TestConsentAnswers(t *testing.T) {
	allow := url.Values{"id": {"a-1"}, "as": {"alice"}, "decision": {"allow"}}
	tests := []struct {
		name     string
		form     url.Values
		prepare  func(s *site)
		status   int
		location string
		agreed   bool
	}{
		{name: "allow", form: allow, status: 303, location: "/authorize/resume?id=a-1", agreed: true},
		{name: "deny without formaction", form: url.Values{"id": {"a-1"}, "decision": {"deny"}}, status: 307, location: "/authorize/deny"},
		{name: "no decision", form: url.Values{"id": {"a-1"}, "as": {"alice"}}, status: 303, location: "/consent?id=a-1"},
		{name: "page was for somebody else", form: url.Values{"id": {"a-1"}, "as": {"bob"}, "decision": {"allow"}}, status: 303, location: "/consent?id=a-1"},
		{name: "nobody logged in any more", form: allow, prepare: func(s *site) { clear(s.sessions) }, status: 303, location: "/login?id=a-1"},
		{name: "person deleted", form: allow, prepare: func(s *site) { clear(s.users) }, status: 303, location: "/login?id=a-1"},
		{name: "forged", form: url.Values{"csrf": {"x"}, "id": {"a-1"}, "as": {"alice"}, "decision": {"allow"}}, status: 403},
		{name: "late", form: allow, prepare: func(s *site) { s.now = s.now.Add(2 * time.Hour) }, status: 400},
		{name: "garbage", form: url.Values{"id": {"\xff\x00"}, "decision": {"allow"}}, status: 400},
		{name: "no id", form: url.Values{"decision": {"allow"}}, status: 400},
		{name: "finished meanwhile", form: allow, prepare: func(s *site) { s.commitErr = identity.ErrNoAuthorization }, status: 400},
		{name: "store broken", form: allow, prepare: func(s *site) { s.commitErr = errStore }, status: 500},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			s.logIn("alice", "wonderland")
			s.waiting("a-1", asked())
			form := url.Values{"csrf": {s.token()}}
			for k, v := range test.form {
				form[k] = v
			}
			if test.prepare != nil {
				test.prepare(s)
			}
			a := s.do(http.MethodPost, "/consent", form)
			if a.status != test.status || a.location != test.location {
				t.Errorf("%d to %q, want %d to %q", a.status, a.location, test.status, test.location)
			}
			agreed := len(s.consents) == 1 && s.consents[0].Subject == "u-alice" && s.consents[0].ClientID == "shop" && slices.Equal(s.consents[0].Scopes, asked().Scopes)
			if agreed != test.agreed || test.agreed != s.authorizations["a-1"].ConsentedAt.Equal(s.now) {
				t.Errorf("remembered %+v, request %+v", s.consents, s.authorizations["a-1"])
			}
		})
	}
}

func TestConsentNeedsItsBrowserAndALogin(t *testing.T) {
	s := newSite(t)
	s.waiting("a-1", asked())
	if a := s.get("/consent?id=a-1"); a.status != 303 || a.location != "/login?id=a-1" {
		t.Errorf("without a session: %d to %q", a.status, a.location)
	}
	s.newBrowser()
	s.logIn("bob", "builder")
	for _, path := range []string{"/consent?id=a-1", "/consent?id=a-2", "/consent", "/consent?id=%00"} {
		if a := s.get(path); a.status != 400 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
