package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
)

// extended is the team's storage and what sessions add to it:
//
//   - a login belongs to a session;
//   - a client that exchanges a code takes part in the session, under a sid of its own, in the same transaction that looks whether the
//     session still lives: nothing is issued beside a logout;
//   - tokens remember the sid, and are dead when it has ended.
//
// The example's storage keeps its tokens in memory; a storage in the database
// would write them in the same transaction, with the sid in a column.
type extended struct {
	*storage.Storage
	db       *database.DB
	sessions *logoutstore.Store
	clients  clients

	mu      sync.Mutex
	logins  map[string]logout.Session // by authorization request
	access  map[string]string         // sid by access token
	refresh map[string]string         // sid by refresh token
}

var (
	_ op.Storage                   = (*extended)(nil)
	_ op.CanSetUserinfoFromRequest = (*extended)(nil)
)

func newExtended(theirs *storage.Storage, db *database.DB, sessions *logoutstore.Store, clients clients) *extended {
	return &extended{
		Storage: theirs, db: db, sessions: sessions, clients: clients,
		logins: map[string]logout.Session{}, access: map[string]string{}, refresh: map[string]string{},
	}
}

// authRequest is an authorization request with the session that answers it.
type authRequest struct {
	*storage.AuthRequest
	session logout.Session // no ID before the login
	sid     string         // empty before the exchange
}

// GetAuthTime is when the person logged in, perhaps for another application.
func (r *authRequest) GetAuthTime() time.Time { return r.session.AuthTime }

// refreshRequest is a refresh with the sid that its tokens belong to.
type refreshRequest struct {
	op.RefreshTokenRequest
	sid, token string
}

// attach gives an authorization request its session and lets it go on.
func (s *extended) attach(ctx context.Context, id string, session logout.Session) error {
	request, err := s.Storage.AuthRequestByID(ctx, id)
	if err != nil {
		return err
	}
	request.(*storage.AuthRequest).UserID = session.Subject
	s.mu.Lock()
	s.logins[id] = session
	s.mu.Unlock()
	return s.AuthRequestDone(id)
}

func (s *extended) withSession(request op.AuthRequest, err error) (op.AuthRequest, error) {
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &authRequest{AuthRequest: request.(*storage.AuthRequest), session: s.logins[request.GetID()]}, nil
}

// AuthRequestByID implements op.Storage.
func (s *extended) AuthRequestByID(ctx context.Context, id string) (op.AuthRequest, error) {
	return s.withSession(s.Storage.AuthRequestByID(ctx, id))
}

// AuthRequestByCode implements op.Storage.
func (s *extended) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	return s.withSession(s.Storage.AuthRequestByCode(ctx, code))
}

// DeleteAuthRequest implements op.Storage.
func (s *extended) DeleteAuthRequest(ctx context.Context, id string) error {
	s.mu.Lock()
	delete(s.logins, id)
	s.mu.Unlock()
	return s.Storage.DeleteAuthRequest(ctx, id)
}

// TokenRequestByRefreshToken implements op.Storage.
func (s *extended) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	request, err := s.Storage.TokenRequestByRefreshToken(ctx, token)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &refreshRequest{RefreshTokenRequest: request, sid: s.refresh[token], token: token}, nil
}

// join lets the client of a request take part in its session while issue runs,
// all in one transaction. A session that has ended meanwhile is invalid_grant.
func (s *extended) join(ctx context.Context, request op.TokenRequest, issue func(ctx context.Context, theirs op.TokenRequest) error) (sid string, err error) {
	err = s.db.Tx(ctx, func(ctx context.Context) error {
		now := time.Now().UTC()
		switch r := request.(type) {
		case *authRequest:
			if _, err := s.sessions.Lock(ctx, r.session.ID, now); err != nil {
				return err
			}
			part, err := s.sessions.Join(ctx, r.session.ID, r.GetClientID(), r.GetSubject(), now)
			if err != nil {
				return err
			}
			sid, r.sid = part.SID, part.SID
			return issue(ctx, r.AuthRequest)
		case *refreshRequest:
			part, _, err := s.sessions.FindSID(ctx, r.sid)
			if err != nil {
				return err
			}
			if _, err := s.sessions.Lock(ctx, part.SessionID, now); err != nil {
				return err
			}
			sid = r.sid
			return issue(ctx, r.RefreshTokenRequest)
		default: // a client of its own accord: no session
			return issue(ctx, request)
		}
	})
	if errors.Is(err, logout.ErrNoSession) {
		err = oidc.ErrInvalidGrant().WithDescription("the session has ended")
	}
	return sid, err
}

// CreateAccessToken implements op.Storage.
func (s *extended) CreateAccessToken(ctx context.Context, request op.TokenRequest) (id string, until time.Time, err error) {
	sid, err := s.join(ctx, request, func(ctx context.Context, theirs op.TokenRequest) (err error) {
		id, until, err = s.Storage.CreateAccessToken(ctx, theirs)
		return err
	})
	s.remember(sid, id, "")
	return id, until, err
}

// CreateAccessAndRefreshTokens implements op.Storage.
func (s *extended) CreateAccessAndRefreshTokens(ctx context.Context, request op.TokenRequest, current string) (id, refresh string, until time.Time, err error) {
	sid, err := s.join(ctx, request, func(ctx context.Context, theirs op.TokenRequest) (err error) {
		id, refresh, until, err = s.Storage.CreateAccessAndRefreshTokens(ctx, theirs, current)
		return err
	})
	s.remember(sid, id, refresh)
	return id, refresh, until, err
}

func (s *extended) remember(sid, access, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sid != "" && access != "" {
		s.access[access] = sid
	}
	if sid != "" && refresh != "" {
		s.refresh[refresh] = sid
	}
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: the ID token
// gets its sid, by which the application will know which session a logout
// token means (Back-Channel Logout 1.0, 2.1).
func (s *extended) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := s.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	info.Subject = request.GetSubject()
	switch r := request.(type) {
	case *authRequest:
		info.AppendClaims("sid", r.sid)
	case *refreshRequest:
		info.AppendClaims("sid", r.sid)
	}
	return nil
}

// alive returns an error if the session of an access token has ended.
func (s *extended) alive(ctx context.Context, tokenID string) error {
	s.mu.Lock()
	sid, bound := s.access[tokenID]
	s.mu.Unlock()
	if !bound {
		return nil
	}
	part, session, err := s.sessions.FindSID(ctx, sid)
	if err == nil && (!part.EndedAt.IsZero() || !session.Live(time.Now())) {
		err = logout.ErrNoSession
	}
	return err
}

// SetUserinfoFromToken implements op.Storage.
func (s *extended) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	if err := s.alive(ctx, tokenID); err != nil {
		return err
	}
	return s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
}

// SetIntrospectionFromToken implements op.Storage.
func (s *extended) SetIntrospectionFromToken(ctx context.Context, info *oidc.IntrospectionResponse, tokenID, subject, clientID string) error {
	if err := s.alive(ctx, tokenID); err != nil {
		return err
	}
	return s.Storage.SetIntrospectionFromToken(ctx, info, tokenID, subject, clientID)
}

// GetClientByClientID implements op.Storage.
func (s *extended) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	found, ok := s.clients[id]
	if !ok {
		return nil, oidc.ErrInvalidClient().WithDescription("the client is unknown")
	}
	return found, nil
}
