package cli_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logouttest"
)

func TestClient(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		s := newSite(t, url)
		type made struct {
			ID      string `json:"client_id"`
			Secret  string `json:"client_secret"`
			Webhook string `json:"webhook_secret"`
		}
		read := func(r result) made {
			t.Helper()
			var m made
			if err := json.Unmarshal([]byte(r.stdout), &m); err != nil || r.code != 0 {
				t.Fatalf("exit code %d: %s%s", r.code, r.stdout, r.stderr)
			}
			return m
		}
		show := func(id string) map[string]any {
			t.Helper()
			var m map[string]any
			if r := s.run("", "client", "show", id); json.Unmarshal([]byte(r.stdout), &m) != nil {
				t.Fatalf("%s%s", r.stdout, r.stderr)
			}
			return m
		}
		rp := s.rps["shop"].URL
		first := read(s.run("", "client", "create", "till", "--name", "Till", "--redirect-uri", "http://localhost/a", "--redirect-uri", "http://localhost/b", "--backchannel-logout-uri", rp))
		if first.ID != "till" || len(first.Secret) != 43 {
			t.Errorf("created: %+v", first)
		}
		if m := show("till"); len(m["redirect_uris"].([]any)) != 2 || m["client_name"] != "Till" || m["backchannel_logout_uri"] != rp || m["client_secret"] != nil {
			t.Errorf("metadata %v", m)
		}
		s.run("", "client", "create", "till", "--redirect-uri", "http://localhost/a").check(t, 1, nil, []string{"there is a client till already"})
		public := read(s.run(`{"token_endpoint_auth_method": "none", "redirect_uris": ["http://localhost/a"], "contacts": ["ops@example.com"]}`, "client", "create", "--metadata", "-"))
		if len(public.ID) != 36 || public.Secret != "" {
			t.Errorf("a public client: %+v", public)
		}
		s.run(`{"redirect_uris": ["ftp://x"], "colour": 1, "grant_types": ["password"]}`, "client", "create", "bad", "--metadata", "-").
			check(t, 1, nil, []string{"the client is not created\n  colour: unknown key"})
		s.run(`{"redirect_uris": ["ftp://x"], "grant_types": ["password"]}`, "client", "create", "bad", "--metadata", "-").
			check(t, 1, nil, []string{"\n  redirect_uris[0]: \"ftp://x\" has the scheme ftp", "\n  grant_types[0]: "})
		s.run("", "client", "list").check(t, 0, []string{"CLIENT ID", "till ", "command", "shop ", "file", public.ID}, nil)

		hook := logouttest.NewHook(t, "till")
		s.run("", "client", "update", "till", "--new-webhook-secret").check(t, 2, nil, []string{"the client has no webhook_uri"})
		hooked := read(s.run(`{"webhook_events": ["session.ended"]}`, "client", "update", "till", "--metadata", "-", "--webhook-uri", hook.URL))
		rotated := read(s.run("", "client", "update", "till", "--new-webhook-secret"))
		if !strings.HasPrefix(hooked.Webhook, "whsec_") || hooked.Secret != "" || !strings.HasPrefix(rotated.Webhook, "whsec_") || rotated.Webhook == hooked.Webhook {
			t.Errorf("webhook secrets: %+v, %+v", hooked, rotated)
		}
		if kept := read(s.run("", "client", "update", "till", "--name", "Till 2")); kept.Webhook != "" {
			t.Error("an update of the name makes a new webhook secret")
		}
		signing, err := s.clients().LogoutClient(t.Context(), "till")
		if err != nil || len(signing.WebhookKeys) != 2 || !slices.Equal(signing.WebhookEvents, []string{logout.EventSessionEnded}) {
			t.Errorf("signing by %+v, %v; want two secrets", signing, err)
		}
		if m := show("till"); m["webhook_uri"] != hook.URL || m["webhook_secrets"] != nil {
			t.Errorf("metadata %v", m)
		}

		if again := read(s.run(`{"contacts": ["a@example.com"]}`, "client", "update", "till", "--metadata", "-", "--name", "The Till")); again.Secret != "" {
			t.Error("an update of the name makes a new secret")
		}
		if m := show("till"); m["client_name"] != "The Till" || len(m["contacts"].([]any)) != 1 || len(m["redirect_uris"].([]any)) != 2 {
			t.Errorf("metadata after the update %v", m)
		}
		read(s.run(`{"contacts": null}`, "client", "update", "till", "--metadata", "-"))
		if m := show("till"); m["contacts"] != nil {
			t.Errorf("contacts after null: %v", m["contacts"])
		}
		if renewed := read(s.run("", "client", "update", "till", "--new-secret")); renewed.Secret == "" || renewed.Secret == first.Secret {
			t.Errorf("a new secret: %q", renewed.Secret)
		}
		if confidential := read(s.run("", "client", "update", public.ID, "--auth-method", "client_secret_post")); confidential.Secret == "" {
			t.Error("a client that became confidential got no secret")
		}
		s.run(`{"client_id": "other"}`, "client", "update", "till", "--metadata", "-").check(t, 2, nil, []string{"another client, other"})
		s.run("", "client", "update", "till", "--backchannel-logout-uri", "nowhere").check(t, 1, nil, []string{"the client is not changed\n  backchannel_logout_uri: "})
		s.run(`{"global_token_revocation_domains": ["*"]}`, "client", "update", "till", "--metadata", "-").
			check(t, 1, nil, []string{"\n  global_token_revocation_domains: is for clients of the configuration file only"})
		s.run("", "client", "update", "shop", "--name", "x").check(t, 1, nil, []string{"client shop comes from the configuration file"})
		s.run("", "client", "delete", "shop").check(t, 1, nil, []string{`client "shop" is in the configuration file`, "would be created again"})
		s.run("", "client", "delete", "nothing").check(t, 1, nil, []string{"there is no client nothing"})

		session, grants := s.login("alice", "till", "wiki")
		other, others := s.login("bob", "till")
		old := s.grant("bob", "till", "an ended session", "a sid of it")
		s.run("", "client", "delete", "till").check(t, 0, []string{"till is deleted. It left 3 sessions, 6 deliveries to make: exeunt delivery list --logout "}, nil)
		if s.ended(session) || s.ended(other) {
			t.Error("sessions ended with the client")
		}
		if s.alive(grants[0]) || s.alive(others[0]) || s.alive(old) || !s.alive(grants[1]) {
			t.Errorf("grants alive: %t, %t, %t; another client's %t", s.alive(grants[0]), s.alive(others[0]), s.alive(old), s.alive(grants[1]))
		}
		s.told("shop", 2) // the endpoint that till registered
		for deadline := time.Now().Add(patience); len(hook.Received(logout.EventSessionEnded)) < 3; {
			if runtime.Gosched(); time.Now().After(deadline) {
				t.Fatalf("the webhook of the client that was deleted received %d events, want 3", len(hook.Received()))
			}
		}
		wh, err := standardwebhooks.NewWebhook(rotated.Webhook)
		must(t, err)
		for _, m := range hook.Received() {
			if err := wh.Verify(m.Body, m.Header); err != nil {
				t.Errorf("an event of the client that was deleted: %v", err)
			}
		}
		if n := len(s.rps["wiki"].Acknowledged()); n != 0 {
			t.Errorf("another client was told %d times", n)
		}
		s.run("", "client", "show", "till").check(t, 1, nil, []string{"there is no client till"})
		if strings.Contains(fmt.Sprint(s.run("", "client", "list").stdout), "till") {
			t.Error("the client is listed after it was deleted")
		}
	})
}
