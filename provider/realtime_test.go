package provider_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
)

// frame is one frame of the protocol of realtime connections.
type frame struct {
	Connect *struct{ Ping int }
	Error   *struct{ Code int }
	Push    *struct {
		Message *struct {
			Data struct {
				Type, Status, Reason, At string
				AuthTime                 int64 `json:"auth_time"`
			}
		}
		Disconnect *struct{ Code int }
	}
}

// connection is a page that listens. Its frames end when the connection does.
type connection struct {
	*testing.T
	frames chan frame
	close  func()
}

// next returns the next frame that is not a ping.
func (c *connection) next() frame {
	c.Helper()
	for {
		select {
		case f, ok := <-c.frames:
			if !ok {
				c.Fatal("the connection has ended")
			}
			if f.Connect != nil || f.Error != nil || f.Push != nil {
				return f
			}
		case <-time.After(15 * time.Second):
			c.Fatal("nothing is heard")
		}
	}
}

// live takes the first two frames: the page is connected, and its session lives.
func (c *connection) live() *connection {
	c.Helper()
	if f := c.next(); f.Connect == nil {
		c.Fatalf("not connected: %+v", f)
	}
	if f := c.next(); f.Push == nil || f.Push.Message == nil || f.Push.Message.Data.Status != "live" {
		c.Fatalf("not live: %+v", f)
	}
	return c
}

// ended wants to hear that the session has ended, for a reason, and not to be expected again.
func (c *connection) ended(reason string) {
	c.Helper()
	f := c.next()
	if f.Push == nil || f.Push.Message == nil {
		c.Fatalf("%+v", f)
	}
	if d := f.Push.Message.Data; d.Type != "session" || d.Status != "ended" || d.Reason != reason || (d.At != "") != (reason != "") {
		c.Errorf("heard %+v, want an end for %q", d, reason)
	}
	c.gone(4500)
}

// gone wants the connection closed with a code; a WebSocket's has none that can be seen here.
func (c *connection) gone(code int) {
	c.Helper()
	for {
		var f frame
		ok := false
		select {
		case f, ok = <-c.frames:
		case <-time.After(15 * time.Second):
			c.Fatal("the connection stays")
		}
		if !ok {
			return
		}
		if f.Push != nil && f.Push.Disconnect != nil {
			if f.Push.Disconnect.Code != code {
				c.Errorf("closed with %d, want %d", f.Push.Disconnect.Code, code)
			}
		} else if f.Push != nil || f.Error != nil {
			c.Errorf("heard %+v", f)
		}
	}
}

func (c *connection) read(text string) {
	for line := range strings.Lines(text) {
		var f frame
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			c.Errorf("%q: %v", line, err)
			return
		}
		c.frames <- f
	}
}

func connectFrame(ticket string) string {
	if ticket == "" {
		return `{"id":1,"connect":{}}`
	}
	return fmt.Sprintf(`{"id":1,"connect":{"token":%q}}`, ticket)
}

// events connects by server-sent events. It returns nil and the status when that is refused.
func (a *agent) events(ticket string) (*connection, int) {
	a.Helper()
	ctx, cancel := context.WithCancel(a.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+"/api/realtime/sse?cf_connect="+url.QueryEscape(connectFrame(ticket)), nil)
	if err != nil {
		a.Fatal(err)
	}
	for name, value := range a.headers {
		r.Header.Set(name, value)
	}
	response, err := a.client.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		cancel()
		_ = response.Body.Close()
		return nil, response.StatusCode
	}
	c := &connection{T: a.T, frames: make(chan frame, 100), close: cancel}
	a.Cleanup(cancel)
	go func() {
		defer close(c.frames)
		defer func() { _ = response.Body.Close() }()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				c.read(data)
			}
		}
	}()
	return c, response.StatusCode
}

