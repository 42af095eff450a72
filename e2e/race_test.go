package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/bench/driver"
	"github.com/exeunt-id/exeunt/database/databasetest"
)

// A code exchange or a refresh runs against the logout of its session, a thousand times. Whoever wins: afterwards no token is alive, and
// every application that got tokens has been told.
func TestIssueAgainstLogout(t *testing.T) {
	const races = 1000
	databasetest.EachURL(t, func(t *testing.T, database string) {
		sink := newSink(t, http.StatusOK)
		w := newWorld(t, database, 2, func(_ int, id string) string { return sink.URL(id) }, map[string]any{"logout": map[string]any{"wait": "0s"}})
		home, racing := w.clients[0], w.clients[1]
		users := make(chan *driver.Agent, 8)
		for i := range cap(users) {
			users <- w.agent(t, i)
		}
		var issued, refused atomic.Int32
		each(t, races, 4, func(i int) error {
			a := <-users
			defer func() { users <- a }()
			ctx := t.Context()
			if err := a.Login(ctx, fmt.Sprintf("user-%d", i%4)); err != nil {
				return err
			}
			if _, err := a.SignOn(ctx, home, "openid"); err != nil {
				return err
			}
			race, err := newRace(ctx, a, racing, i%2 == 1)
			if err != nil {
				return err
			}
			tokens, ok, err := race.run(ctx, home)
			if err != nil {
				return err
			}
			if !ok {
				refused.Add(1)
			} else {
				issued.Add(1)
			}
			for _, token := range append(tokens, race.earlier...) {
				active, err := a.Active(ctx, racing, token)
				if err != nil {
					return err
				}
				if active {
					return fmt.Errorf("race %d: a token is alive after the logout", i)
				}
			}
			return nil
		})
		if issued.Load() == 0 || refused.Load() == 0 {
			t.Errorf("%d issued and %d refused: the races never raced", issued.Load(), refused.Load())
		}
		// Told: the home application of every session, the racing one of every session in which it got tokens: by the exchange that won, or,
		// in every second race, by the exchange before the refresh.
		told := func() (home, other int) {
			for pair := range sink.Acknowledged() {
				if pair.ClientID == racing.ID {
					other++
				} else {
					home++
				}
			}
			return home, other
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		exchanges := int(issuedExchanges.Load())
		want := races + races/2 + exchanges
		if _, err := sink.Await(ctx, want); err != nil {
			a, b := told()
			t.Errorf("told %d times at home and %d at the racing application, want %d and %d", a, b, races, races/2+exchanges)
		}
		issuedExchanges.Store(0)
		t.Logf("%d issued, %d refused", issued.Load(), refused.Load())
	})
}

// issuedExchanges counts the exchanges that won against the logout.
var issuedExchanges atomic.Int32

// race is one request to the token endpoint that is ready to start.
type race struct {
	agent          *driver.Agent
	client         driver.Client
	code, verifier string
	refresh        string
	earlier        []string // tokens from before the race
}

func newRace(ctx context.Context, a *driver.Agent, c driver.Client, refresh bool) (*race, error) {
	r := &race{agent: a, client: c}
	if !refresh {
		var err error
		r.code, r.verifier, err = a.Code(ctx, c, "openid")
		return r, err
	}
	tokens, err := a.SignOn(ctx, c, "openid")
	r.refresh, r.earlier = tokens.RefreshToken, []string{tokens.AccessToken, tokens.RefreshToken}
	return r, err
}

// run lets the token request and the logout start together and returns the tokens that were issued, if any.
func (r *race) run(ctx context.Context, home driver.Client) (issued []string, ok bool, err error) {
	var wg sync.WaitGroup
	var logoutErr error
	wg.Add(1)
	go func() {
		defer wg.Done()
		logoutErr = r.agent.Logout(ctx, home)
	}()
	var tokens driver.Tokens
	var status int
	if r.refresh != "" {
		tokens, status, err = r.agent.Refresh(ctx, r.client, r.refresh)
	} else {
		tokens, status, err = r.agent.Exchange(ctx, r.client, r.code, r.verifier)
	}
	wg.Wait()
	switch {
	case err != nil:
		return nil, false, err
	case logoutErr != nil:
		return nil, false, logoutErr
	case status == http.StatusBadRequest:
		return nil, false, nil
	case status != http.StatusOK:
		return nil, false, fmt.Errorf("the token endpoint answered %d", status)
	}
	if r.refresh == "" {
		issuedExchanges.Add(1)
	}
	return []string{tokens.AccessToken, tokens.RefreshToken}, true, nil
}

// RFC 6749, 4.1.2: a code is used once, however many ask at the same moment.
func TestParallelExchanges(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, database string) {
		sink := newSink(t, http.StatusOK)
		w := newWorld(t, database, 1, func(_ int, id string) string { return sink.URL(id) }, nil)
		a := w.agent(t, 0)
		for range 10 {
			code, verifier, err := a.Code(t.Context(), w.clients[0], "openid")
			if err != nil {
				t.Fatal(err)
			}
			var won atomic.Int32
			each(t, 20, 20, func(int) error {
				_, status, err := a.Exchange(t.Context(), w.clients[0], code, verifier)
				if status == http.StatusOK {
					won.Add(1)
				}
				return err
			})
			if won.Load() != 1 {
				t.Fatalf("%d of 20 parallel exchanges of one code succeeded, want 1", won.Load())
			}
		}
	})
}

// Two logouts of one session at the same moment are one logout: each application hears of it once.
func TestConcurrentLogouts(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, database string) {
		sink := newSink(t, http.StatusOK)
		w := newWorld(t, database, 3, func(_ int, id string) string { return sink.URL(id) }, nil)
		for range 10 {
			a := w.agent(t, 0)
			for _, c := range w.clients {
				if _, err := a.SignOn(t.Context(), c, "openid"); err != nil {
					t.Fatal(err)
				}
			}
			each(t, 2, 2, func(i int) error { return a.Logout(t.Context(), w.clients[i]) })
		}
		if _, err := sink.Await(t.Context(), 30); err != nil {
			t.Fatal(err)
		}
		for pair, times := range sink.Acknowledged() {
			if times != 1 {
				t.Errorf("%v was told %d times", pair, times)
			}
		}
	})
}

// Somebody presses "sign in" several times in tabs of one live session: nobody waits for ever, nobody gets an error.
func TestParallelLogins(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, database string) {
		sink := newSink(t, http.StatusOK)
		w := newWorld(t, database, 1, func(_ int, id string) string { return sink.URL(id) }, nil)
		a := w.agent(t, 0)
		each(t, 24, 8, func(int) error { return a.Login(t.Context(), "user-0") })
		if _, err := a.SignOn(t.Context(), w.clients[0], "openid"); err != nil {
			t.Error(err)
		}
	})
}
