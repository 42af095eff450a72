package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/browser"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// streamKeeper keeps the streams of clients. Methods join the transaction in ctx.
type streamKeeper interface {
	Create(ctx context.Context, stream identity.Stream) error
	Streams(ctx context.Context, clientID string) ([]identity.Stream, error)
	Lock(ctx context.Context, clientID, id string) (identity.Stream, error)
	Update(ctx context.Context, stream identity.Stream) error
	Delete(ctx context.Context, id string) error
	Verify(ctx context.Context, id string, at, notAfter time.Time) error
	AddSubject(ctx context.Context, id string, who identity.SubjectName) error
	RemoveSubject(ctx context.Context, id string, who identity.SubjectName, at time.Time) error
	Seal(streamID, authorization string) []byte
	Signal(stream identity.Stream) logout.Stream
}

// signaller carries the events of streams.
type signaller interface {
	Verify(ctx context.Context, s logout.Stream, state *string) error
	StreamChanged(ctx context.Context, s logout.Stream) error
	StreamDeleted(ctx context.Context, s logout.Stream) error
	Poll(ctx context.Context, streamID string, p logout.Poll) (logout.Polled, error)
}

// Signals is the transmitter of OpenID Shared Signals Framework 1.0: the management API of section 8 and the poll endpoint of RFC 8936. A
// receiver is a client whose scope has ssf.manage; it calls with a token of its own (client_credentials) and has one stream at most. Every
// call but Configuration begins alike:
//
//  1. The token is live, the client's own, and has the scope: 401 and 403 otherwise (RFC 6750, 3.1).
//  2. The body is JSON, and says what it must: 400 otherwise.
//  3. The stream is this client's: 404 otherwise, as for one that does not exist.
//
// A change and what follows from it for the events that are on their way are one transaction.
type Signals struct {
	Settings
	Tx      Transactions
	Grants  tokenReader
	Clients identity.Clients
	Streams streamKeeper
	Engine  signaller

	document []byte
}

// signalsMetadata is that of Shared Signals Framework 1.0, 7.1, with what CAEP Interoperability Profile 1.0, 2.3, makes required. Nothing is
// critical: a receiver that knows only the user of a complex subject errs on the safe side.
type signalsMetadata struct {
	SpecVersion           string          `json:"spec_version"`
	Issuer                string          `json:"issuer"`
	JWKSURI               string          `json:"jwks_uri"`
	DeliveryMethods       []string        `json:"delivery_methods_supported"`
	ConfigurationEndpoint string          `json:"configuration_endpoint"`
	StatusEndpoint        string          `json:"status_endpoint"`
	AddSubjectEndpoint    string          `json:"add_subject_endpoint"`
	RemoveSubjectEndpoint string          `json:"remove_subject_endpoint"`
	VerificationEndpoint  string          `json:"verification_endpoint"`
	AuthorizationSchemes  []authorization `json:"authorization_schemes"`
	DefaultSubjects       string          `json:"default_subjects"`
}

type authorization struct {
	SpecURN string `json:"spec_urn"`
}

// NewSignals completes s with its metadata.
func NewSignals(s Signals) (*Signals, error) {
	document, err := json.Marshal(signalsMetadata{
		SpecVersion: "1_0", Issuer: s.Issuer, JWKSURI: s.URL(PathKeys), DeliveryMethods: []string{methodPush, methodPoll},
		ConfigurationEndpoint: s.URL(PathStream), StatusEndpoint: s.URL(PathStreamStatus), AddSubjectEndpoint: s.URL(PathStreamAdd),
		RemoveSubjectEndpoint: s.URL(PathStreamRemove), VerificationEndpoint: s.URL(PathStreamVerify),
		AuthorizationSchemes: []authorization{{SpecURN: "urn:ietf:rfc:6749"}}, DefaultSubjects: "ALL",
	})
	if err != nil {
		return nil, fmt.Errorf("protocol: transmitter metadata: %w", err)
	}
	s.document = document
	return &s, nil
}