// socket connects by WebSocket; nil when that is refused.
func (w *world) socket(ticket, origin string) *connection {
	w.Helper()
	config, err := websocket.NewConfig("ws"+strings.TrimPrefix(w.url, "http")+"/api/realtime/websocket", origin)
	if err != nil {
		w.Fatal(err)
	}
	conn, err := config.DialContext(w.Context())
	if err != nil {
		return nil
	}
	if err := websocket.Message.Send(conn, connectFrame(ticket)); err != nil {
		w.Fatal(err)
	}
	c := &connection{T: w.T, frames: make(chan frame, 100), close: func() { _ = conn.Close() }}
	w.Cleanup(c.close)
	go func() {
		defer close(c.frames)
		for {
			var text string
			if err := websocket.Message.Receive(conn, &text); err != nil {
				return
			}
			c.read(text)
		}
	}()
	return c
}

// ticket exchanges an ID token.
func (w *world) ticket(client, idToken string) string {
	w.Helper()
	ticket, _ := w.program().script("/api/realtime/ticket", originOf(client), page(client, idToken)).want(200).json()["ticket"].(string)
	if ticket == "" {
		w.Fatal("no ticket")
	}
	return ticket
}

// listen connects a page of a client.
func (w *world) listen(client, idToken string) *connection {
	w.Helper()
	c, status := w.program().with("Origin", originOf(client)).events(w.ticket(client, idToken))
	if c == nil {
		w.Fatalf("refused: %d", status)
	}
	return c
}

// An open page is told at once, whichever way it is connected; those of other sessions and clients are not.
func TestRealtime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		w := newWorld(t, db)
		alice, bob := w.browser(), w.browser()
		shop, wiki := alice.firstSignOn("shop", "alice"), alice.signOn("wiki")
		other := bob.firstSignOn("shop", "bob")
		stays := w.listen("shop", other.id).live()
		own, _ := alice.with("Sec-Fetch-Site", "same-origin").events("")
		pages := []*connection{w.listen("shop", shop.id), w.listen("wiki", wiki.id), own}
		for _, p := range pages {
			p.live()
		}
		socket := w.socket(w.ticket("shop", shop.id), originOf("shop")).live()
		if n := w.provider.Pages(); n != 5 {
			t.Errorf("%d pages are connected", n)
		}

		// The same person logs in again: sid and session stay.
		alice.logIn(alice.get("/authorize", request("shop", "prompt", "login")), "alice")
		for _, p := range append(pages, socket) {
			if f := p.next(); f.Push == nil || f.Push.Message == nil || f.Push.Message.Data.Status != "live" || f.Push.Message.Data.AuthTime == 0 {
				t.Errorf("after a login: %+v", f)
			}
		}

		// One client leaves; the session lives.
		if _, err := w.provider.Engine().End(t.Context(), logout.Request{
			Cause: logout.CauseAccountApp, Actor: logout.Actor{Kind: "user"},
			Target: logout.Target{Subject: claims(t, wiki.id)["sub"].(string), ClientID: "wiki", OnlyParticipation: true},
		}); err != nil {
			t.Fatal(err)
		}
		pages[1].ended("account_app")

		start := time.Now()
		w.program().script("/api/session/logout", originOf("shop"), page("shop", shop.id)).want(200)
		pages[0].ended("sdk")
		own.ended("sdk")
		socket.ended("sdk")
		t.Logf("told %s after the logout was asked for", time.Since(start))

		// The rest: a page that comes too late is told when it connects.
		if a := w.program().script("/api/realtime/ticket", originOf("shop"), page("shop", shop.id)).want(200).json(); a["status"] != "ended" || a["ticket"] != nil {
			t.Errorf("a ticket for a dead session: %v", a)
		}
		late := w.ticket("shop", other.id)
		bob.get("/logout", url.Values{"client_id": {"shop"}})
		stays.ended("redirect")
		c, _ := w.program().with("Origin", originOf("shop")).events(late)
		if c.next().Connect == nil {
			t.Error("not connected")
		}
		c.ended("")
		w.eventually("nobody is connected", func() bool { return w.provider.Pages() == 0 })
	})
}

