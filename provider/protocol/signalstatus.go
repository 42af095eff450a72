package protocol

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// statusAnswer is a stream's status (Shared Signals Framework 1.0, 8.1.2.1).
type statusAnswer struct {
	ID     string `json:"stream_id"`
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// Status answers GET /ssf/status (8.1.2.1).
func (s *Signals) Status(c echo.Context) error {
	client, err := s.reader(c)
	if err != nil {
		return err
	}
	id := c.QueryParam("stream_id")
	if id == "" {
		return invalidRequest("The parameter stream_id is missing.")
	}
	streams, err := s.Streams.Streams(c.Request().Context(), client.ID)
	if err != nil {
		return s.outcome(c, err)
	}
	stream, err := named(streams, id)
	if err != nil {
		return s.outcome(c, err)
	}
	return c.JSON(http.StatusOK, statusAnswer{ID: stream.ID, Status: stream.Status, Reason: stream.Reason})
}

// statusBody is the request of 8.1.2.2.
type statusBody struct {
	ID     string          `json:"stream_id"`
	Status string          `json:"status"`
	Reason json.RawMessage `json:"reason"`
}

// SetStatus answers POST /ssf/status (8.1.2.2). The events that are on their way follow the new status in the same transaction. The receiver
// knows what it has done, so it gets no stream-updated event (8.1.5).
func (s *Signals) SetStatus(c echo.Context) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	var body statusBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	if !logout.StreamStatus(body.Status).Valid() {
		return invalidRequest("The member status must be enabled, paused or disabled.")
	}
	reason, err := shortText("reason", body.Reason)
	if err != nil {
		return err
	}
	err = s.change(c, client, body.ID, func(ctx context.Context, stream identity.Stream) error {
		before := stream.Status
		stream.Status, stream.Reason = body.Status, reason
		if err := s.Streams.Update(ctx, stream); err != nil || before == body.Status {
			return err
		}
		return s.Engine.StreamChanged(ctx, s.Streams.Signal(stream))
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, statusAnswer{ID: body.ID, Status: body.Status, Reason: reason})
}

// verifyBody is the request of 8.1.4.2.
type verifyBody struct {
	ID    string          `json:"stream_id"`
	State json.RawMessage `json:"state"`
}

// maxState bounds what is echoed, in bytes.
const maxState = 4096

// Verify answers POST /ssf/verify (8.1.4.2) with 204: the event will be sent over the stream. A stream that is disabled carries none.
func (s *Signals) Verify(c echo.Context) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	var body verifyBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var state *string
	if json.Unmarshal([]byte(orNull(body.State)), &state) != nil || state != nil && len(*state) > maxState {
		return invalidRequest("The member state must be a text of at most %d bytes.", maxState)
	}
	err = s.change(c, client, body.ID, func(ctx context.Context, stream identity.Stream) error {
		if stream.Status == string(logout.StreamDisabled) {
			return invalidRequest("The stream is disabled; enable it first.")
		}
		now := s.Now().UTC()
		if err := s.Streams.Verify(ctx, stream.ID, now, now.Add(-minVerification+clockGrace)); err != nil {
			return err
		}
		return s.Engine.Verify(ctx, s.Streams.Signal(stream), state)
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// orNull lets an absent member be decoded.
func orNull(member json.RawMessage) string {
	if len(member) == 0 {
		return "null"
	}
	return string(member)
}
