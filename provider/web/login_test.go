package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestLoginLeadsOn(t *testing.T) {
	s := newSite(t)
	id := s.waiting("a-1", identity.AuthorizationRequest{LoginHint: "alice"})
	form := s.get("/login?id=a-1")
	s.contains(form, "to continue to <strong>Shop</strong>", `name="id" value="a-1"`, `value="alice"`, `autocomplete="current-password"`)
	if !strings.Contains(form.policy, "form-action 'self' https:;") {
		t.Errorf("policy %q does not let the answer lead to the app", form.policy)
	}
	a := s.post("/login", url.Values{"id": {id}, "username": {"alice"}, "password": {"wonderland"}})
	if a.status != http.StatusSeeOther || a.location != "/authorize/resume?id=a-1" {
		t.Fatalf("%d to %q", a.status, a.location)
	}
	live := s.live()
	if len(live) != 1 || live[0].Subject != "u-alice" || !slices.Equal(live[0].SecretHash, browser.Hash(a.setSession)) {
		t.Fatalf("sessions %+v, cookie %q", live, a.setSession)
	}
	if got := live[0]; got.IdleUntil != s.now.Add(time.Hour) || got.ExpiresAt.Before(s.now.AddDate(50, 0, 0)) || got.Address != "127.0.0.1" || got.UserAgent == "" {
		t.Errorf("session is %+v", got)
	}
	if len(s.entries) != 1 || s.entries[0].Kind != audit.KindLoginSucceeded || s.entries[0].ClientID != "shop" || s.entries[0].SessionID != live[0].ID {
		t.Errorf("the trail has %+v", s.entries)
	}
	if got := s.authorizations["a-1"].LoggedInAt; got != s.now || live[0].AuthTime != s.now {
		t.Errorf("the request learned of a login at %s", got)
	}
}

func TestPlainLoginLeadsHome(t *testing.T) {
	s := newSite(t)
	if a := s.logIn("alice", "wonderland"); a.location != "/" || a.setSession == "" {
		t.Errorf("leads to %q with cookie %q", a.location, a.setSession)
	}
	s.contains(s.get("/"), "You are signed in as <strong>alice</strong>")
	s.contains(s.get("/login"), "You are signed in as alice. Sign in again, or as somebody else.", `value="alice"`)
}

