package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// crowd is one person with two sessions that live and one that has ended, and somebody else. What they have is named by session and client;
// "+" is an offline grant.
type crowd struct {
	*world
	operator    *provider.Operator
	user        identity.User
	desk, phone *agent
	other       *agent
	held        map[string]tokens // by name
	before      map[string]int    // logout tokens of each name until now
	deskID      string            // session
}

func crowdClient(name string) string { return name[len("desk ") : len("desk ")+4] }

// everything that the person has.
var everything = []string{"desk shop", "desk wiki", "desk mail+", "cell shop", "cell mail+", "gone wiki+"}

// newCrowd logs everybody in.
func newCrowd(w *world, operator *provider.Operator, name string) *crowd {
	w.Helper()
	c := &crowd{world: w, operator: operator, desk: w.browser(), phone: w.browser(), other: w.browser(), held: map[string]tokens{}, before: map[string]int{}}
	c.user = c.person(name)
	somebody := c.person(name + "-other")
	gone := w.browser()
	c.held["gone wiki+"] = c.logIn(gone, c.user, "wiki", "scope", "openid offline_access")
	gone.get("/logout", values("client_id", "wiki")).want(200)
	c.held["desk shop"] = c.logIn(c.desk, c.user, "shop")
	c.held["desk wiki"] = c.desk.signOn("wiki")
	c.held["desk mail+"] = c.desk.signOn("mail", "scope", "openid offline_access")
	c.held["cell shop"] = c.logIn(c.phone, c.user, "shop")
	c.held["cell mail+"] = c.phone.signOn("mail", "scope", "openid offline_access")
	c.held["else shop"] = c.logIn(c.other, somebody, "shop")
	for name, t := range c.held {
		if !w.active(crowdClient(name), t.refresh) {
			w.Fatalf("%s is dead from the start", name)
		}
		c.before[name] = w.told(t.id)
	}
	_, session, err := logoutstore.New(w.db).FindSID(w.Context(), sidOf(c.held["desk shop"].id))
	if err != nil {
		w.Fatal(err)
	}
	c.deskID = session.ID
	return c
}

const crowdPassword = "in a crowd"

func (c *crowd) person(name string) identity.User {
	c.Helper()
	user, err := c.operator.CreateUser(c.Context(), provider.User{Username: name, Password: crowdPassword, Email: name + "@example.com"})
	if err != nil {
		c.Fatal(err)
	}
	return user
}

func (c *crowd) logIn(a *agent, user identity.User, client string, pairs ...string) tokens {
	c.Helper()
	page := a.get("/authorize", request(client, append(pairs, "prompt", "login")...))
	return c.exchange(client, a.submit(page, "username", user.Username, "password", crowdPassword).code()).tokens()
}

// end gives a request to the engine, as pages and commands do that are examined elsewhere.
func (c *crowd) end(cause logout.Cause, target logout.Target) {
	c.Helper()
	if _, err := c.provider.Engine().End(c.Context(), logout.Request{Cause: cause, Actor: logout.Actor{Kind: "system"}, Target: target}); err != nil {
		c.Fatal(err)
	}
}

