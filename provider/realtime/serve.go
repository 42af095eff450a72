package realtime

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
)

// The paths of the endpoints, below the issuer.
const (
	PathWebSocket = "/api/realtime/websocket"
	PathSSE       = "/api/realtime/sse"
)

const (
	// pingEvery is how often both sides see that the other is there; a page that has slept for longer connects again.
	pingEvery   = 25 * time.Second
	pongTimeout = 10 * time.Second
	// staleAfter is how soon a connection must show its ticket.
	staleAfter = 10 * time.Second
	// maxFrame is the longest honest frame: a connect command with a ticket.
	maxFrame = 4 << 10
)

// transports are those of a node that runs.
type transports struct {
	node      *centrifuge.Node
	websocket http.Handler
	sse       http.Handler
}

func (h *Hub) newTransports() (*transports, error) {
	node, err := centrifuge.New(centrifuge.Config{
		Name: "exeunt", ClientStaleCloseDelay: staleAfter,
		ClientPresenceUpdateInterval: 24 * time.Hour, // nobody asks the library who is there
		LogLevel:                     centrifuge.LogLevelWarn,
		LogHandler: func(e centrifuge.LogEntry) {
			h.cfg.Logger.WarnContext(context.Background(), "realtime: "+e.Message, "error", e.Error)
		},
	})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(h.connecting)
	node.OnConnect(h.connected)
	if err := node.Run(); err != nil {
		return nil, err
	}
	return &transports{
		node: node,
		websocket: centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
			CheckOrigin:      func(*http.Request) bool { return true }, // done: see admit
			MessageSizeLimit: maxFrame, ReadBufferSize: 512, UseWriteBufferPool: true,
			PingPongConfig: centrifuge.PingPongConfig{PingInterval: pingEvery, PongTimeout: pongTimeout},
		}),
		// A stream has no way back: the connection itself shows whether somebody listens.
		sse: centrifuge.NewSSEHandler(node, centrifuge.SSEConfig{PingPongConfig: centrifuge.PingPongConfig{PingInterval: pingEvery, PongTimeout: -1}}),
	}, nil
}

// WebSocket answers GET /api/realtime/websocket. The first frame carries the ticket.
//
// JSON only. The library would speak Protobuf too, and believe a frame that says it is 2^63 bytes long, which ends the program: so nothing that
// asks for it reaches the library, neither parameters nor a subprotocol.
func (h *Hub) WebSocket(c echo.Context) error {
	r := c.Request()
	if r.Header.Get("Sec-WebSocket-Protocol") != "" {
		return &browser.Error{Status: http.StatusBadRequest, Title: "There is no subprotocol: frames are JSON"}
	}
	plain, u := *r, *r.URL
	u.RawQuery = ""
	plain.URL = &u
	c.SetRequest(&plain)
	return h.serve(c, func(t *transports) http.Handler { return t.websocket })
}

// SSE answers GET /api/realtime/sse, a stream of server-sent events. The parameter cf_connect is the first frame.
func (h *Hub) SSE(c echo.Context) error {
	return h.serve(c, func(t *transports) http.Handler { return t.sse })
}

func (h *Hub) serve(c echo.Context, which func(*transports) http.Handler) error {
	t := h.running.Load()
	if t == nil || draining(t) {
		return &browser.Error{Status: http.StatusServiceUnavailable, Title: "Not at the moment", RetryAfter: time.Second}
	}
	from, err := h.admit(c)
	if err != nil {
		return err
	}
	w := c.Response()
	// The server's limits are for requests, which end. A connection that cannot do without them ends with them, and comes back.
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{})); err != nil {
		h.cfg.Logger.DebugContext(c.Request().Context(), "the deadlines of a connection cannot be taken away", "error", err)
	}
	r := c.Request()
	which(t).ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, from)))
	return nil
}

func draining(t *transports) bool {
	select {
	case <-t.node.NotifyShutdown():
		return true
	default:
		return false
	}
}

// admit lets those through who may show a ticket: pages of ours, pages at an origin of some client, and what is no browser. Whether it is an
// origin of the ticket's client is known when the ticket is.
func (h *Hub) admit(c echo.Context) (caller, error) {
	r := c.Request()
	c.Response().Header().Add(echo.HeaderVary, echo.HeaderOrigin)
	from := caller{origin: r.Header.Get(echo.HeaderOrigin)}
	// A page's own EventSource says no origin; every other site's does.
	from.own = from.origin == h.cfg.Origin || from.origin == "" && r.Header.Get("Sec-Fetch-Site") == "same-origin"
	if from.own {
		from.origin = ""
		session, live, err := h.cfg.Current.Session(r.Context(), r)
		if err != nil {
			return from, err
		}
		if live {
			from.session = &session
		}
		return from, nil
	}
	if from.origin == "" {
		return from, nil
	}
	known, err := h.cfg.Origins.KnowsOrigin(r.Context(), from.origin)
	switch {
	case err != nil:
		return from, err
	case !known:
		return from, &browser.Error{Status: http.StatusForbidden, Title: "Pages of this origin cannot connect: no client has it among its allowed_origins"}
	}
	c.Response().Header().Set(echo.HeaderAccessControlAllowOrigin, from.origin)
	return from, nil
}
