package protocol

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// ScopeEvents lets a client's own access token (client credentials) pull and acknowledge its events.
const ScopeEvents = "exeunt.events"

// Inbox is what clients pull from. An error that is logout.ErrInvalidCursor is the caller's.
type Inbox interface {
	Pull(ctx context.Context, clientID, cursor string, limit int) (logout.Page, error)
	PullPending(ctx context.Context, clientID string, limit int) ([]logout.PulledEvent, error)
	Acknowledge(ctx context.Context, clientID string, eventIDs []string) (known, unknown []string, err error)
}

// Events answers GET and POST /api/events, where a client pulls what it was or should have been told, and POST /api/events/ack, where it
// says what it knows.
//
//  1. Authenticate the client: by an access token of its own with the scope exeunt.events, by Basic, or in a POST in every way that the
//     token endpoint takes. A public client cannot prove who it is.
//  2. Read, from a cursor on, or what nobody has acknowledged.
//  3. If there is nothing and the client is willing to wait, look again each second.
type Events struct {
	Settings
	ClientAuth ClientAuth
	Grants     tokenReader
	Inbox      Inbox
	Closing    <-chan struct{} // closed when the server is about to stop: nobody waits any longer
	Waiting    *Waiting        // for their events
}

var (
	pullParameters    = []string{"after", "limit", "pending", "wait"}
	pullFormNames     = append(slices.Clone(clientParameters), pullParameters...)
	defaultPull       = 100
	longestPull       = 30 * time.Second
	pullAgain         = time.Second
	parameterMeanings = map[string]string{
		"limit": "a number from 1 to " + strconv.Itoa(logout.MaxPull),
		"wait":  "a number of seconds from 0 to " + strconv.Itoa(int(longestPull/time.Second)),
	}
)

// pullRequest is what a client asks for.
type pullRequest struct {
	after   string
	limit   int
	pending bool
	wait    time.Duration
}

// pullAnswer has next and more unless it is about what is pending, which needs no cursor.
type pullAnswer struct {
	Events []logout.PulledEvent `json:"events"`
	Next   string               `json:"next,omitempty"`
	More   *bool                `json:"more,omitempty"`
}

// Get answers with events.
func (e *Events) Get(c echo.Context) error {
	noStore(c)
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return invalidRequest("The query string cannot be parsed.")
	}
	for _, name := range secretParameters {
		if values.Has(name) {
			return invalidRequest("The parameter %s must not be sent in the URL; authenticate by the Authorization header, or by POST.", name)
		}
	}
	p, repeated := pick(values, pullParameters)
	if len(repeated) > 0 {
		return invalidRequest("The parameter %s is repeated.", repeated[0])
	}
	client, err := e.client(c, parameters{})
	if err != nil {
		return err
	}
	return e.pull(c, client, p)
}

// Post is Get for clients that authenticate in the body.
func (e *Events) Post(c echo.Context) error {
	noStore(c)
	p, err := readForm(c, pullFormNames...)
	if err != nil {
		return err
	}
	client, err := e.client(c, p)
	if err != nil {
		return err
	}
	return e.pull(c, client, p)
}

// client is step 1.
func (e *Events) client(c echo.Context, p parameters) (identity.Client, error) {
	token, ok := bearer(c)
	if !ok {
		client, err := e.ClientAuth.Authenticate(c, p)
		if err == nil && client.Public() {
			err = invalidClient(errors.New("a public client cannot pull events"))
		}
		return client, err
	}
	state, err := e.Grants.Token(c.Request().Context(), browser.Hash(token))
	switch {
	case err != nil && !errors.Is(err, identity.ErrNoToken):
		return identity.Client{}, unavailable(err)
	case err != nil, state.Token.Kind != identity.KindAccess, !state.Live(e.Now()):
		return identity.Client{}, e.refuseToken(c)
	case !state.Grant.OfClient(), !slices.Contains(state.Token.Scopes, ScopeEvents):
		return identity.Client{}, e.refuseScope(c, ScopeEvents)
	}
	client, err := e.ClientAuth.Clients.Client(c.Request().Context(), state.Token.ClientID)
	switch {
	case errors.Is(err, identity.ErrNoClient):
		return client, e.refuseToken(c)
	case err != nil:
		return client, unavailable(err)
	}
	return client, nil
}

func parsePull(p parameters) (pullRequest, error) {
	r := pullRequest{after: p["after"], limit: defaultPull}
	number := func(name string, least, most int) (int, error) {
		n, err := strconv.Atoi(p[name])
		if err != nil || n < least || n > most {
			return 0, invalidRequest("The parameter %s must be %s.", name, parameterMeanings[name])
		}
		return n, nil
	}
	var err error
	if p["limit"] != "" {
		if r.limit, err = number("limit", 1, logout.MaxPull); err != nil {
			return r, err
		}
	}
	if p["wait"] != "" {
		seconds, err := number("wait", 0, int(longestPull/time.Second))
		if err != nil {
			return r, err
		}
		r.wait = time.Duration(seconds) * time.Second
	}
	switch p["pending"] {
	case "", "false":
	case "true":
		r.pending = true
	default:
		return r, invalidRequest("The parameter pending must be true or false.")
	}
	if r.pending && r.after != "" {
		return r, invalidRequest("What is pending needs no cursor: leave after out, and acknowledge what you know.")
	}
	return r, nil
}

// pull is steps 2 and 3.
func (e *Events) pull(c echo.Context, client identity.Client, p parameters) error {
	r, err := parsePull(p)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	answer, err := e.read(ctx, client.ID, r)
	if err != nil || len(answer.Events) > 0 || r.wait == 0 || !e.Waiting.enter(client.ID) {
		return e.answer(c, answer, err)
	}
	defer e.Waiting.leave(client.ID)
	over, again := time.NewTimer(r.wait), time.NewTicker(pullAgain)
	defer over.Stop()
	defer again.Stop()
	for {
		select {
		case <-again.C:
			answer, err = e.read(ctx, client.ID, r)
			if err == nil && len(answer.Events) == 0 {
				continue
			}
		case <-over.C:
		case <-e.Closing:
		case <-ctx.Done():
		}
		return e.answer(c, answer, err)
	}
}

func (e *Events) read(ctx context.Context, clientID string, r pullRequest) (pullAnswer, error) {
	if r.pending {
		events, err := e.Inbox.PullPending(ctx, clientID, r.limit)
		return pullAnswer{Events: events}, err
	}
	page, err := e.Inbox.Pull(ctx, clientID, r.after, r.limit)
	return pullAnswer{Events: page.Events, Next: page.Next, More: &page.More}, err
}

func (e *Events) answer(c echo.Context, answer pullAnswer, err error) error {
	switch {
	case errors.Is(err, logout.ErrInvalidCursor):
		reason := strings.TrimPrefix(err.Error(), logout.ErrInvalidCursor.Error()+": ")
		return invalidRequest("The parameter after is no cursor: %s.", reason).WithParent(err)
	case err != nil:
		return unavailable(err)
	}
	if answer.Events == nil {
		answer.Events = []logout.PulledEvent{}
	}
	return c.JSON(http.StatusOK, answer)
}
