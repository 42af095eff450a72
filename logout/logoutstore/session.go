package logoutstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
)

type sessionRow struct {
	ID         string
	Subject    string
	DeviceID   string
	SecretHash []byte
	AuthTime   int64
	CreatedAt  int64 `gorm:"autoCreateTime:false"`
	SeenAt     int64
	IdleUntil  int64
	ExpiresAt  int64
	EndedAt    *int64
	LogoutID   string
	Address    string
	UserAgent  string
}

func (sessionRow) TableName() string { return "logout_sessions" }

const sessionColumns = "id, subject, device_id, secret_hash, auth_time, created_at, seen_at, idle_until, expires_at, ended_at, logout_id, address, user_agent"

func (r sessionRow) session() logout.Session {
	return logout.Session{
		ID: r.ID, Subject: r.Subject, DeviceID: r.DeviceID, SecretHash: r.SecretHash,
		AuthTime: database.Time(r.AuthTime), CreatedAt: database.Time(r.CreatedAt), SeenAt: database.Time(r.SeenAt),
		IdleUntil: database.Time(r.IdleUntil), ExpiresAt: database.Time(r.ExpiresAt), EndedAt: database.NullTime(r.EndedAt),
		LogoutID: r.LogoutID, Address: r.Address, UserAgent: r.UserAgent,
	}
}

func sessions(rows []sessionRow) []logout.Session {
	all := make([]logout.Session, len(rows))
	for i, r := range rows {
		all[i] = r.session()
	}
	return all
}

type participationRow struct {
	SID       string `gorm:"column:sid"`
	SessionID string
	ClientID  string
	Subject   string
	JoinedAt  int64
	EndedAt   *int64
}

func (participationRow) TableName() string { return "logout_participations" }

const participationColumns = "sid, session_id, client_id, subject, joined_at, ended_at"

func (r participationRow) participation() logout.Participation {
	return logout.Participation{
		SID: r.SID, SessionID: r.SessionID, ClientID: r.ClientID, Subject: r.Subject,
		JoinedAt: database.Time(r.JoinedAt), EndedAt: database.NullTime(r.EndedAt),
	}
}

func participations(rows []participationRow) []logout.Participation {
	all := make([]logout.Participation, len(rows))
	for i, r := range rows {
		all[i] = r.participation()
	}
	return all
}

// Start implements logout.Sessions.
func (s *Store) Start(ctx context.Context, n logout.Session) error {
	row := sessionRow{
		ID: n.ID, Subject: n.Subject, DeviceID: n.DeviceID, SecretHash: n.SecretHash,
		AuthTime: database.Micros(n.AuthTime), CreatedAt: database.Micros(n.CreatedAt), SeenAt: database.Micros(n.SeenAt),
		IdleUntil: database.Micros(n.IdleUntil), ExpiresAt: database.Micros(n.ExpiresAt), EndedAt: database.NullMicros(n.EndedAt),
		Address: n.Address, UserAgent: n.UserAgent,
	}
	if err := s.db.Writer(ctx).Create(&row).Error; err != nil {
		return fmt.Errorf("logoutstore: starting a session: %w", err)
	}
	return nil
}

// Find implements logout.Sessions.
func (s *Store) Find(ctx context.Context, id string) (logout.Session, error) {
	return s.findSession(ctx, "id = ?", id)
}

// FindBySecret implements logout.Sessions.
func (s *Store) FindBySecret(ctx context.Context, hash []byte) (logout.Session, error) {
	if len(hash) == 0 {
		return logout.Session{}, logout.ErrNoSession
	}
	return s.findSession(ctx, "secret_hash = ?", hash)
}

func (s *Store) findSession(ctx context.Context, where string, args ...any) (logout.Session, error) {
	var row sessionRow
	res := s.db.Reader(ctx).Raw("SELECT "+sessionColumns+" FROM logout_sessions WHERE "+where, args...).Scan(&row)
	return row.session(), one(res, logout.ErrNoSession)
}

// live is the condition on a session that may still be used; its parameters are the id and, twice, the time.
const live = "id = ? AND ended_at IS NULL AND idle_until > ? AND expires_at > ?"

// Lock implements logout.Sessions. FOR SHARE lets any number of issuers through together and makes an End wait for them.
func (s *Store) Lock(ctx context.Context, id string, at time.Time) (logout.Session, error) {
	var row sessionRow
	now := database.Micros(at)
	res := s.db.Writer(ctx).Raw("SELECT "+sessionColumns+" FROM logout_sessions WHERE "+live+s.lock("SHARE"), id, now, now).Scan(&row)
	return row.session(), one(res, logout.ErrNoSession)
}

// Renew implements logout.Sessions.
func (s *Store) Renew(ctx context.Context, id string, secretHash []byte, authTime, at, idleUntil time.Time) error {
	now := database.Micros(at)
	res := s.db.Writer(ctx).Exec("UPDATE logout_sessions SET secret_hash = ?, auth_time = ?, seen_at = ?, idle_until = ? WHERE "+live,
		secretHash, database.Micros(authTime), now, database.Micros(idleUntil), id, now, now)
	return one(res, logout.ErrNoSession)
}

