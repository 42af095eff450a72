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
	Frames        []Frame // that the page after the logout embeds
	RevokeOffline bool    // grants with offline_access die too
	Early         bool    // this node makes the first attempts right after the commit; otherwise a job does

	giveUpAt  time.Time            // of its deliveries
	byID      map[string]int       // where each of Sessions is; see session
	farewells map[person]*farewell // see webhook.farewell
	streams   map[string][]Stream  // of the clients that were asked for
}

// Client is what a logout must know of a relying party.
type Client struct {
	ID                         string
	Name                       string
	BackchannelLogoutURI       string
	BackchannelSessionRequired bool
	FrontchannelLogoutURI      string // iss and sid are always added, so it needs no frontchannel_logout_session_required
	SigningAlg                 string // of its ID tokens, and so of its logout tokens (Back-Channel Logout 1.0, 2.4)
	AllowPrivateNetwork        bool   // its endpoints may be on private or loopback addresses

	WebhookURI    string
	WebhookKeys   []WebhookKey // newest first; each signs, so that the receiver may know either
	WebhookEvents []string     // the types it wants; empty: all that concern it, see Hears
	UserToken     bool         // it gets one-time user tokens instead of subjects
}

// ErrNoClient says that the client does not exist (any more).
var ErrNoClient = errors.New("logout: no such client")

// Clients looks relying parties up. It is called inside the ending transaction and for every attempt, so it should answer from memory.
type Clients interface {
	// LogoutClient returns a client; ErrNoClient when it does not exist.
	LogoutClient(ctx context.Context, id string) (Client, error)
}

// FormerClients is for Clients that remember clients which were deleted. Without it nobody can sign what their webhooks still have to be
// told.
type FormerClients interface {
	// FormerClient returns what is known of a client that was deleted; ErrNoClient when nothing is.
	FormerClient(ctx context.Context, id string) (Client, error)
}

// planner turns what the transaction found into a plan.
type planner struct {
	clients  Clients
	channels []channel
	retryFor time.Duration
}

// channel is one way by which relying parties are told. One that reaches them by itself is a Notifier too; the others leave it to the
// person's browser, or to the receiver to come and ask. One that also carries events which end no session is an announcer.
type channel interface {
	// plan returns how the client learns through this channel that its participation has ended: nothing when it did not register for it,
	// or when the channel cannot carry this logout. It may add to the plan what is not a delivery, such as frames.
	plan(ctx context.Context, plan *Plan, part Participation, client Client) ([]Delivery, error)
}

func (p planner) plan(ctx context.Context, id string, req Request, at time.Time, sessions []Session, leaving []Participation) (*Plan, error) {
	plan := p.empty(id, req, at)
	plan.Sessions, plan.Leaving, plan.RevokeOffline = sessions, leaving, req.Cause.RevokesOffline()
	plan.Deliveries = make([]Delivery, 0, len(leaving))
	for _, part := range leaving {
		if err := p.tell(ctx, plan, part); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

// empty returns a plan that tells nobody.
func (p planner) empty(id string, req Request, at time.Time) *Plan {
	return &Plan{LogoutID: id, Request: req, At: at, giveUpAt: at.Add(p.retryFor)}
}

// tell plans how one client learns that its participation has ended: through every channel that it registered and that can carry this
// logout. A client that none of them reaches gets one delivery, which says so.
func (p planner) tell(ctx context.Context, plan *Plan, part Participation) error {
	client, err := p.clients.LogoutClient(ctx, part.ClientID)
	if errors.Is(err, ErrNoClient) {
		plan.unreachable(part, "the client no longer exists")
		return nil
	}
	if err != nil {
		return fmt.Errorf("logout: planning for client %q: %w", part.ClientID, err)
	}
	told := len(plan.Deliveries)
	for _, c := range p.channels {
		deliveries, err := c.plan(ctx, plan, part, client)
		if err != nil {
			return fmt.Errorf("logout: planning for client %q: %w", part.ClientID, err)
		}
		plan.Deliveries = append(plan.Deliveries, deliveries...)
	}
	oneEvent(plan.Deliveries[told:])
	switch {
	case len(plan.Deliveries) > told, client.Hears(EventUserLoggedOut):
	case client.FrontchannelLogoutURI != "":
		plan.unreachable(part, "the client registered only a frontchannel_logout_uri, and no browser of the session was there to load it")
	default:
		plan.unreachable(part, "the client registered no backchannel_logout_uri, frontchannel_logout_uri or webhook for it")
	}
	return nil
}

// oneEvent makes what several channels say about one thing one event: the deliveries to a client that are not events of their own share the
// id of the first.
func oneEvent(deliveries []Delivery) {
	id := ""
	for i := range deliveries {
		d := &deliveries[i]
		if d.EventID != "" {
			continue
		}
		if id == "" {
			id = d.ID
		}
		d.EventID = id
	}
}

// delivery returns what is the same in every channel: a delivery that is pending.
func (p *Plan) delivery(channel Channel, part Participation) Delivery {
	return Delivery{
		ID: NewID(), LogoutID: p.LogoutID, ClientID: part.ClientID, Channel: channel, State: StatePending, Cause: p.Request.Cause,
		SessionID: part.SessionID, SID: part.SID, Subject: part.Subject, CreatedAt: p.At, NextAt: p.At, GiveUpAt: p.giveUpAt,
	}
}

// unreachable records that nobody tells the client.
func (p *Plan) unreachable(part Participation, why string) {
	d := p.delivery(ChannelBackchannel, part)
	d.EventID = d.ID
	d.State, d.SettledAt, d.LastError = StateUnreachable, p.At, why
	p.Deliveries = append(p.Deliveries, d)
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
