package provider

import (
	"context"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/realtime"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// channelRealtime is where nodes tell each other what their pages must be told.
const channelRealtime = "realtime"

// newHub wires what holds the connections of pages.
func (p *Provider) newHub(cookies browser.Cookies) *realtime.Hub {
	cfg := realtime.Config{
		Origin: browser.Origin(p.cfg.Issuer), Tickets: p.store.Tickets, Clients: p.store.Clients, Origins: p.store.Clients, Current: p.current(cookies),
		Sessions: p.sessions, Presence: p.store.Presence, Attachments: p.store.Devices, Lifetimes: p.cfg.Sessions, Told: p.metrics.PageTold, Now: p.cfg.Now, Logger: p.cfg.Logger,
	}
	if p.cfg.DB.Postgres() { // an SQLite file has one node
		cfg.Notify = func(ctx context.Context, payload string) error { return p.cfg.DB.Notify(ctx, channelRealtime, payload) }
	}
	hub := realtime.New(cfg)
	p.metrics.Pages(hub.Pages)
	return hub
}

// startHub lets pages connect, and listens to the other nodes until ctx is done.
func (p *Provider) startHub(ctx context.Context) error {
	if err := p.hub.Start(ctx); err != nil || !p.cfg.DB.Postgres() {
		return err
	}
	return p.cfg.DB.Listen(ctx, channelRealtime, p.hub.Hear, p.hub.Missed)
}

// afterEnds calls ended with the plan of each logout that is committed.
func afterEnds(inEnd func(context.Context, *logout.Plan) error, after func(context.Context, func()), ended func(*logout.Plan)) func(context.Context, *logout.Plan) error {
	return func(ctx context.Context, plan *logout.Plan) error {
		if err := inEnd(ctx, plan); err != nil {
			return err
		}
		after(ctx, func() { ended(plan) })
		return nil
	}
}

// pageEndpoints are what scripts call on applications' pages.
type pageEndpoints struct {
	page   protocol.Page
	logout *protocol.SessionLogout
	status *protocol.SessionStatus
	ticket *protocol.RealtimeTicket
	hub    *realtime.Hub
}

func (p *Provider) pageEndpoints(page protocol.Page, leaver *signout.Leaver) pageEndpoints {
	return pageEndpoints{
		page:   page,
		logout: &protocol.SessionLogout{Page: page, Leaver: leaver, Finder: p.sessions},
		status: &protocol.SessionStatus{Page: page},
		ticket: &protocol.RealtimeTicket{Page: page, Tickets: p.store.Tickets},
		hub:    p.hub,
	}
}

// routes of the pages. The logout alone takes cookies from other sites.
func (e pageEndpoints) routes(r *echo.Echo) {
	r.POST(protocol.PathSessionLogout, e.logout.Post)
	r.OPTIONS(protocol.PathSessionLogout, e.page.Preflight(true))
	r.POST(protocol.PathSessionStatus, e.status.Post)
	r.OPTIONS(protocol.PathSessionStatus, e.page.Preflight(false))
	r.POST(protocol.PathRealtimeTicket, e.ticket.Post)
	r.OPTIONS(protocol.PathRealtimeTicket, e.page.Preflight(false))
	r.GET(realtime.PathWebSocket, e.hub.WebSocket)
	r.GET(realtime.PathSSE, e.hub.SSE)
}
