package store_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestAuthorizations(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		gone := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, identity.ErrNoAuthorization) {
				t.Errorf("%s: %v; want ErrNoAuthorization", what, err)
			}
		}
		age := 60
		waiting := identity.Authorization{
			ID: "a1", ClientID: "shop", BrowserHash: hash("browser"), CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Hour),
			Request: identity.AuthorizationRequest{
				RedirectURI: "https://shop.example.com/callback?x=1", ResponseType: "code", Scopes: []string{"openid", "email"},
				State: `!"#$%&'()*+,-./:;<=>?@[\]^_{|}~ ` + "`", Nonce: "n", Prompt: []string{"login"}, MaxAge: &age, CodeChallenge: "c", CodeChallengeMethod: "S256",
			},
		}
		must(t, f.Authorizations.Create(ctx, waiting))
		got, err := f.Authorizations.Find(ctx, "a1", f.now())
		if err != nil || !reflect.DeepEqual(got, waiting) {
			t.Errorf("Find = %+v, %v; want %+v", got, err, waiting)
		}
		_, err = f.Authorizations.Find(ctx, "a1", waiting.ExpiresAt)
		gone("expired", err)
		for _, id := range []string{"a2", "", "a1\x00", "\xff"} {
			_, err = f.Authorizations.Find(ctx, id, f.now())
			gone("unknown", err)
			gone("progress of unknown", f.Authorizations.Progress(ctx, id, f.now(), time.Time{}))
			gone("refusal of unknown", f.Authorizations.Refuse(ctx, id))
		}

		// Progress changes what is given and leaves the rest.
		must(t, f.Authorizations.Progress(ctx, "a1", f.now(), time.Time{}))
		must(t, f.Authorizations.Progress(ctx, "a1", time.Time{}, f.now().Add(time.Second)))
		waiting.LoggedInAt, waiting.ConsentedAt = f.now(), f.now().Add(time.Second)

		granted := waiting
		granted.SessionID, granted.Subject, granted.AuthTime = "s1", "alice", f.now().Add(-time.Minute)
		granted.CodeHash, granted.ExpiresAt = hash("code"), f.now().Add(time.Minute)
		must(t, f.Authorizations.Grant(ctx, granted))
		gone("a second grant", f.Authorizations.Grant(ctx, granted))
		gone("a refusal after the grant", f.Authorizations.Refuse(ctx, "a1"))
		gone("progress after the grant", f.Authorizations.Progress(ctx, "a1", f.now(), f.now()))
		_, err = f.Authorizations.Find(ctx, "a1", f.now())
		gone("waiting after the grant", err)
		if got, err := f.Authorizations.FindCode(ctx, hash("code")); err != nil || !reflect.DeepEqual(got, granted) {
			t.Errorf("FindCode = %+v, %v; want %+v", got, err, granted)
		}

		_, err = f.Authorizations.FindCode(ctx, hash("guess"))
		gone("unknown code", err)
		gone("unknown code consumed", f.Authorizations.Consume(ctx, hash("guess"), "g0", f.now()))
		gone("expired code consumed", f.Authorizations.Consume(ctx, hash("code"), "g0", granted.ExpiresAt))
		must(t, f.Authorizations.Consume(ctx, hash("code"), "g1", f.now()))
		gone("code consumed twice", f.Authorizations.Consume(ctx, hash("code"), "g2", f.now()))
		granted.ConsumedAt, granted.GrantID = f.now(), "g1"
		if got, err := f.Authorizations.FindCode(ctx, hash("code")); err != nil || !reflect.DeepEqual(got, granted) {
			t.Errorf("FindCode after use = %+v, %v; want %+v", got, err, granted)
		}

		// A refused request is gone; two waiting ones do not collide for want of a code; an expired one cannot be granted.
		for _, id := range []string{"a3", "a4"} {
			must(t, f.Authorizations.Create(ctx, identity.Authorization{ID: id, ClientID: "shop", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Minute)}))
		}
		must(t, f.Authorizations.Refuse(ctx, "a3"))
		gone("second refusal", f.Authorizations.Refuse(ctx, "a3"))
		f.advance(time.Minute)
		gone("grant of an expired request", f.Authorizations.Grant(ctx, identity.Authorization{ID: "a4", CodeHash: hash("late"), ExpiresAt: f.now().Add(time.Minute)}))
	})
}

// A silent sign-on writes request and code as one row.
func TestAuthorizationCreatedGranted(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		a := identity.Authorization{
			ID: "a1", ClientID: "shop", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Minute), SessionID: "s1", Subject: "alice", AuthTime: f.now(), CodeHash: hash("code"),
		}
		must(t, f.Authorizations.Create(ctx, a))
		if _, err := f.Authorizations.Find(ctx, "a1", f.now()); !errors.Is(err, identity.ErrNoAuthorization) {
			t.Errorf("it waits: %v", err)
		}
		must(t, f.Authorizations.Consume(ctx, hash("code"), "g1", f.now()))
	})
}

func TestCodeIsConsumedOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		must(t, f.Authorizations.Create(ctx, identity.Authorization{
			ID: "a1", ClientID: "shop", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Minute), CodeHash: hash("code"),
		}))
		winner := make(chan string, parallel)
		won := race(t, identity.ErrNoAuthorization, func(i int) error {
			id := string(rune('a' + i))
			err := f.Authorizations.Consume(ctx, hash("code"), id, f.now())
			if err == nil {
				winner <- id
			}
			return err
		})
		if won != 1 {
			t.Fatalf("%d of %d exchanges succeeded", won, parallel)
		}
		if a, err := f.Authorizations.FindCode(ctx, hash("code")); err != nil || a.GrantID != <-winner {
			t.Errorf("the code belongs to grant %q, %v", a.GrantID, err)
		}
	})
}

func TestRequestIsGrantedOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		must(t, f.Authorizations.Create(ctx, identity.Authorization{ID: "a1", ClientID: "shop", CreatedAt: f.now(), ExpiresAt: f.now().Add(time.Minute)}))
		won := race(t, identity.ErrNoAuthorization, func(i int) error {
			return f.Authorizations.Grant(ctx, identity.Authorization{ID: "a1", CodeHash: hash(string(rune('a' + i))), ExpiresAt: f.now().Add(time.Minute)})
		})
		if won != 1 {
			t.Errorf("%d of %d grants succeeded", won, parallel)
		}
	})
}
