package logout

import (
	"context"
	"net/url"
	"strings"
)

// frontchannel tells relying parties by OpenID Connect Front-Channel Logout 1.0: the page that the person sees after the logout embeds the
// relying parties' pages, and the person's browser loads them, with their cookies where it lets frames have any. Nobody answers the provider.
// So such a delivery is unconfirmed from the start, is never attempted by the engine, and is never called delivered.
type frontchannel struct{ issuer string }

// plan implements channel.
func (f frontchannel) plan(_ context.Context, plan *Plan, part Participation, client Client) ([]Delivery, error) {
	if client.FrontchannelLogoutURI == "" || plan.Request.BrowserSessionID != part.SessionID {
		return nil, nil
	}
	frame := Frame{ClientID: client.ID, Name: client.Name, URI: frontchannelURI(client.FrontchannelLogoutURI, f.issuer, part.SID)}
	plan.Frames = append(plan.Frames, frame)
	d := plan.delivery(ChannelFrontchannel, part)
	d.State, d.SettledAt, d.URI = StateUnconfirmed, plan.At, frame.URI
	return []Delivery{d}, nil
}

// Frame is a relying party's page that the page after a logout embeds.
type Frame struct {
	ClientID string
	Name     string
	URI      string // with iss and sid
}

// frontchannelURI adds iss and sid, always both (Front-Channel Logout 1.0, 3). The query that the URI has already stays as it is (2).
func frontchannelURI(registered, issuer, sid string) string {
	separator := "?"
	if strings.Contains(registered, "?") {
		separator = "&"
		if strings.HasSuffix(registered, "?") || strings.HasSuffix(registered, "&") {
			separator = ""
		}
	}
	return registered + separator + "iss=" + url.QueryEscape(issuer) + "&sid=" + url.QueryEscape(sid)
}
