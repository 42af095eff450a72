package signout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/signout"
)

func ExampleLocation() {
	state := browser.Field{Name: "state", Value: "a b+c&d"}
	fmt.Println(signout.Location("https://app.example.com/bye", state))
	fmt.Println(signout.Location("https://app.example.com/bye?kept=a%20b", state))
	fmt.Println(signout.Location("com.example.app:/bye?", state))
	fmt.Println(signout.Location("https://app.example.com/bye", browser.Field{Name: "state"}))
	// Output:
	// https://app.example.com/bye?state=a%20b%2Bc%26d
	// https://app.example.com/bye?kept=a%20b&state=a%20b%2Bc%26d
	// com.example.app:/bye?state=a%20b%2Bc%26d
	// https://app.example.com/bye
}

// touches records what is written of sessions.
type touches struct {
	order []string
	until time.Time
	err   error
}

func (h *touches) Touch(_ context.Context, _ string, _, idleUntil time.Time) error {
	h.order, h.until = append(h.order, "touch"), idleUntil
	return h.err
}

func (h *touches) Lock(_ context.Context, id string, _ time.Time) (logout.Session, error) {
	h.order = append(h.order, "lock")
	return logout.Session{ID: id}, nil
}

func TestActivity(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	hour := signout.Lifetimes{Idle: time.Hour, Absolute: 24 * time.Hour}
	tests := map[string]struct {
		lifetimes signout.Lifetimes
		idle, end time.Duration // of the session, from now
		until     time.Duration // what is written; 0: nothing
	}{
		"just seen":              {hour, time.Hour - 59*time.Second, 9 * time.Hour, 0},
		"a minute ago":           {hour, time.Hour - time.Minute, 9 * time.Hour, time.Hour},
		"never beyond the end":   {hour, time.Minute, 10 * time.Minute, 10 * time.Minute},
		"bounded already":        {hour, 10 * time.Minute, 10 * time.Minute, 0},
		"idle lifetime is off":   {signout.Lifetimes{Absolute: time.Hour}, 1000 * time.Hour, time.Hour, 0},
		"turned off since start": {signout.Lifetimes{Absolute: time.Hour}, time.Minute, time.Hour, time.Hour},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			store := &touches{}
			session := logout.Session{ID: "s", IdleUntil: now.Add(test.idle), ExpiresAt: now.Add(test.end)}
			a := signout.Activity{Sessions: store, Lifetimes: test.lifetimes}
			held, err := a.Hold(t.Context(), session, now)
			if err != nil || held.ID != "s" || store.order[len(store.order)-1] != "lock" {
				t.Fatalf("held %v, %v, %v", held, err, store.order)
			}
			if test.until == 0 != store.until.IsZero() || test.until != 0 && !store.until.Equal(now.Add(test.until)) {
				t.Errorf("written %v", store.until)
			}
		})
	}
	ended := signout.Activity{Sessions: &touches{err: logout.ErrNoSession}, Lifetimes: hour}
	if _, err := ended.Hold(t.Context(), logout.Session{ExpiresAt: now.Add(time.Hour)}, now); !errors.Is(err, logout.ErrNoSession) {
		t.Errorf("a session that ended: %v", err)
	}
}

// engine ends one session.
type engine struct {
	ended  []logout.Request
	waited []time.Duration
	err    error
	ctxErr error
}

func (e *engine) End(ctx context.Context, req logout.Request) (*logout.Outcome, error) {
	e.ended, e.ctxErr = append(e.ended, req), ctx.Err()
	if e.err != nil {
		return nil, e.err
	}
	return &logout.Outcome{LogoutID: "l1"}, nil
}

func (e *engine) Wait(_ context.Context, _ string, d time.Duration) []logout.Receipt {
	e.waited = append(e.waited, d)
	return nil
}

// Tx runs fn as it is.
func (e *engine) Tx(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }

func TestLeave(t *testing.T) {
	failed := errors.New("the store failed")
	tests := map[string]struct {
		next    signout.Next
		err     error
		to      string
		cookies int // dropped and set, the browser state among them
	}{
		"to the app":        {next: signout.Next{RedirectURI: "https://app.example.com/bye", State: "s", DropCookie: true}, to: "https://app.example.com/bye?state=s", cookies: 3},
		"to the receipts":   {next: signout.Next{ClientID: "app", DropCookie: true}, to: "/logged_out?client_id=app", cookies: 4},
		"of another device": {next: signout.Next{}, to: "/logged_out"},
		"engine fails":      {err: failed},
		"the rest fails":    {next: signout.Next{Also: func(context.Context) error { return failed }}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := &engine{err: test.err}
			l := &signout.Leaver{Engine: e, Tx: e, Cookies: browser.NewCookies("https://id.example.com"), Wait: 800 * time.Millisecond}
			gone, cancel := context.WithCancel(t.Context())
			cancel() // the person hung up: the logout happens all the same
			rec := httptest.NewRecorder()
			c := echo.New().NewContext(httptest.NewRequestWithContext(gone, http.MethodGet, "/logout", nil), rec)
			err := l.Leave(c, logout.Request{Cause: logout.CauseRedirect, Target: logout.Target{SessionID: "s"}}, test.next)
			if (e.ended[0].BrowserSessionID == "s") != test.next.DropCookie {
				t.Errorf("the engine takes this browser for that of session %q", e.ended[0].BrowserSessionID)
			}
			if e.ctxErr != nil {
				t.Error("End ran in the context of a client that hung up")
			}
			if test.to == "" {
				if !errors.Is(err, failed) || len(rec.Header()) > 0 {
					t.Errorf("error %v, headers %v", err, rec.Header())
				}
				return
			}
			if err != nil || rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != test.to {
				t.Errorf("%v: %d to %q", err, rec.Code, rec.Header().Get("Location"))
			}
			if got := len(rec.Header().Values("Set-Cookie")); got != test.cookies {
				t.Errorf("cookies %v", rec.Header().Values("Set-Cookie"))
			}
			if len(e.waited) != 1 || e.waited[0] != 800*time.Millisecond {
				t.Errorf("waited %v", e.waited)
			}
		})
	}
}
