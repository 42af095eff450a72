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
	RevokeOffline bool      // grants with offline_access die too
	InsureAt      time.Time // when the insurance job runs unless the ending node was faster
}

// Client is what a logout must know of a relying party.
type Client struct {
	ID                         string
	Name                       string
	BackchannelLogoutURI       string
	BackchannelSessionRequired bool
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
		d := Delivery{
			ID: NewID(), LogoutID: plan.LogoutID, ClientID: part.ClientID, Channel: ChannelBackchannel, State: StatePending,
			Cause: req.Cause, SessionID: part.SessionID, SID: part.SID, Subject: part.Subject,
			CreatedAt: at, NextAt: at, GiveUpAt: at.Add(p.retryFor),
		}
		client, err := p.clients.LogoutClient(ctx, part.ClientID)
		switch {
		case errors.Is(err, ErrNoClient):
			d.State, d.SettledAt, d.LastError = StateUnreachable, at, "the client no longer exists"
		case err != nil:
			return nil, fmt.Errorf("logout: planning for client %q: %w", part.ClientID, err)
		case client.BackchannelLogoutURI == "":
			d.State, d.SettledAt, d.LastError = StateUnreachable, at, "the client registered no backchannel_logout_uri"
		default:
			d.URI, d.Alg, d.Private = client.BackchannelLogoutURI, client.SigningAlg, client.AllowPrivateNetwork
		}
		plan.Deliveries = append(plan.Deliveries, d)
	}
	return plan, nil
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
