package protocol

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// The delivery methods by their URIs (Shared Signals Framework 1.0, 6.1).
const (
	methodPush = "urn:ietf:rfc:8935"
	methodPoll = "urn:ietf:rfc:8936"
)

// minVerification is the time that must pass between two requests for a verification.
const minVerification = 10 * time.Second

// clockGrace is how much too early a receiver may be that keeps to it by its own clock.
const clockGrace = time.Second

// streamAnswer is a stream's configuration as its receiver sees it (8.1.1). The authorization header is never shown; there is no
// inactivity_timeout, because a stream stays until it is deleted.
type streamAnswer struct {
	ID              string         `json:"stream_id"`
	Issuer          string         `json:"iss"`
	Audience        string         `json:"aud"`
	Delivery        deliveryAnswer `json:"delivery"`
	EventsSupported []string       `json:"events_supported"`
	EventsRequested []string       `json:"events_requested,omitzero"`
	EventsDelivered []string       `json:"events_delivered"`
	MinVerification int            `json:"min_verification_interval"`
	Description     string         `json:"description,omitempty"`
}

type deliveryAnswer struct {
	Method      string `json:"method"`
	EndpointURL string `json:"endpoint_url"`
}

func (s *Signals) describe(stream identity.Stream) streamAnswer {
	answer := streamAnswer{
		ID: stream.ID, Issuer: s.Issuer, Audience: stream.ClientID, EventsSupported: logout.SignalTypes(), EventsRequested: stream.EventsRequested,
		EventsDelivered: logout.Deliverable(stream.EventsRequested), MinVerification: int(minVerification / time.Second), Description: stream.Description,
		Delivery: deliveryAnswer{Method: methodPush, EndpointURL: stream.EndpointURL},
	}
	if stream.Method == identity.StreamPoll {
		answer.Delivery = deliveryAnswer{Method: methodPoll, EndpointURL: s.URL(PathStreamPoll) + stream.ID}
	}
	return answer
}

// Create answers POST /ssf/stream (8.1.1.1): 201, or 409 for a receiver that has a stream.
func (s *Signals) Create(c echo.Context) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	var body streamBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	stream := identity.Stream{ID: logout.NewID(), ClientID: client.ID, Status: string(logout.StreamEnabled), CreatedAt: s.Now().UTC()}
	if err := s.apply(&stream, body, true); err != nil {
		return err
	}
	err = s.Streams.Create(c.Request().Context(), stream)
	if errors.Is(err, identity.ErrStreamTaken) {
		return &oidc.Error{ErrorType: codeStreamTaken, Description: "The receiver has a stream already; read, change or delete it."}
	}
	if err != nil {
		return s.outcome(c, err)
	}
	return c.JSON(http.StatusCreated, s.describe(stream))
}

// Read answers GET /ssf/stream (8.1.1.2): the stream named by stream_id, or, without it, a list.
func (s *Signals) Read(c echo.Context) error {
	client, err := s.reader(c)
	if err != nil {
		return err
	}
	streams, err := s.Streams.Streams(c.Request().Context(), client.ID)
	if err != nil {
		return s.outcome(c, err)
	}
	if !c.QueryParams().Has("stream_id") {
		answers := make([]streamAnswer, len(streams))
		for i, stream := range streams {
			answers[i] = s.describe(stream)
		}
		return c.JSON(http.StatusOK, answers)
	}
	stream, err := named(streams, c.QueryParam("stream_id"))
	if err != nil {
		return s.outcome(c, err)
	}
	return c.JSON(http.StatusOK, s.describe(stream))
}

// named finds the stream of an id among those of its client.
func named(streams []identity.Stream, id string) (identity.Stream, error) {
	for _, stream := range streams {
		if stream.ID == id {
			return stream, nil
		}
	}
	return identity.Stream{}, identity.ErrNoStream
}

// Update answers PATCH /ssf/stream (8.1.1.3): what the body has is changed, the rest stays.
func (s *Signals) Update(c echo.Context) error { return s.rewrite(c, false) }

// Replace answers PUT /ssf/stream (8.1.1.4): what the body does not have is deleted.
func (s *Signals) Replace(c echo.Context) error { return s.rewrite(c, true) }

func (s *Signals) rewrite(c echo.Context, whole bool) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	var body streamBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	var changed identity.Stream
	err = s.change(c, client, body.ID, func(ctx context.Context, stream identity.Stream) error {
		if err := body.contradicts(s.describe(stream)); err != nil {
			return err
		}
		changed = stream
		if err := s.apply(&changed, body, whole); err != nil {
			return err
		}
		if err := s.Streams.Update(ctx, changed); err != nil {
			return err
		}
		if sameDelivery(stream, changed) {
			return nil
		}
		return s.Engine.StreamChanged(ctx, s.Streams.Signal(changed))
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, s.describe(changed))
}

// Delete answers DELETE /ssf/stream (8.1.1.5). What the stream still held is dropped, and receipts say so.
func (s *Signals) Delete(c echo.Context) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	err = s.change(c, client, c.QueryParam("stream_id"), func(ctx context.Context, stream identity.Stream) error {
		if err := s.Streams.Delete(ctx, stream.ID); err != nil {
			return err
		}
		return s.Engine.StreamDeleted(ctx, s.Streams.Signal(stream))
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
