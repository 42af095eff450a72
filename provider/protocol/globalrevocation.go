package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4/json"
	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signout"
)

// One client may send so many revocations in a window. What it may end is bounded by its domains; how fast somebody with its stolen key can
// do it, or learn who exists, is bounded here.
const (
	revocationWindow = time.Minute
	maxRevocations   = 60
)

// requestCounter counts over all nodes; identity.Failures has it.
type requestCounter interface {
	Fail(ctx context.Context, at time.Time, window time.Duration, keys ...string) error
	Failures(ctx context.Context, key string, at time.Time) (count int, until time.Time, err error)
}

// subjectReader finds people by what others call them.
type subjectReader interface {
	userReader
	UsersByEmail(ctx context.Context, email string) ([]identity.User, error)
}

// GlobalRevocation answers POST /global-token-revocation (draft-parecki-oauth-global-token-revocation-06), by which another identity system
// or a security tool ends everything of a person: sessions, tokens, offline grants. The person has to log in again, and every relying party
// is told.
//
//  1. Authenticate the client by an assertion in "Authorization: Bearer" and by nothing else: 401.
//  2. The operator must have allowed it, by name, for people of some domains: 403. Metadata cannot.
//  3. So many requests a minute, over all nodes: 429.
//  4. Read the subject identifier (RFC 9493): 400.
//  5. Find the person. An address in another domain than the client's: 403, whether somebody has it or not. Nobody, or somebody of another
//     domain named by an identifier: 404, and nobody learns which.
//  6. End in one transaction. 204, also when nothing was alive.
type GlobalRevocation struct {
	Settings
	ClientAuth ClientAuth
	Domains    map[string][]string // by client_id, see provider.Config
	Users      subjectReader
	Requests   requestCounter
	Engine     Ender
	Tx         Transactions
}

