package realtime

import (
	"context"
	"errors"
	"slices"

	"github.com/centrifugal/centrifuge"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// caller is what the HTTP request of a connection said.
type caller struct {
	origin string // empty: no browser, or a page of ours that reads a stream
	own    bool   // a page of ours
	// session is the live one of the cookie, for a page of ours.
	session *logout.Session
}

type (
	callerKey struct{}
	pageKey   struct{}
)

// connecting decides who may connect:
//
//  1. With a ticket: it is used up. A browser must be at one of the origins that the ticket's client has now; what is no browser has no
//     origin, and proves by the ticket alone that it was given an ID token.
//  2. Without one: only a page of ours, for the session of its cookie.
//
// A ticket that is not known any more asks for another one; everything else that is refused is not to be tried again.
func (h *Hub) connecting(ctx context.Context, e centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
	from, _ := ctx.Value(callerKey{}).(caller)
	var p page
	switch {
	case e.Token != "":
		ticket, err := h.cfg.Tickets.Redeem(ctx, browser.Hash(e.Token), h.cfg.Now().UTC())
		if errors.Is(err, identity.ErrNoTicket) {
			return centrifuge.ConnectReply{}, centrifuge.ErrorTokenExpired
		}
		if err != nil {
			return h.failed(ctx, err)
		}
		client, err := h.cfg.Clients.Client(ctx, ticket.ClientID)
		if err != nil && !errors.Is(err, identity.ErrNoClient) {
			return h.failed(ctx, err)
		}
		if err != nil || from.origin != "" && !slices.Contains(client.Origins(), from.origin) {
			return centrifuge.ConnectReply{}, centrifuge.DisconnectPermissionDenied
		}
		p = page{sessionID: ticket.SessionID, sid: ticket.SID, quiet: ticket.Quiet}
	case !from.own:
		return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
	case from.session == nil:
		return centrifuge.ConnectReply{}, disconnectEnded
	default:
		p = page{sessionID: from.session.ID}
	}
	return centrifuge.ConnectReply{
		Context:     context.WithValue(ctx, pageKey{}, p),
		Credentials: &centrifuge.Credentials{UserID: p.sessionID}, // the library's own lists are by it; clients never see it
	}, nil
}

func (h *Hub) failed(ctx context.Context, err error) (centrifuge.ConnectReply, error) {
	h.cfg.Logger.WarnContext(ctx, "a page cannot be connected", "error", err)
	return centrifuge.ConnectReply{}, centrifuge.DisconnectServerError
}

// connected enters the page in the register, and only then looks whether its session lives: see the package.
func (h *Hub) connected(client *centrifuge.Client) {
	ctx := client.Context()
	p, _ := ctx.Value(pageKey{}).(page)
	p.client = client
	if !h.pages.add(p, maxPages) {
		client.Disconnect(centrifuge.DisconnectConnectionLimit)
		return
	}
	client.OnDisconnect(func(centrifuge.DisconnectEvent) { h.pages.drop(p) })
	live, logoutURL, err := h.live(ctx, p)
	switch {
	case err != nil:
		_, _ = h.failed(ctx, err)
		h.pages.drop(p)
		client.Disconnect(centrifuge.DisconnectServerError)
	case live:
		text := message{Status: statusLive, LogoutURL: logoutURL}.encode()
		h.pages.each(p.sessionID, func(other page) {
			if other.client == client {
				h.send(p, text)
			}
		})
	default:
		h.pages.drop(p)
		h.send(p, farewell(p, logout.Ending{}))
		client.Disconnect(disconnectEnded)
	}
}

// live reads whether the page's session, and its client's part in it, live, and where the page is to go when they do not any more.
func (h *Hub) live(ctx context.Context, p page) (live bool, logoutURL string, err error) {
	var part logout.Participation
	var session logout.Session
	if p.sid != "" {
		part, session, err = h.cfg.Sessions.FindSID(ctx, p.sid)
	} else {
		session, err = h.cfg.Sessions.Find(ctx, p.sessionID)
	}
	switch {
	case errors.Is(err, logout.ErrNoSession):
		return false, "", nil
	case err != nil, !part.EndedAt.IsZero(), !session.Live(h.cfg.Now()):
		return false, "", err
	case session.DeviceID == "", part.ClientID == "", p.quiet:
		return true, "", nil
	}
	attached, err := h.cfg.Attachments.Attachment(ctx, session.DeviceID, part.ClientID)
	if errors.Is(err, identity.ErrNoDevice) || err == nil && attached.LogoutURL == "" {
		return true, "", nil
	}
	if err != nil {
		return true, "", err
	}
	// What was the client's when it said so may be somebody else's by now.
	client, err := h.cfg.Clients.Client(ctx, part.ClientID)
	switch {
	case err != nil && !errors.Is(err, identity.ErrNoClient):
		return true, "", err
	case err != nil, !client.Owns(attached.LogoutURL):
		return true, "", nil
	}
	return true, attached.LogoutURL, nil
}