// Configuration answers GET /.well-known/ssf-configuration (7.2).
func (s *Signals) Configuration(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	return c.JSONBlob(http.StatusOK, s.document)
}

// receiver returns the client that calls, if its token and its registration have one of the scopes. The registration counts too: a scope
// that is taken away is gone at once.
func (s *Signals) receiver(c echo.Context, scopes ...string) (identity.Client, error) {
	noStore(c)
	ctx := c.Request().Context()
	token, found := bearer(c)
	if !found {
		return identity.Client{}, s.challenge(c)
	}
	state, err := s.Grants.Token(ctx, browser.Hash(token))
	switch {
	case errors.Is(err, identity.ErrNoToken), err == nil && (state.Token.Kind != identity.KindAccess || !state.Live(s.Now())):
		return identity.Client{}, s.refuseToken(c)
	case err != nil:
		return identity.Client{}, unavailable(err)
	}
	client, err := s.Clients.Client(ctx, state.Token.ClientID)
	switch {
	case errors.Is(err, identity.ErrNoClient):
		return identity.Client{}, s.refuseToken(c)
	case err != nil:
		return identity.Client{}, unavailable(err)
	}
	may := func(scope string) bool {
		return slices.Contains(scopes, scope) && client.MayAsk(scope)
	}
	if !state.Grant.OfClient() || !slices.ContainsFunc(state.Token.Scopes, may) {
		return identity.Client{}, s.refuseScope(c, scopes[0])
	}
	return client, nil
}

// manager is receiver for what changes something.
func (s *Signals) manager(c echo.Context) (identity.Client, error) {
	return s.receiver(c, identity.ScopeStreamManage)
}

// reader is receiver for what only looks.
func (s *Signals) reader(c echo.Context) (identity.Client, error) {
	return s.receiver(c, identity.ScopeStreamRead, identity.ScopeStreamManage)
}

// readJSON reads a body that is one JSON object. The specification's examples have no content type, so none is asked for; the token in the
// header keeps other sites' forms out.
func readJSON(c echo.Context, into any) error {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return unreadable(err, invalidRequest("The body cannot be read.").WithParent(err))
	}
	if err := decodeObject(body, into); err != nil {
		return invalidRequest("The body is not a JSON object of the right form.").WithParent(err)
	}
	return nil
}

// decodeObject is json.Unmarshal without null, which it would take for any object.
func decodeObject(text []byte, into any) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	if object == nil {
		return errors.New("null is no object")
	}
	return json.Unmarshal(text, into)
}

// change runs fn on a stream of the client that nobody else can change meanwhile, and that no session's end overtakes.
func (s *Signals) change(c echo.Context, client identity.Client, id string, fn func(ctx context.Context, stream identity.Stream) error) error {
	if id == "" {
		return invalidRequest("The member stream_id is missing.")
	}
	ctx := context.WithoutCancel(c.Request().Context())
	err := s.Tx.Tx(ctx, func(ctx context.Context) error {
		stream, err := s.Streams.Lock(ctx, client.ID, id)
		if err != nil {
			return err
		}
		return fn(ctx, stream)
	})
	return s.outcome(c, err)
}

// outcome turns what went wrong into an answer.
func (s *Signals) outcome(c echo.Context, err error) error {
	var answer *oidc.Error
	switch {
	case err == nil, errors.As(err, &answer):
		return err
	case errors.Is(err, identity.ErrNoStream), errors.Is(err, logout.ErrNoStream):
		return &oidc.Error{ErrorType: codeNoStream, Description: "The receiver has no such stream."}
	case errors.Is(err, identity.ErrTooSoon):
		browser.SetRetryAfter(c.Response().Header(), minVerification)
		return &oidc.Error{ErrorType: codeTooSoon, Description: "Verifications are asked for too often; see min_verification_interval."}
	case errors.Is(err, context.Canceled):
		return err
	default:
		return (&oidc.Error{ErrorType: codeTemporarilyUnavailable, Description: "The provider cannot do that at the moment. Try again."}).WithParent(err)
	}
}