// Post answers with an empty 204, or with an error as the other endpoints for applications do; the draft leaves its body open.
func (g *GlobalRevocation) Post(c echo.Context) error {
	noStore(c)
	ctx := c.Request().Context()
	token, ok := bearer(c)
	if !ok {
		return g.unauthenticated(c, assertionRefused(errors.New("there is none in the Authorization header, with the scheme Bearer")))
	}
	client, err := g.ClientAuth.AuthenticateAssertion(c, token, PathGlobalRevocation)
	if err != nil {
		return g.unauthenticated(c, err)
	}
	domains := g.Domains[client.ID]
	if len(domains) == 0 {
		return g.refuse(c, client.ID, "The client may not revoke what belongs to people (global_token_revocation_domains).")
	}
	if err := g.count(ctx, client.ID); err != nil {
		return err
	}
	id, err := readSubject(c)
	if err != nil {
		return err
	}
	if id.Email != "" && !permitted(id.Email, domains) {
		return g.refuse(c, client.ID, "The client may not revoke what belongs to people of this domain.")
	}
	users, err := g.find(ctx, id, domains)
	if err != nil {
		return err
	}
	err = g.Tx.Tx(context.WithoutCancel(ctx), func(ctx context.Context) error {
		for _, user := range users {
			if _, err := g.Engine.End(ctx, logout.Request{
				Cause: logout.CauseRevocation, Actor: signout.ClientActor(c, client.ID), Target: logout.Target{Subject: user.ID},
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	return c.NoContent(http.StatusNoContent)
}

// unauthenticated adds the challenge (RFC 9110, 15.5.2).
func (g *GlobalRevocation) unauthenticated(c echo.Context, err error) error {
	var refused *oidc.Error
	if errors.As(err, &refused) && Status(refused) == http.StatusUnauthorized {
		g.bearerError(c, codeInvalidToken, "A client assertion is needed.", "")
	}
	return err
}

// count counts this request too, so that whoever is refused and goes on is not let in between.
func (g *GlobalRevocation) count(ctx context.Context, clientID string) error {
	now, key := g.Now().UTC(), fmt.Sprintf("revocation:%x", browser.Hash(clientID))
	if err := g.Requests.Fail(ctx, now, revocationWindow, key); err != nil {
		return unavailable(err)
	}
	n, until, err := g.Requests.Failures(ctx, key, now)
	switch {
	case err != nil:
		return unavailable(err)
	case n > maxRevocations:
		return &browser.Error{Status: http.StatusTooManyRequests, Title: "Too many revocations in a short time", RetryAfter: max(until.Sub(now), time.Second)}
	}
	return nil
}

// find returns the people whom a subject identifier names: one, or all who share an address. Its errors are the answer.
func (g *GlobalRevocation) find(ctx context.Context, id subjectID, domains []string) ([]identity.User, error) {
	var users []identity.User
	var err error
	switch {
	case id.Email != "":
		users, err = g.Users.UsersByEmail(ctx, id.Email)
	case id.Issuer == "" || id.Issuer == g.Issuer:
		var user identity.User
		if user, err = g.Users.User(ctx, id.Subject); err == nil && permitted(user.Email, domains) {
			users = []identity.User{user}
		}
	}
	if err != nil && !errors.Is(err, identity.ErrNoUser) {
		return nil, unavailable(err)
	}
	if len(users) == 0 {
		return nil, &browser.Error{Status: http.StatusNotFound, Title: "There is no such subject"}
	}
	return users, nil
}

// permitted reports whether an e-mail address is in one of the domains.
func permitted(email string, domains []string) bool {
	domain := email[strings.LastIndex(email, "@")+1:]
	return slices.Contains(domains, "*") || slices.Contains(domains, strings.ToLower(domain))
}

// refuse records that the client asked for what it may not, and says so.
func (g *GlobalRevocation) refuse(c echo.Context, clientID, reason string) error {
	entry := audit.Refused(signout.ClientActor(c, clientID), clientID, PathGlobalRevocation, reason)
	if err := g.Audit.Record(context.WithoutCancel(c.Request().Context()), entry); err != nil {
		return unavailable(err)
	}
	return forbidden(reason)
}

func forbidden(description string) *oidc.Error {
	return &oidc.Error{ErrorType: codeInsufficientScope, Description: description}
}

// subjectID is a subject identifier (RFC 9493): an address, or a subject of an issuer, ours if there is none.
type subjectID struct{ Email, Issuer, Subject string }

// readSubject reads the body.
func readSubject(c echo.Context) (subjectID, error) {
	r := c.Request()
	if kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || kind != echo.MIMEApplicationJSON {
		return subjectID{}, invalidRequest("The content type must be application/json.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return subjectID{}, unreadable(err, invalidRequest("The body cannot be read.").WithParent(err))
	}
	return parseSubject(body)
}

// subjectMembers are those of each format that we know, in their order: what it is about comes last (RFC 9493, 3.2).
var subjectMembers = map[string][]string{"email": {"email"}, "iss_sub": {"iss", "sub"}, "opaque": {"id"}}

// parseSubject reads {"sub_id": {...}}. A subject identifier has exactly the members of its format (RFC 9493, 3); a name that is there twice is
// refused, lest two parsers log out two people.
func parseSubject(body []byte) (subjectID, error) {
	var request struct {
		ID map[string]string `json:"sub_id"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return subjectID{}, invalidRequest(`The body must be a JSON object with the member sub_id, an object of strings, and no name twice.`)
	}
	members, known := subjectMembers[request.ID["format"]]
	switch {
	case request.ID == nil:
		return subjectID{}, invalidRequest("The member sub_id is missing.")
	case !known:
		return subjectID{}, invalidRequest("The format of sub_id must be email, iss_sub or opaque (RFC 9493).")
	case len(request.ID) != len(members)+1, slices.ContainsFunc(members, func(name string) bool { return request.ID[name] == "" }):
		return subjectID{}, invalidRequest("In this format sub_id has the members format, %s, not empty, and no others.", strings.Join(members, ", "))
	}
	return subjectID{Email: request.ID["email"], Issuer: request.ID["iss"], Subject: request.ID["sub"] + request.ID["id"]}, nil
}
