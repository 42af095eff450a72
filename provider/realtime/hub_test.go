package realtime

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/labstack/echo/v4"
	"golang.org/x/net/websocket"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// fakes are a client, a session without an end, and tickets that are all good.
type fakes struct {
	asked func() // is called when somebody reads the session

	mu      sync.Mutex
	shown   []string
	touched []string
	endings []logout.Ending
}

func (f *fakes) Issue(context.Context, []byte, identity.Ticket, time.Time) error { return nil }

func (f *fakes) Redeem(context.Context, []byte, time.Time) (identity.Ticket, error) {
	return identity.Ticket{ClientID: "shop", SessionID: "session-1", SID: "sid-1"}, nil
}

func (f *fakes) Client(context.Context, string) (identity.Client, error) {
	return identity.Client{}, nil
}

func (f *fakes) KnowsOrigin(context.Context, string) (bool, error) { return false, nil }

func (f *fakes) FindBySecret(context.Context, []byte) (logout.Session, error) {
	return logout.Session{}, logout.ErrNoSession
}

func (f *fakes) Find(context.Context, string) (logout.Session, error) {
	return logout.Session{}, logout.ErrNoSession
}

func (f *fakes) FindSID(context.Context, string) (logout.Participation, logout.Session, error) {
	if f.asked != nil {
		f.asked()
	}
	later := time.Now().Add(time.Hour)
	return logout.Participation{}, logout.Session{ID: "session-1", IdleUntil: later, ExpiresAt: later}, nil
}

func (f *fakes) Endings(_ context.Context, sessionIDs, sids []string) ([]logout.Ending, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endings, nil
}

func (f *fakes) TouchAll(_ context.Context, ids []string, _, _ time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touched = append(f.touched, ids...)
	return nil
}

func (f *fakes) Show(_ context.Context, ids []string, _ time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = append(f.shown, ids...)
	return nil
}

func newHub(t *testing.T, f *fakes) (*Hub, string) {
	t.Helper()
	cookies := browser.NewCookies("https://id.example.com")
	h := New(Config{
		Origin: "https://id.example.com", Tickets: f, Clients: f, Origins: f, Current: signout.Current{Sessions: f, Cookies: cookies, Now: time.Now}, Sessions: f, Presence: f,
		Lifetimes: signout.Lifetimes{Idle: time.Hour}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	e := echo.New()
	e.GET(PathSSE, h.SSE)
	e.GET(PathWebSocket, h.WebSocket)
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return h, server.URL + PathSSE + "?cf_connect=" + url.QueryEscape(`{"id":1,"connect":{"token":"x"}}`)
}

// hear connects and returns what is heard, line by line, until the connection ends.
func hear(t *testing.T, address string) <-chan string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		defer func() { _ = res.Body.Close() }()
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// await waits for a line that contains text.
func await(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("the connection ended without %q", text)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-late:
			t.Fatalf("nothing with %q within ten seconds", text)
		}
	}
}

// A session that ends at the very moment at which a page reads it as live: the page is in the register already, so it is told.
func TestEndWhileConnecting(t *testing.T) {
	f := &fakes{}
	h, address := newHub(t, f)
	f.asked = func() {
		h.Ended([]logout.Ending{{SessionID: "session-1", Cause: logout.CauseAdmin, At: time.Now()}})
	}
	start := time.Now()
	lines := hear(t, address)
	await(t, lines, `"status":"ended","reason":"admin"`)
	for line := range lines {
		if strings.Contains(line, statusLive) {
			t.Error("after the end it hears that its session lives")
		}
	}
	if time.Since(start) > lookEvery/2 {
		t.Error("it was found in the table, not told")
	}
	if h.Pages() != 0 {
		t.Error("the page is still in the register")
	}
}

// One session has so many pages, and no more; whoever goes makes room.
func TestPagesOfOneSession(t *testing.T) {
	f := &fakes{}
	h, address := newHub(t, f)
	ctx, hangUp := context.WithCancel(t.Context())
	for range maxPages {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	for deadline := time.Now().Add(10 * time.Second); h.Pages() < maxPages; {
		if time.Now().After(deadline) {
			t.Fatalf("%d pages", h.Pages())
		}
	}
	await(t, hear(t, address), fmt.Sprintf(`"code":%d`, 3504))
	h.Missed()
	for deadline := time.Now().Add(10 * time.Second); ; {
		f.mu.Lock()
		shown, touched := len(f.shown), len(f.touched)
		f.mu.Unlock()
		if shown == 1 && touched == 1 { // once for all its pages
			break
		}
		if time.Now().After(deadline) || shown > 1 || touched > 1 {
			t.Fatalf("shown %d times, touched %d times", shown, touched)
		}
	}
	hangUp()
	for deadline := time.Now().Add(10 * time.Second); h.Pages() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d pages after they have gone", h.Pages())
		}
	}
	await(t, hear(t, address), `"status":"live"`)
}