func TestLoginRefused(t *testing.T) {
	good := url.Values{"username": {"alice"}, "password": {"wonderland"}}
	tests := []struct {
		name       string
		form       url.Values
		prepare    func(s *site, form url.Values)
		status     int
		text       string
		retryAfter string
	}{
		{name: "wrong password", form: url.Values{"username": {"alice"}, "password": {"guess"}}, status: 422, text: "do not belong together"},
		{name: "unknown user", form: url.Values{"username": {"nobody"}, "password": {"guess"}}, status: 422, text: "do not belong together"},
		{name: "no password", form: url.Values{"username": {"alice"}}, status: 422, text: "enter your username and your password"},
		{name: "nothing", form: url.Values{}, status: 422, text: "enter your username and your password"},
		{name: "endless password", form: url.Values{"username": {"alice"}, "password": {strings.Repeat("x", 2000)}}, status: 422, text: "do not belong together"},
		{name: "endless name", form: url.Values{"username": {strings.Repeat("é", 2000)}, "password": {"x"}}, status: 422, text: "do not belong together"},
		{name: "garbage name", form: url.Values{"username": {"a\x00\xff"}, "password": {"x"}}, status: 422, text: "do not belong together"},
		{
			name: "throttled", form: good, prepare: func(s *site, _ url.Values) { s.loginErr = &identity.ThrottledError{RetryAfter: 301 * time.Second} },
			status: 429, text: "wait 6 minutes", retryAfter: "301",
		},
		{
			name: "throttled briefly", form: good, prepare: func(s *site, _ url.Values) { s.loginErr = &identity.ThrottledError{RetryAfter: 2 * time.Second} },
			status: 429, text: "wait a minute", retryAfter: "2",
		},
		{name: "busy", form: good, prepare: func(s *site, _ url.Values) { s.loginErr = identity.ErrBusy }, status: 503, text: "try again in a few seconds", retryAfter: "5"},
		{name: "store broken", form: good, prepare: func(s *site, _ url.Values) { s.loginErr = errStore }, status: 500, text: "Something went wrong"},
		{name: "disabled meanwhile", form: good, prepare: func(s *site, _ url.Values) { s.gone = true }, status: 422, text: "do not belong together"},
		{name: "commit fails", form: good, prepare: func(s *site, _ url.Values) { s.commitErr = errStore }, status: 500, text: "Something went wrong"},
		{name: "no token", form: good, prepare: func(s *site, form url.Values) { s.token(); form.Set("csrf", "x") }, status: 403, text: "could not be accepted"},
		{
			name: "other browser's token", form: good, status: 403, text: "could not be accepted",
			prepare: func(s *site, form url.Values) { form.Set("csrf", s.token()); s.newBrowser(); s.token() },
		},
		{
			name: "no cookie", form: good, status: 403, text: "did not send our cookie",
			prepare: func(s *site, form url.Values) { form.Set("csrf", s.token()); s.newBrowser() },
		},
		{name: "unknown id", form: good, prepare: func(_ *site, form url.Values) { form.Set("id", "a-2") }, status: 400, text: "This sign-in has expired"},
		{name: "garbage id", form: good, prepare: func(_ *site, form url.Values) { form.Set("id", "\x00'\xff") }, status: 400, text: "This sign-in has expired"},
		{name: "endless id", form: good, prepare: func(_ *site, form url.Values) { form.Set("id", strings.Repeat("a", 5000)) }, status: 400, text: "This sign-in has expired"},
		{
			name: "late", form: good, status: 400, text: "This sign-in has expired",
			prepare: func(s *site, form url.Values) {
				form.Set("id", s.waiting("a-1", identity.AuthorizationRequest{}))
				s.now = s.now.Add(time.Hour)
			},
		},
		{
			name: "other browser's id", form: good, status: 400, text: "This sign-in has expired",
			prepare: func(s *site, form url.Values) {
				form.Set("id", s.waiting("a-1", identity.AuthorizationRequest{}))
				s.newBrowser()
			},
		},
		{
			name: "finished in another tab meanwhile", form: good, status: 400, text: "This sign-in has expired",
			prepare: func(s *site, form url.Values) {
				form.Set("id", s.waiting("a-1", identity.AuthorizationRequest{}))
				s.commitErr = identity.ErrNoAuthorization
			},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			form := url.Values{}
			for k, v := range test.form {
				form[k] = v
			}
			if test.prepare != nil {
				test.prepare(s, form)
			}
			a := s.post("/login", form)
			if a.status != test.status || a.header.Get("Retry-After") != test.retryAfter {
				t.Errorf("status %d, Retry-After %q; want %d and %q", a.status, a.header.Get("Retry-After"), test.status, test.retryAfter)
			}
			s.contains(a, test.text)
			// What reached the check of the password and failed is recorded, and nothing else.
			recorded := test.text == "do not belong together" && !strings.HasPrefix(test.name, "endless") && !strings.HasPrefix(test.name, "garbage")
			if (len(s.entries) == 1) != recorded {
				t.Errorf("the trail has %+v", s.entries)
			}
			if a.setSession != "" || len(s.sessions) != 0 {
				t.Errorf("a session came of it: cookie %q, %v", a.setSession, s.sessions)
			}
			if strings.Contains(a.body, "secret detail") || strings.Contains(a.body, "wonderland") || strings.Contains(a.body, "guess") {
				t.Error("the page shows what it must not")
			}
			if !strings.Contains(a.policy, "default-src 'none'") || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", a.header)
			}
			if test.status == 422 && test.name == "wrong password" {
				s.contains(a, `id="login-error" role="alert"`, `aria-describedby="login-error"`, `value="alice"`, `id="login-form"`)
			}
		})
	}
}