// SetDevice notes on which device a session is, for whoever learns that only after it began. Nothing happens to a session that is not there.
func (s *Store) SetDevice(ctx context.Context, id, deviceID string) error {
	if err := s.db.Writer(ctx).Exec("UPDATE logout_sessions SET device_id = ? WHERE id = ?", deviceID, id).Error; err != nil {
		return fmt.Errorf("logoutstore: noting a session's device: %w", err)
	}
	return nil
}

// Touch implements logout.Sessions.
func (s *Store) Touch(ctx context.Context, id string, at, idleUntil time.Time) error {
	now := database.Micros(at)
	res := s.db.Writer(ctx).Exec("UPDATE logout_sessions SET seen_at = ?, idle_until = ? WHERE "+live, now, database.Micros(idleUntil), id, now, now)
	return one(res, logout.ErrNoSession)
}

// Join implements logout.Sessions. Most joins find the participation of an earlier sign-on; of two first ones that race, one inserts and
// the other reads it.
func (s *Store) Join(ctx context.Context, sessionID, clientID, subject string, at time.Time) (logout.Participation, error) {
	var row participationRow
	find := func() error {
		res := s.db.Writer(ctx).Raw("SELECT "+participationColumns+" FROM logout_participations WHERE session_id = ? AND client_id = ? AND ended_at IS NULL",
			sessionID, clientID).Scan(&row)
		return one(res, logout.ErrNoSession)
	}
	if err := find(); err == nil {
		return row.participation(), nil
	}
	row = participationRow{SID: logout.NewID(), SessionID: sessionID, ClientID: clientID, Subject: subject, JoinedAt: database.Micros(at)}
	res := s.db.Writer(ctx).Exec("INSERT INTO logout_participations (sid, session_id, client_id, subject, joined_at) VALUES (?,?,?,?,?) "+
		"ON CONFLICT (session_id, client_id) WHERE ended_at IS NULL DO NOTHING", row.SID, row.SessionID, row.ClientID, row.Subject, row.JoinedAt)
	if res.Error != nil {
		return logout.Participation{}, fmt.Errorf("logoutstore: joining: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		if err := find(); err != nil {
			return logout.Participation{}, fmt.Errorf("logoutstore: joining: %w", err)
		}
	}
	return row.participation(), nil
}

// Participations implements logout.Sessions.
func (s *Store) Participations(ctx context.Context, sessionID string) ([]logout.Participation, error) {
	return s.participationsOf(ctx, []logout.Session{{ID: sessionID}})
}

func (s *Store) participationsOf(ctx context.Context, of []logout.Session) ([]logout.Participation, error) {
	var all []logout.Participation
	for list := range slices.Chunk(of, chunk) {
		text, err := encode(list, func(session logout.Session) []any { return []any{session.ID} })
		if err != nil {
			return nil, err
		}
		where := "session_id" + s.among()
		if len(list) == 1 { // nearly always, and then no planner can go wrong
			where, text = "session_id = ?", list[0].ID
		}
		var rows []participationRow
		res := s.db.Reader(ctx).Raw("SELECT "+participationColumns+" FROM logout_participations WHERE "+where+" AND ended_at IS NULL ORDER BY joined_at, sid", text).Scan(&rows)
		if res.Error != nil {
			return nil, fmt.Errorf("logoutstore: reading participations: %w", res.Error)
		}
		all = append(all, participations(rows)...)
	}
	return all, nil
}

// FindSID implements logout.Sessions.
func (s *Store) FindSID(ctx context.Context, sid string) (logout.Participation, logout.Session, error) {
	var row participationRow
	res := s.db.Reader(ctx).Raw("SELECT "+participationColumns+" FROM logout_participations WHERE sid = ?", sid).Scan(&row)
	if err := one(res, logout.ErrNoSession); err != nil {
		return logout.Participation{}, logout.Session{}, err
	}
	session, err := s.Find(ctx, row.SessionID)
	return row.participation(), session, err
}

// Lapsed implements logout.Sessions.
//
// The union lets each half use its index; an OR would read every session.
func (s *Store) Lapsed(ctx context.Context, at time.Time, after string, limit int) ([]logout.Session, error) {
	var rows []sessionRow
	now := database.Micros(at)
	res := s.db.Reader(ctx).Raw("SELECT "+sessionColumns+" FROM logout_sessions WHERE id IN ("+
		"SELECT id FROM logout_sessions WHERE ended_at IS NULL AND idle_until <= ? UNION "+
		"SELECT id FROM logout_sessions WHERE ended_at IS NULL AND expires_at <= ?) AND id > ? ORDER BY id LIMIT ?", now, now, after, limit).Scan(&rows)
	return sessions(rows), res.Error
}