// Who may connect.
func TestRealtimeRefused(t *testing.T) {
	w := newSQLiteWorld(t)
	alice := w.browser()
	shop := alice.firstSignOn("shop", "alice")

	t.Run("ticket", func(t *testing.T) {
		w.ticketsAreForOnce(shop.id)
		for _, ticket := range []string{"x", strings.Repeat("x", 3000), shop.id, shop.access} {
			if c, _ := w.program().events(ticket); c.next().Error == nil {
				t.Errorf("%.20s connects", ticket)
			}
		}
		late := w.ticket("shop", shop.id)
		w.clock.Advance(61 * time.Second)
		if c, _ := w.program().events(late); c.next().Error.Code != 109 {
			t.Error("a ticket lives longer than a minute")
		}
	})
	t.Run("origin", func(t *testing.T) {
		evil := "https://evil.example.com"
		if _, status := w.program().with("Origin", evil).events(w.ticket("shop", shop.id)); status != 403 {
			t.Errorf("status %d", status)
		}
		if w.socket(w.ticket("shop", shop.id), evil) != nil {
			t.Error("a socket of a foreign origin")
		}
		c, _ := w.program().with("Origin", originOf("wiki")).events(w.ticket("shop", shop.id))
		c.gone(3507) // another client's origin
		w.program().script("/api/realtime/ticket", originOf("wiki"), page("shop", shop.id)).wantError(403, "origin_not_allowed")
		c, _ = w.program().events(w.ticket("shop", shop.id)) // no browser
		c.live()
	})
	t.Run("cookie", func(t *testing.T) {
		for name, headers := range map[string][]string{
			"a page elsewhere": {"Sec-Fetch-Site", "cross-site", "Origin", originOf("shop")}, "same site": {"Sec-Fetch-Site", "same-site"}, "no browser": {"Sec-Fetch-Site", ""},
		} {
			c, status := alice.with(headers...).events("")
			if c == nil {
				t.Fatalf("%s: %d", name, status)
			}
			c.gone(3500)
		}
		nobody, _ := w.browser().with("Sec-Fetch-Site", "same-origin").events("")
		nobody.gone(4500)
	})
	t.Run("too many tickets", func(t *testing.T) {
		for range 100 {
			w.program().script("/api/realtime/ticket", originOf("shop"), page("shop", shop.id))
		}
		if a := w.program().script("/api/realtime/ticket", originOf("shop"), page("shop", shop.id)).want(429); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.clock.Advance(time.Minute)
		w.ticket("shop", shop.id)
	})
	t.Run("expired ID token", func(t *testing.T) {
		w.clock.Advance(11 * time.Minute)
		quiet := w.listen("shop", shop.id).live()
		alice.get("/logout", url.Values{"client_id": {"shop"}})
		quiet.ended("")
	})
	t.Run("not started or draining", func(t *testing.T) {
		bob := w.browser()
		c := w.listen("shop", bob.firstSignOn("shop", "bob").id).live()
		w.provider.Drain()
		c.gone(3001) // come back
		if _, status := w.program().events("x"); status != http.StatusServiceUnavailable {
			t.Errorf("status %d", status)
		}
	})
}

// ticketsAreForOnce: of many that use one ticket at once, one is connected.
func (w *world) ticketsAreForOnce(idToken string) {
	w.Helper()
	ticket := w.ticket("shop", idToken)
	var group sync.WaitGroup
	results := make(chan bool, 10)
	for range 10 {
		c, _ := w.program().with("Origin", originOf("shop")).events(ticket)
		group.Go(func() { results <- c.next().Connect != nil })
	}
	group.Wait()
	close(results)
	connected := 0
	for ok := range results {
		if ok {
			connected++
		}
	}
	if connected != 1 {
		w.Errorf("%d connections by one ticket", connected)
	}
}