func TestLoginPageWithForeignID(t *testing.T) {
	s := newSite(t)
	s.waiting("a-1", identity.AuthorizationRequest{LoginHint: "alice"})
	s.newBrowser()
	for _, id := range []string{"a-1", "a-2", "%00", "..%2F", strings.Repeat("9", 1000)} {
		if a := s.get("/login?id=" + id); a.status != 400 || strings.Contains(a.body, "alice") || strings.Contains(a.body, "Shop") {
			t.Errorf("id %q: %d\n%s", id, a.status, a.body)
		}
	}
	s.storeErr = errStore
	if a := s.get("/login?id=a-1"); a.status != 500 {
		t.Errorf("a broken store is a %d", a.status)
	}
}

func TestSamePersonKeepsTheSession(t *testing.T) {
	s := newSite(t)
	first := s.logIn("alice", "wonderland").setSession
	before := s.live()[0]
	s.now = s.now.Add(10 * time.Minute)
	id := s.waiting("a-1", identity.AuthorizationRequest{Prompt: []string{"login"}})
	s.contains(s.get("/login?id=a-1"), "You are signed in as alice. Shop asks you to prove that it is still you.")
	a := s.post("/login", url.Values{"id": {id}, "username": {"alice"}, "password": {"wonderland"}})
	live := s.live()
	if len(live) != 1 || live[0].ID != before.ID || len(s.ends) != 0 {
		t.Fatalf("sessions %+v, ends %v", live, s.ends)
	}
	if a.setSession == "" || a.setSession == first || live[0].AuthTime != s.now || live[0].IdleUntil != s.now.Add(time.Hour) || live[0].ExpiresAt != before.ExpiresAt {
		t.Errorf("not renewed: %+v", live[0])
	}
}

func TestAnotherPersonEndsTheSession(t *testing.T) {
	s := newSite(t)
	s.logIn("alice", "wonderland")
	alice := s.live()[0]

	s.commitErr = errStore
	if a := s.post("/login", url.Values{"username": {"bob"}, "password": {"builder"}}); a.status != 500 || a.setSession != "" {
		t.Fatalf("%d, cookie %q", a.status, a.setSession)
	}
	if live := s.live(); len(live) != 1 || live[0].ID != alice.ID {
		t.Fatalf("a login that failed ended a session: %+v", live)
	}

	s.commitErr = nil
	s.logIn("bob", "builder")
	live := s.live()
	if len(live) != 1 || live[0].Subject != "u-bob" || live[0].ID == alice.ID {
		t.Fatalf("sessions %+v", live)
	}
	if len(s.ends) != 1 || s.ends[0].Cause != logout.CauseUserSwitched || s.ends[0].Target.SessionID != alice.ID || s.ends[0].Actor.ID != "u-bob" {
		t.Errorf("ends %+v", s.ends)
	}
}

func TestEndedSessionIsNotRevived(t *testing.T) {
	s := newSite(t)
	s.logIn("alice", "wonderland")
	old := s.live()[0]
	ended := old
	ended.EndedAt = s.now
	s.sessions[old.ID] = ended
	s.logIn("alice", "wonderland")
	if live := s.live(); len(live) != 1 || live[0].ID == old.ID {
		t.Errorf("sessions %+v", live)
	}
}

func TestLoginEscapes(t *testing.T) {
	s := newSite(t)
	const attack = `"><script>alert(1)</script>`
	s.waiting("a-1", identity.AuthorizationRequest{LoginHint: attack})
	a := s.authorizations["a-1"]
	a.ClientID = "evil"
	s.authorizations["a-1"] = a
	for name, got := range map[string]answer{
		"hint and client": s.get("/login?id=a-1"),
		"typed":           s.post("/login", url.Values{"id": {"a-1"}, "username": {attack}, "password": {"x"}}),
		"consent":         func() answer { s.logIn("alice", "wonderland"); return s.get("/consent?id=a-1") }(),
	} {
		if strings.Contains(got.body, "<script") || strings.Contains(got.body, "javascript:") || !strings.Contains(got.body, "&lt;script&gt;") {
			t.Errorf("%s: %s", name, got.body)
		}
	}
}
