package protocol

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// ticketLife is how long a ticket may wait.
const ticketLife = time.Minute

// ticketIssuer keeps tickets; identity.Tickets has it.
type ticketIssuer interface {
	Issue(ctx context.Context, hash []byte, t identity.Ticket, at time.Time) error
}

// RealtimeTicket answers POST /api/realtime/ticket, {"client_id", "id_token"}: a page exchanges its ID token for a ticket, by which it connects
// once, within a minute. So no token stands in a URL.
//
//  1. As in Page. An expired ID token gets a ticket too, because a page that has slept has no other; it hears whether its session lives, which
//     such a token may ask anyway, and no more.
//  2. A session that has ended gets no ticket but the answer.
type RealtimeTicket struct {
	Page
	Tickets ticketIssuer
}

// ticketAnswer has a ticket when the session lives.
type ticketAnswer struct {
	Status    string `json:"status"` // live or ended
	Ticket    string `json:"ticket,omitempty"`
	ExpiresIn int    `json:"expires_in,omitempty"` // seconds
}

// Post answers with a ticket, or an error of RFC 6749, 5.2.
func (t *RealtimeTicket) Post(c echo.Context) error {
	request, err := t.read(c, false)
	if err != nil {
		return err
	}
	if request.hint == nil {
		return invalidRequest("The member id_token is missing.")
	}
	if request.session == nil {
		return c.JSON(http.StatusOK, ticketAnswer{Status: statusEnded})
	}
	now, secret := t.Now().UTC(), browser.NewSecret()
	err = t.Tickets.Issue(c.Request().Context(), browser.Hash(secret), identity.Ticket{
		ClientID: request.client.ID, SessionID: request.part.SessionID, SID: request.part.SID, Quiet: t.expired(request), ExpiresAt: now.Add(ticketLife),
	}, now)
	switch {
	case errors.Is(err, identity.ErrTooManyTickets):
		return &browser.Error{Status: http.StatusTooManyRequests, Title: "Too many tickets wait unused", RetryAfter: ticketLife}
	case err != nil:
		return unavailable(err)
	}
	return c.JSON(http.StatusOK, ticketAnswer{Status: statusLive, Ticket: secret, ExpiresIn: int(ticketLife / time.Second)})
}