// did checks what an operator's act returned.
func (c *crowd) did(_ *logout.Outcome, err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// reuse presents a refresh token that was rotated long ago.
func (c *crowd) reuse(name string) {
	c.Helper()
	client, stolen := crowdClient(name), c.held[name]
	rotated := c.refresh(client, stolen.refresh).tokens()
	c.held[name] = tokens{access: rotated.access, refresh: rotated.refresh, id: stolen.id}
	c.clock.Advance(11 * time.Second)
	c.refresh(client, stolen.refresh).wantError(400, "invalid_grant")
}

// Every cause ends what it must, tells whom it must, and spares everybody else.
func TestSession_Causes(t *testing.T) {
	all := func(but ...string) []string {
		return slices.DeleteFunc(slices.Clone(everything), func(name string) bool { return slices.Contains(but, name) })
	}
	desk := []string{"desk shop", "desk wiki", "desk mail+"}
	causes := map[string]struct {
		strike func(c *crowd)
		dead   []string // whose tokens die
		told   []string // who hears of it; nil: the dead
		ends   string   // which sessions end: d(esk), p(hone)
	}{
		"redirect": {func(c *crowd) { c.desk.get("/logout", values("client_id", "shop")).want(200) }, []string{"desk shop", "desk wiki"}, desk, "d"},
		"rp_initiated": {func(c *crowd) {
			c.desk.get("/end_session", values("id_token_hint", c.held["desk wiki"].id)).want(200)
		}, []string{"desk shop", "desk wiki"}, desk, "d"},
		"user_switched": {func(c *crowd) {
			page := c.desk.get("/login", nil)
			c.desk.submit(page, "username", c.user.Username+"-other", "password", crowdPassword).want(200)
		}, []string{"desk shop", "desk wiki"}, desk, ""}, // somebody else's lives at the desk
		"api": {func(c *crowd) {
			c.program().with("Authorization", "Bearer "+c.held["desk shop"].access).post("/api/logout", nil).want(200)
		}, []string{"desk shop"}, []string{}, ""},
		"account": {func(c *crowd) { c.end(logout.CauseAccount, logout.Target{SessionID: c.deskID}) }, desk, nil, "d"},
		"account, others": {func(c *crowd) {
			c.end(logout.CauseAccount, logout.Target{Subject: c.user.ID, ExceptSessionID: c.deskID})
		}, all(desk...), nil, "p"},
		"account_app": {func(c *crowd) {
			c.end(logout.CauseAccountApp, logout.Target{Subject: c.user.ID, ClientID: "wiki", OnlyParticipation: true})
		}, []string{"desk wiki", "gone wiki+"}, nil, ""},
		"admin, session": {func(c *crowd) { c.end(logout.CauseAdmin, logout.Target{SessionID: c.deskID}) }, desk, nil, "d"},
		"admin, user":    {func(c *crowd) { c.end(logout.CauseAdmin, logout.Target{Subject: c.user.ID}) }, everything, nil, "dp"},
		"admin, user's sessions with a client": {func(c *crowd) {
			c.end(logout.CauseAdmin, logout.Target{Subject: c.user.ID, ClientID: "wiki"})
		}, append([]string{"gone wiki+"}, desk...), nil, "d"},
		"password_changed, by an operator": {func(c *crowd) {
			c.did(c.operator.SetPassword(c.Context(), c.user, "another one", logout.Actor{Kind: "admin"}))
			page := c.desk.get("/login", nil)
			c.desk.submit(page, "username", c.user.Username, "password", crowdPassword).want(http.StatusUnprocessableEntity)
		}, everything, nil, "dp"},
		"password_changed, in a session": {func(c *crowd) {
			c.did(c.operator.ChangePassword(c.Context(), c.user, "another one", c.deskID, logout.Actor{Kind: "user", ID: c.user.ID}))
		}, all(desk...), nil, "p"},
		"user_disabled": {func(c *crowd) {
			c.did(c.operator.DisableUser(c.Context(), c.user, logout.Actor{Kind: "admin"}))
		}, everything, nil, "dp"},
		"user_deleted": {func(c *crowd) {
			c.did(c.operator.DeleteUser(c.Context(), c.user, logout.Actor{Kind: "admin"}))
		}, everything, nil, "dp"},
		"consent_revoked": {func(c *crowd) {
			c.did(c.operator.RevokeConsent(c.Context(), c.user, "wiki", logout.Actor{Kind: "admin"}))
		}, []string{"desk wiki", "gone wiki+"}, nil, ""},
		"token_reuse":              {func(c *crowd) { c.reuse("desk shop") }, []string{"desk shop"}, nil, ""},
		"token_reuse, end_session": {func(c *crowd) { c.reuse("desk wiki") }, desk, nil, "d"},
		"revocation": {func(c *crowd) {
			c.revoke(guardKey.assertion(c.world), fmt.Sprintf(`{"sub_id":{"format":"opaque","id":%q}}`, c.user.ID)).want(http.StatusNoContent)
		}, everything, nil, "dp"},
	}
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http", guarded, func(cfg *provider.Config) {
			cfg.Clients[1].OnTokenReuse = identity.ReuseEndsSession // wiki
		})
		operator, err := provider.NewOperator(w.config)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range slices.Sorted(maps.Keys(causes)) {
			t.Run(name, func(t *testing.T) {
				test := causes[name]
				c := newCrowd(&world{T: t, place: w.place}, operator, fmt.Sprintf("person-%d", i))
				test.strike(c)
				told := test.told
				if told == nil {
					told = test.dead
				}
				for _, name := range told {
					c.eventually(name+" is told", func() bool { return c.told(c.held[name].id) > c.before[name] })
				}
				for name, held := range c.held {
					if got := c.told(held.id) - c.before[name]; got != 0 && !slices.Contains(told, name) || got > 1 {
						t.Errorf("%s was told %d times", name, got)
					}
					if alive := c.active(crowdClient(name), held.refresh); alive == slices.Contains(test.dead, name) {
						t.Errorf("%s is alive: %t", name, alive)
					}
				}
				for session, browser := range map[string]*agent{"d": c.desk, "p": c.phone} {
					if ended := test.ends == session || test.ends == "dp"; browser.alive() == ended {
						t.Errorf("the session %q is alive: %t", session, !ended)
					}
				}
				if !c.other.alive() {
					t.Error("somebody else is out")
				}
			})
		}
		t.Run("idle", func(t *testing.T) {
			c := newCrowd(&world{T: t, place: w.place}, operator, "idler")
			c.clock.Advance(13 * time.Hour)
			if _, err := c.provider.Engine().Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, held := range c.held {
				if name != "gone wiki+" {
					c.eventually(name+" is told", func() bool { return c.told(held.id) == 1 })
				}
				offline := name[len(name)-1] == '+'
				if c.active(crowdClient(name), held.refresh) != offline {
					t.Errorf("%s is alive: %t", name, !offline)
				}
			}
		})
	})
}

