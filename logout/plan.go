package logout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Plan is what one logout does: who leaves, who is told, through which channel. Making it writes nothing.
type Plan struct {
	LogoutID      string
	Request       Request
	At            time.Time
	Sessions      []Session       // that end, or of which the client leaves
	Leaving       []Participation // whose clients lose the person
	Deliveries    []Delivery
	Frames        []Frame   // that the page after the logout embeds
	RevokeOffline bool      // grants with offline_access die too
	InsureAt      time.Time // when the insurance job runs unless the ending node was faster
}

// Client is what a logout must know of a relying party.
type Client struct {
	ID                         string
	Name                       string
	BackchannelLogoutURI       string
	BackchannelSessionRequired bool
	FrontchannelLogoutURI      string // iss and sid are always added, so it needs no frontchannel_logout_session_required
	SigningAlg                 string // of its ID tokens, and so of its logout tokens (Back-Channel Logout 1.0, 2.4)
	AllowPrivateNetwork        bool   // its endpoint may be on a private or loopback address
}

// ErrNoClient says that the client does not exist (any more).
var ErrNoClient = errors.New("logout: no such client")

// Clients looks relying parties up. It is called inside the ending transaction and for every attempt, so it should answer from memory.
type Clients interface {
	// LogoutClient returns a client; ErrNoClient when it does not exist.
	LogoutClient(ctx context.Context, id string) (Client, error)
}

// planner turns what the transaction found into a plan.
type planner struct {
	issuer   string
	clients  Clients
	retryFor time.Duration
	insureIn time.Duration
}

func (p planner) plan(ctx context.Context, id string, req Request, at time.Time, sessions []Session, leaving []Participation) (*Plan, error) {
	plan := &Plan{
		LogoutID: id, Request: req, At: at, Sessions: sessions, Leaving: leaving,
		RevokeOffline: req.Cause.RevokesOffline(), InsureAt: at.Add(p.insureIn),
		Deliveries: make([]Delivery, 0, len(leaving)),
	}
	for _, part := range leaving {
		if err := p.tell(ctx, plan, part); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// tell plans how one client learns that its participation has ended: through every channel that it registered and that can carry this
// logout. A client that none of them reaches gets one delivery, which says so.
func (p planner) tell(ctx context.Context, plan *Plan, part Participation) error {
	client, err := p.clients.LogoutClient(ctx, part.ClientID)
	if err != nil && !errors.Is(err, ErrNoClient) {
		return fmt.Errorf("logout: planning for client %q: %w", part.ClientID, err)
	}
	known, told := err == nil, len(plan.Deliveries)
	if known && client.BackchannelLogoutURI != "" {
		d := p.delivery(plan, part)
		d.Channel, d.State = ChannelBackchannel, StatePending
		d.URI, d.Alg, d.Private = client.BackchannelLogoutURI, client.SigningAlg, client.AllowPrivateNetwork
		plan.Deliveries = append(plan.Deliveries, d)
	}
	if known && client.FrontchannelLogoutURI != "" && plan.Request.BrowserSessionID == part.SessionID {
		frame := Frame{ClientID: client.ID, Name: client.Name, URI: frontchannelURI(client.FrontchannelLogoutURI, p.issuer, part.SID)}
		d := p.delivery(plan, part)
		d.Channel, d.State, d.SettledAt, d.URI = ChannelFrontchannel, StateUnconfirmed, plan.At, frame.URI
		plan.Deliveries, plan.Frames = append(plan.Deliveries, d), append(plan.Frames, frame)
	}
	if len(plan.Deliveries) > told {
		return nil
	}
	d := p.delivery(plan, part)
	d.Channel, d.State, d.SettledAt = ChannelBackchannel, StateUnreachable, plan.At
	switch {
	case !known:
		d.LastError = "the client no longer exists"
	case client.FrontchannelLogoutURI != "":
		d.LastError = "the client registered only a frontchannel_logout_uri, and no browser of the session was there to load it"
	default:
		d.LastError = "the client registered neither backchannel_logout_uri nor frontchannel_logout_uri"
	}
	plan.Deliveries = append(plan.Deliveries, d)
	return nil
}

// delivery returns what is the same in every channel.
func (p planner) delivery(plan *Plan, part Participation) Delivery {
	return Delivery{
		ID: NewID(), LogoutID: plan.LogoutID, ClientID: part.ClientID, Cause: plan.Request.Cause, SessionID: part.SessionID, SID: part.SID,
		Subject: part.Subject, CreatedAt: plan.At, NextAt: plan.At, GiveUpAt: plan.At.Add(p.retryFor),
	}
}

// pending returns the deliveries that the ending node attempts at once.
func (p *Plan) pending() []Delivery {
	var due []Delivery
	for _, d := range p.Deliveries {
		if d.State == StatePending {
			due = append(due, d)
		}
	}
	return due
}

// NewID returns a UUIDv7: unique, and ordered by time so that indexes grow at one end.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }
