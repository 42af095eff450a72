package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// deliveryPage is the data of "delivery".
type deliveryPage struct {
	ID, LogoutID, SessionID string
	Mark                    mark
	Explain                 string
	App, User               person
	Channel, Cause, Why     string
	SID                     string
	Created, Next           *moment
	GiveUp, Settled         *moment
	BreakerSince, NextProbe *moment
	BreakerReason           string
	Told                    bool // it was acknowledged: telling it again is by choice
	Redeliverable           bool
	Sent                    sent
	Attempts                []attemptRow
}

// sent is what a relying party is sent, without what proves that it comes from us.
type sent struct {
	Method, URI, Type, Body, Note string
}

type attemptRow struct {
	Number         int
	Mark           mark
	At             *moment
	Took           string
	Status         int
	Error, Snippet string
}

// Delivery answers GET /admin/deliveries/:id: one delivery, what was sent, and every attempt.
func (h *Console) Delivery(c echo.Context) error {
	ctx, id := c.Request().Context(), clean(c.Param("id"), maxID)
	d, attempts, err := h.Ledger.Show(ctx, id)
	if errors.Is(err, logout.ErrNoDelivery) {
		return notFound("delivery", nil)
	}
	if err != nil {
		return err
	}
	page, err := h.deliveryPage(ctx, d)
	if err != nil {
		return err
	}
	for _, a := range slices.Backward(attempts) {
		page.Attempts = append(page.Attempts, attemptRow{a.Number, markOf(a.State), h.at(a.At), took(a.Duration), a.Status, a.Error, a.Snippet})
	}
	live := 0
	if !d.State.Final() {
		live = liveEvery
	}
	return h.render(c, http.StatusOK, "delivery", "Delivery to "+page.App.Name, view{Nav: pathDeliveries, Live: live, Body: page})
}

// maxID bounds the ids in addresses; ours are shorter.
const maxID = 64

func (h *Console) deliveryPage(ctx context.Context, d logout.Delivery) (deliveryPage, error) {
	client, err := h.Clients.Client(ctx, d.ClientID)
	if err != nil && !errors.Is(err, identity.ErrNoClient) {
		return deliveryPage{}, err
	}
	gone := err != nil
	who, err := h.people(ctx, d.Subject)
	if err != nil {
		return deliveryPage{}, err
	}
	name, err := h.clientName(ctx, d.ClientID)
	if err != nil {
		return deliveryPage{}, err
	}
	page := deliveryPage{
		ID: d.ID, LogoutID: d.LogoutID, SessionID: d.SessionID, Mark: markOf(d.State), Explain: explain(d), App: person{d.ClientID, name}, User: who(d.Subject),
		Channel: string(d.Channel), Cause: string(d.Cause), Why: causeTexts[d.Cause], SID: d.SID, Created: h.at(d.CreatedAt), Settled: h.at(d.SettledAt),
		Redeliverable: slices.Contains(logout.Redeliverable(true), d.State), Told: d.State == logout.StateDelivered, Sent: h.sent(d, client, gone),
	}
	if d.State.Final() {
		return page, nil
	}
	page.Next, page.GiveUp = h.at(d.NextAt), h.at(d.GiveUpAt)
	overview, err := h.Engine.Overview(ctx, d.ClientID)
	if err != nil {
		return page, err
	}
	if b, open := overview[d.ClientID].Breaker(); open {
		page.BreakerSince, page.BreakerReason, page.NextProbe = h.at(b.Since), b.Reason, h.at(b.NextProbe)
	}
	return page, nil
}

// sent describes the request of the next or the last attempt. The signature is not shown: whoever has a logout token can use it.
func (h *Console) sent(d logout.Delivery, client identity.Client, gone bool) sent {
	switch d.Channel {
	case logout.ChannelBackchannel:
		uri, alg := client.BackchannelLogoutURI, client.IDTokenSigningAlg
		note := "iat, exp and jti are new for every attempt. The signature is not shown."
		if gone {
			uri, alg, note = d.URI, d.Alg, note+" The client has been deleted; this is what was known of it."
		}
		if uri == "" {
			return sent{Note: "The client has no backchannel_logout_uri."}
		}
		claims := struct {
			Header any `json:"header"`
			Claims any `json:"claims"`
		}{
			map[string]string{"typ": "logout+jwt", "alg": alg},
			struct {
				Issuer   string         `json:"iss"`
				Audience string         `json:"aud"`
				Subject  string         `json:"sub,omitempty"`
				SID      string         `json:"sid,omitempty"`
				Events   map[string]any `json:"events"`
			}{h.Issuer, d.ClientID, d.Subject, d.SID, map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}}},
		}
		body, err := json.MarshalIndent(claims, "", "  ")
		if err != nil {
			return sent{Method: http.MethodPost, URI: uri, Note: note}
		}
		return sent{Method: http.MethodPost, URI: uri, Type: "logout_token, decoded", Body: string(body), Note: note}
	case logout.ChannelFrontchannel:
		return sent{Method: http.MethodGet, URI: client.FrontchannelLogoutURI, Note: "Loaded by the person's browser in a frame, with iss and sid added."}
	case logout.ChannelWebhook:
		uri := client.WebhookURI
		if gone {
			uri = d.URI
		}
		return sent{Method: http.MethodPost, URI: uri, Type: d.Event, Body: d.Payload, Note: "Signed by Standard Webhooks; the signature and one-time user tokens are made for each attempt and not shown."}
	default:
		return sent{URI: d.URI, Type: d.Event, Body: d.Payload, Note: "Signatures are made for each attempt and not shown."}
	}
}