// A password that is another in the configuration at the next start, or on the next node, ends what the old one opened.
func TestSession_PasswordInTheConfiguration(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		w := openOn(t, databasetest.Open(t, url), "http")
		alice, bob := w.browser(), w.browser()
		shop := alice.firstSignOn("shop", "alice", "scope", "openid offline_access")
		bob.firstSignOn("shop", "bob")
		changed := func(cfg *provider.Config) { cfg.Users[0].Password = "looking-glass" }
		next := openOn(t, databasetest.Open(t, url), "http", changed)
		if alice.alive() || w.active("shop", shop.refresh) {
			t.Error("a session or an offline grant of the old password lives")
		}
		next.eventually("the app is told", func() bool { return next.told(shop.id)+w.told(shop.id) == 1 })
		if !bob.alive() {
			t.Error("somebody else is out")
		}
		alice = next.browser()
		alice.submit(alice.get("/login", nil), "username", "alice", "password", "looking-glass").want(200)
		openOn(t, databasetest.Open(t, url), "http", changed)
		if !alice.alive() {
			t.Error("the same password again ends sessions, or the new one does not work")
		}
	})
}

// A consent that is revoked is asked for again, and a code that was given for it is worth nothing any more.
func TestCore_3_1_2_4_ConsentRevoked(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http")
		operator, err := provider.NewOperator(w.config)
		if err != nil {
			t.Fatal(err)
		}
		alice := w.browser()
		agreed := alice.submit(alice.logIn(alice.get("/authorize", request("strict")), "alice"), "decision", "allow").code()
		strict := w.exchange("strict", agreed).tokens()
		user, err := operator.User(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		waiting, elsewhere := alice.get("/authorize", request("strict")).code(), alice.get("/authorize", request("shop")).code()
		if _, err := operator.RevokeConsent(t.Context(), user, "strict", logout.Actor{Kind: "admin"}); err != nil {
			t.Fatal(err)
		}
		w.exchange("strict", waiting).wantError(400, "invalid_grant")
		w.exchange("shop", elsewhere).want(200)
		if w.active("strict", strict.access) {
			t.Error("the tokens live")
		}
		w.eventually("the client is told", func() bool { return w.told(strict.id) == 1 })
		if got := alice.get("/authorize", request("strict", "prompt", "none")).response().Get("error"); got != "consent_required" {
			t.Errorf("silent sign-on: %q", got)
		}
		if _, err := operator.RevokeConsent(t.Context(), user, "strict", logout.Actor{Kind: "admin"}); err != provider.ErrNothingAgreed { //nolint:errorlint // it is returned as it is
			t.Errorf("again: %v", err)
		}
	})
}

// A session with a client that has no idle lifetime lives until its absolute one, also when the person logs in again; the others do not.
func TestSession_IdleNone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := openOn(t, db, "http", func(cfg *provider.Config) {
			cfg.Clients[slices.IndexFunc(cfg.Clients, func(c identity.Client) bool { return c.ID == "wiki" })].Idle = identity.IdleNone
		})
		alice, bob := w.browser(), w.browser()
		shop := alice.firstSignOn("shop", "alice")
		app := alice.signOn("wiki")
		left := bob.firstSignOn("shop", "bob")
		w.clock.Advance(13 * time.Hour)
		if w.active("shop", left.refresh) || bob.alive() {
			t.Error("a session without such a client outlives its idle lifetime")
		}
		if !w.active("wiki", app.refresh) || !w.active("shop", shop.refresh) {
			t.Fatal("the session ended by its idle lifetime")
		}
		app = w.refresh("wiki", app.refresh).tokens()
		alice.logIn(alice.get("/authorize", request("shop", "prompt", "login")), "alice").code()
		w.clock.Advance(20 * 24 * time.Hour)
		if !w.active("wiki", app.refresh) {
			t.Error("activity, or a login, brought the idle lifetime back")
		}
		w.clock.Advance(10 * 24 * time.Hour)
		if w.active("wiki", app.refresh) || alice.alive() {
			t.Error("it outlives its absolute lifetime")
		}
	})
}
