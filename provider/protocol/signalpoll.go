package protocol

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// pollBody is the request of RFC 8936, 2.2.
type pollBody struct {
	MaxEvents         *int                      `json:"maxEvents"`
	ReturnImmediately bool                      `json:"returnImmediately"`
	Acknowledged      []string                  `json:"ack"`
	Refused           map[string]logout.Refusal `json:"setErrs"`
}

// pollAnswer is that of RFC 8936, 2.3.
type pollAnswer struct {
	Tokens map[string]string `json:"sets"`
	More   bool              `json:"moreAvailable,omitempty"`
}

// Poll answers POST /ssf/poll/{stream} (RFC 8936, 2):
//
//  1. Take what is acknowledged and what is refused.
//  2. Return what the receiver does not have, as many tokens as it wants; none for maxEvents 0.
//  3. While that is nothing, wait for half a minute, unless returnImmediately is set.
func (s *Signals) Poll(c echo.Context) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	var body pollBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	poll := logout.Poll{Acknowledged: body.Acknowledged, Refused: body.Refused, Max: -1, Wait: !body.ReturnImmediately}
	if body.MaxEvents != nil {
		if poll.Max = *body.MaxEvents; poll.Max < 0 {
			return invalidRequest("The member maxEvents must not be negative.")
		}
	}
	ctx := c.Request().Context()
	streams, err := s.Streams.Streams(ctx, client.ID)
	if err != nil {
		return s.outcome(c, err)
	}
	stream, err := named(streams, c.Param("stream"))
	if err != nil {
		return s.outcome(c, err)
	}
	if stream.Method != identity.StreamPoll {
		return invalidRequest("The stream is pushed, so there is nothing to poll.")
	}
	// The body has been read: the time that a request may take to arrive must not end the wait. Where that cannot be said, it does.
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Time{})
	polled, err := s.Engine.Poll(ctx, stream.ID, poll)
	if err != nil {
		return s.outcome(c, err)
	}
	answer := pollAnswer{Tokens: polled.Tokens, More: polled.More}
	if answer.Tokens == nil {
		answer.Tokens = map[string]string{}
	}
	return c.JSON(http.StatusOK, answer)
}