// The library would also speak Protobuf, whose frames say their own length: believing one that says 2^63 ends the program. So nobody gets it.
func TestJSONOnly(t *testing.T) {
	_, address := newHub(t, &fakes{})
	ws := "ws" + strings.TrimPrefix(address[:strings.Index(address, PathSSE)], "http") + PathWebSocket
	if config, err := websocket.NewConfig(ws, "https://id.example.com"); err != nil {
		t.Fatal(err)
	} else {
		config.Protocol = []string{"centrifuge-protobuf"}
		if conn, err := config.DialContext(t.Context()); err == nil {
			_ = conn.Close()
			t.Error("Protobuf is agreed on")
		}
	}
	for _, query := range []string{"?format=protobuf", "?cf_protocol=protobuf", "?x=1&format=protobuf&cf_ws_frame_ping_pong=true"} {
		config, err := websocket.NewConfig(ws+query, "https://id.example.com")
		if err != nil {
			t.Fatal(err)
		}
		conn, err := config.DialContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := websocket.Message.Send(conn, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}); err != nil {
			t.Fatal(err)
		}
		var text string
		for err == nil { // it is no JSON, so the connection is closed
			err = websocket.Message.Receive(conn, &text)
		}
		_ = conn.Close()
	}
	await(t, hear(t, address), `"status":"live"`)
}

// silent is a connection that nobody reads.
type silent struct{}

func (silent) Name() string                                { return "silent" }
func (silent) AcceptProtocol() string                      { return "" }
func (silent) Protocol() centrifuge.ProtocolType           { return centrifuge.ProtocolTypeJSON }
func (silent) ProtocolVersion() centrifuge.ProtocolVersion { return centrifuge.ProtocolVersion2 }
func (silent) Unidirectional() bool                        { return false }
func (silent) Emulation() bool                             { return false }
func (silent) DisabledPushFlags() uint64                   { return 0 }
func (silent) PingPongConfig() centrifuge.PingPongConfig   { return centrifuge.PingPongConfig{} }
func (silent) Write([]byte) error                          { return nil }
func (silent) WriteMany(...[]byte) error                   { return nil }
func (silent) Close(centrifuge.Disconnect) error           { return nil }

// Whatever frame comes: a panic would end the program, because nobody stands between the library's reader and the runtime.
func FuzzFrame(f *testing.F) {
	f.Add(`{"id":1,"connect":{"token":"x"}}`)
	f.Add(`{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"a","recover":true}}` + "\n" + `{}`)
	f.Add(`{"id":1,"connect":{"token":"x","subs":{"a":{"offset":-1}}}}` + "\n" + `{"id":3,"rpc":{"method":"m","data":[]}}` + "\n" + `{"id":4,"publish":{"channel":"a","data":null}}`)
	f.Add(`{"id":1,"connect":{"token":"x"}}` + "\n" + `{"id":5,"refresh":{"token":"x"}}` + "\n" + `{"send":{"data":{}}}` + "\n" + `{"id":6,"presence":{}}` + "\n" + `{"id":7,"history":{"limit":-1}}` + "\n" + `{"id":8,"unsubscribe":{}}`)
	f.Add(`[`)
	fake := &fakes{}
	h := New(Config{
		Tickets: fake, Clients: fake, Origins: fake, Sessions: fake, Presence: fake, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err := h.Start(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(h.Stop)
	f.Fuzz(func(t *testing.T, text string) {
		client, hangUp, err := centrifuge.NewClient(t.Context(), h.running.Load().node, silent{})
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if !centrifuge.HandleReadFrame(client, strings.NewReader(line)) {
				break
			}
		}
		if err := hangUp(); err != nil {
			t.Fatal(err)
		}
	})
}

// attached is a session on a device to which its client has attached an address.
type attached struct {
	*fakes
	redirectURI string
}

func (attached) FindSID(context.Context, string) (logout.Participation, logout.Session, error) {
	later := time.Now().Add(time.Hour)
	return logout.Participation{ClientID: "shop"}, logout.Session{DeviceID: "d", IdleUntil: later, ExpiresAt: later}, nil
}

func (attached) Attachment(context.Context, string, string) (identity.Attachment, error) {
	return identity.Attachment{LogoutURL: "https://shop.example.com/bye"}, nil
}

func (a attached) Client(context.Context, string) (identity.Client, error) {
	if a.redirectURI == "" {
		return identity.Client{}, identity.ErrNoClient
	}
	return identity.Client{RedirectURIs: []string{a.redirectURI}}, nil
}

// A page is sent to an address of its client only while the client has its origin.
func TestLogoutURLIsTheClientsStill(t *testing.T) {
	for redirectURI, want := range map[string]string{"https://shop.example.com/cb": "https://shop.example.com/bye", "https://moved.example.com/cb": "", "": ""} {
		f := attached{redirectURI: redirectURI}
		h := New(Config{Sessions: f, Clients: f, Attachments: f, Now: time.Now})
		if live, got, err := h.live(t.Context(), page{sid: "sid-1"}); !live || got != want || err != nil {
			t.Errorf("redirect URI %q: %t, %q, %v", redirectURI, live, got, err)
		}
	}
}
