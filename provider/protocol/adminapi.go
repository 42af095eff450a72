package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// PrefixAdminAPI is the path of the admin API, on the admin listener.
const PrefixAdminAPI = "/admin/api/v1"

// adminPeople finds people by id and by name.
type adminPeople interface {
	userReader
	UserByName(ctx context.Context, username string) (identity.User, error)
	Names(ctx context.Context, ids []string) (map[string]string, error)
}

// adminClients knows the relying parties.
type adminClients interface {
	identity.Clients

	// ClientsAfter returns at most limit clients, by id, after a given one.
	ClientsAfter(ctx context.Context, after string, limit int) ([]identity.Client, error)
}

// adminSessions knows who is logged in.
type adminSessions interface {
	Find(ctx context.Context, id string) (logout.Session, error)
	LiveAfter(ctx context.Context, t logout.Target, at time.Time, after string, limit int) ([]logout.Session, error)
	Participations(ctx context.Context, sessionID string) ([]logout.Participation, error)
}

// adminEngine acts.
type adminEngine interface {
	Ender
	Redeliverer
	Overview(ctx context.Context, clients ...string) (map[string]logout.Overview, error)
}

// deliveryReader reads deliveries.
type deliveryReader interface {
	List(ctx context.Context, f logout.Filter) ([]logout.Delivery, error)
	Show(ctx context.Context, id string) (logout.Delivery, []logout.Attempt, error)
}

// AdminAPI is what the console can do, for programs: GET and POST below PrefixAdminAPI, on the admin listener.
//
//  1. An access token of ours in the Authorization header, opaque or JWT: both are known by their hash. It is live (401), and has the scope
//     exeunt.admin (403).
//  2. The client is still registered with that scope. A token of client credentials is the client's own; any other must be of a user who is
//     an administrator and not disabled, now, not when it was issued (403).
//  3. JSON in and out; lists go on at next_cursor.
type AdminAPI struct {
	Settings
	Grants   tokenReader
	Users    adminPeople
	Clients  adminClients
	Sessions adminSessions
	Ledger   deliveryReader
	Journal  adminJournal
	Engine   adminEngine
	Trail    trailReader
	Devices  adminDevices
}

// adminJournal reads logouts.
type adminJournal interface {
	Logouts(ctx context.Context, f logout.LogoutFilter) ([]logout.Record, error)
	Ended(ctx context.Context, logoutID string, limit int) ([]logout.Session, error)
}

const adminActorKey = "exeunt admin actor"

// Gate is steps 1 and 2.
func (a *AdminAPI) Gate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		noStore(c)
		token, ok := bearer(c)
		if !ok {
			return a.challenge(c)
		}
		ctx := c.Request().Context()
		state, err := a.Grants.Token(ctx, browser.Hash(token))
		if errors.Is(err, identity.ErrNoToken) {
			return a.refuseToken(c)
		}
		if err != nil {
			return unavailable(err)
		}
		switch {
		case state.Token.Kind != identity.KindAccess || !state.Live(a.Now()):
			return a.refuseToken(c)
		case !slices.Contains(state.Token.Scopes, identity.ScopeAdmin):
			return a.refuse(c, state.Grant.ClientID, "the token has not the scope "+identity.ScopeAdmin)
		}
		may, err := a.mayAdminister(ctx, state)
		if err != nil {
			return unavailable(err)
		}
		if !may {
			return a.refuse(c, state.Grant.ClientID, "the client may not administer any more, or its user is no administrator")
		}
		actor := signout.ClientActor(c, state.Grant.ClientID)
		if !state.Grant.OfClient() {
			actor.Kind, actor.ID = "admin", state.Grant.Subject
		}
		c.Set(adminActorKey, actor)
		return next(c)
	}
}

// refuse records that somebody with a token of ours asked for what it does not open, and says so.
func (a *AdminAPI) refuse(c echo.Context, clientID, reason string) error {
	entry := audit.Refused(signout.ClientActor(c, clientID), clientID, c.Path(), reason)
	if err := a.Audit.Record(context.WithoutCancel(c.Request().Context()), entry); err != nil {
		return unavailable(err)
	}
	return a.refuseScope(c, identity.ScopeAdmin)
}

// mayAdminister is step 2.
func (a *AdminAPI) mayAdminister(ctx context.Context, state identity.TokenState) (bool, error) {
	client, err := a.Clients.Client(ctx, state.Grant.ClientID)
	if errors.Is(err, identity.ErrNoClient) {
		return false, nil
	}
	if err != nil || !client.MayAsk(identity.ScopeAdmin) {
		return false, err
	}
	if state.Grant.OfClient() {
		return true, nil
	}
	user, err := a.Users.User(ctx, state.Grant.Subject)
	if errors.Is(err, identity.ErrNoUser) {
		return false, nil
	}
	return user.Admin && user.DisabledAt.IsZero(), err
}

func adminActor(c echo.Context) logout.Actor {
	actor, _ := c.Get(adminActorKey).(logout.Actor)
	return actor
}

// adminDefaultPage is how many rows a list has for which no limit is given.
const adminDefaultPage = 100

// filterRefused turns what logout.ParseFilter says into an answer.
func filterRefused(err error) *oidc.Error { return invalidRequest("%s.", err.Error()) }

// notThere answers for an id that names nothing.
func notThere(what string) error {
	return &browser.Error{Status: http.StatusNotFound, Title: "There is no such " + what}
}

// subjectOfName replaces the parameter user, a name or a subject, by sub. Somebody who is gone can still be named by subject.
func (a *AdminAPI) subjectOfName(ctx context.Context, q url.Values) error {
	name := q.Get("user")
	if name == "" {
		return nil
	}
	user, err := a.Users.UserByName(ctx, name)
	switch {
	case errors.Is(err, identity.ErrNoUser):
		q.Set("sub", name)
	case err != nil:
		return unavailable(err)
	default:
		q.Set("sub", user.ID)
	}
	return nil
}

// readChoice decodes the body of a POST that chooses what is acted upon. What it has no field for is refused: a misspelt name would choose more
// than was meant.
func readChoice(c echo.Context, into any) error {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return unreadable(err, invalidRequest("The body cannot be read.").WithParent(err))
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return invalidRequest("The body is not the JSON object that is expected here: %.200s.", err.Error())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return invalidRequest("Something follows the JSON object.")
	}
	return nil
}
