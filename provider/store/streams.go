package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/signing"
)

// Streams keeps the streams of shared signals. Methods join the transaction in ctx.
type Streams struct {
	db      *database.DB
	clients *Clients
	box     *signing.Secretbox // seals authorization headers
}

// NewStreams returns the streams of a store. box seals what receivers want to hear in an Authorization header.
func NewStreams(s *Store, box *signing.Secretbox) *Streams {
	return &Streams{db: s.db, clients: s.Clients, box: box}
}

const streamColumns = `id, client_id, method, endpoint_url, authorization_sealed, events_requested, description, status, reason, created_at`

// Create stores a new stream; identity.ErrStreamTaken when its client has one.
func (s *Streams) Create(ctx context.Context, stream identity.Stream) error {
	events, err := requested(stream)
	if err != nil {
		return err
	}
	return once(s.db.Writer(ctx), "storing a stream", identity.ErrStreamTaken,
		`INSERT INTO ssf_streams (`+streamColumns+`) VALUES `+placeholders(1, 10)+` ON CONFLICT (client_id) WHERE closed_at IS NULL DO NOTHING`,
		stream.ID, stream.ClientID, stream.Method, stream.EndpointURL, nullBytes(stream.Authorization), events, stream.Description, stream.Status, stream.Reason,
		database.Micros(stream.CreatedAt))
}

// Streams returns the streams of a client, oldest first.
func (s *Streams) Streams(ctx context.Context, clientID string) ([]identity.Stream, error) {
	return s.list(ctx, `client_id = ? AND closed_at IS NULL ORDER BY id`, clientID)
}

// All returns the streams of all clients, by client.
func (s *Streams) All(ctx context.Context) ([]identity.Stream, error) {
	return s.list(ctx, `closed_at IS NULL ORDER BY client_id, id`)
}

func (s *Streams) list(ctx context.Context, where string, args ...any) ([]identity.Stream, error) {
	all := []identity.Stream{}
	err := rows(s.db.Reader(ctx).Raw(`SELECT `+streamColumns+` FROM ssf_streams WHERE `+where, args...), "reading streams", func(r *sql.Rows) error {
		stream, err := scanStream(r.Scan)
		all = append(all, stream)
		return err
	})
	return all, err
}

// Lock returns a stream of the client and holds it until the transaction in ctx ends, so that no session ends beside its change;
// identity.ErrNoStream.
func (s *Streams) Lock(ctx context.Context, clientID, id string) (identity.Stream, error) {
	if !storable(id) {
		return identity.Stream{}, identity.ErrNoStream
	}
	lock := ""
	if s.db.Postgres() {
		lock = " FOR UPDATE"
	}
	return scanStream(func(dest ...any) error {
		return row(s.db.Writer(ctx).Raw(`SELECT `+streamColumns+` FROM ssf_streams WHERE id = ? AND client_id = ? AND closed_at IS NULL`+lock, id, clientID),
			"locking a stream", identity.ErrNoStream, dest...)
	})
}

// Update replaces what can change of a stream; identity.ErrNoStream.
func (s *Streams) Update(ctx context.Context, stream identity.Stream) error {
	events, err := requested(stream)
	if err != nil {
		return err
	}
	return once(s.db.Writer(ctx), "updating a stream", identity.ErrNoStream,
		`UPDATE ssf_streams SET method = ?, endpoint_url = ?, authorization_sealed = ?, events_requested = ?, description = ?, status = ?, reason = ?
		WHERE id = ? AND closed_at IS NULL`,
		stream.Method, stream.EndpointURL, nullBytes(stream.Authorization), events, stream.Description, stream.Status, stream.Reason, stream.ID)
}

// Delete deletes a stream; identity.ErrNoStream.
func (s *Streams) Delete(ctx context.Context, id string) error {
	return once(s.db.Writer(ctx), "deleting a stream", identity.ErrNoStream, `DELETE FROM ssf_streams WHERE id = ? AND closed_at IS NULL`, id)
}

// Verify notes that a verification is asked for at a time; identity.ErrTooSoon when the last one was after the other time. One of any
// number of concurrent calls succeeds.
func (s *Streams) Verify(ctx context.Context, id string, at, notAfter time.Time) error {
	return once(s.db.Writer(ctx), "noting a verification", identity.ErrTooSoon,
		`UPDATE ssf_streams SET verified_at = ? WHERE id = ? AND (verified_at IS NULL OR verified_at <= ?)`,
		database.Micros(at), id, database.Micros(notAfter))
}

// RemoveSubject makes a stream silent about a person. Whom the provider does not know is not kept.
func (s *Streams) RemoveSubject(ctx context.Context, id string, who identity.SubjectName, at time.Time) error {
	where, name := byName(who)
	if !storable(name) {
		return nil
	}
	_, err := exec(s.db.Writer(ctx), "removing a subject from a stream",
		`INSERT INTO ssf_subjects (stream_id, subject, removed_at) SELECT CAST(? AS TEXT), id, CAST(? AS BIGINT) FROM users WHERE `+where+` ON CONFLICT DO NOTHING`,
		id, database.Micros(at), name)
	return err
}

// AddSubject undoes RemoveSubject.
func (s *Streams) AddSubject(ctx context.Context, id string, who identity.SubjectName) error {
	where, name := byName(who)
	if !storable(name) {
		return nil
	}
	_, err := exec(s.db.Writer(ctx), "adding a subject to a stream",
		`DELETE FROM ssf_subjects WHERE stream_id = ? AND subject IN (SELECT id FROM users WHERE `+where+`)`, id, name)
	return err
}

func byName(who identity.SubjectName) (where, name string) {
	if who.ID != "" {
		return "id = ?", who.ID
	}
	return "email = ? AND email <> ''", who.Email
}

// Seal encrypts the value of a stream's Authorization header; empty for none.
func (s *Streams) Seal(streamID, authorization string) []byte {
	if authorization == "" {
		return nil
	}
	return s.box.Seal(streamID, authorization)
}

// closeStreams keeps a deleted client's stream for what was planned until now, and from everybody who gets the client_id next.
func closeStreams(ctx context.Context, db *database.DB, clientID string, at time.Time) error {
	_, err := exec(db.Writer(ctx), "closing a client's streams", `UPDATE ssf_streams SET closed_at = ? WHERE client_id = ? AND closed_at IS NULL`,
		database.Micros(at), clientID)
	return err
}

// Sweep deletes the streams whose client was deleted before the given time: nothing is on its way over them any more.
func (s *Streams) Sweep(ctx context.Context, before time.Time) error {
	_, err := exec(s.db.Writer(ctx), "sweeping streams", `DELETE FROM ssf_streams WHERE closed_at < ?`, database.Micros(before))
	return err
}

// StreamsOf implements logout.Streams. A client without the scope costs nothing; a stream that is read is held until the ending transaction
// is over (see Lock).
func (s *Streams) StreamsOf(ctx context.Context, clientID string) ([]logout.Stream, error) {
	client, err := s.clients.lookup(ctx, clientID)
	if errors.Is(err, identity.ErrNoClient) || err == nil && !client.MayAsk(identity.ScopeStreamManage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	lock := ""
	if s.db.Postgres() {
		lock = " FOR SHARE"
	}
	var all []logout.Stream
	query := s.db.Writer(ctx).Raw(`SELECT `+signalColumns+` FROM ssf_streams WHERE client_id = ? AND closed_at IS NULL`+lock, clientID)
	err = rows(query, "reading a client's streams", func(r *sql.Rows) error {
		stream, err := s.scanSignal(r.Scan)
		all = append(all, stream)
		return err
	})
	return all, err
}

// Stream implements logout.Streams. One whose client was deleted is among them.
func (s *Streams) Stream(ctx context.Context, id string) (logout.Stream, error) {
	if !storable(id) {
		return logout.Stream{}, logout.ErrNoStream
	}
	var sealed []byte
	stream, err := s.scanSignal(func(dest ...any) error {
		return row(s.db.Reader(ctx).Raw(`SELECT `+signalColumns+`, authorization_sealed FROM ssf_streams WHERE id = ?`, id),
			"reading a stream", logout.ErrNoStream, append(dest, &sealed)...)
	})
	if err != nil || len(sealed) == 0 {
		return stream, err
	}
	stream.Authorization, err = s.box.Open(id, sealed)
	return stream, err
}

// Removed implements logout.Streams.
func (s *Streams) Removed(ctx context.Context, streamID, subject string) (bool, error) {
	var removed bool
	err := row(s.db.Reader(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM ssf_subjects WHERE stream_id = ? AND subject = ?)`, streamID, subject),
		"looking for a removed subject", sql.ErrNoRows, &removed)
	return removed, err
}

const signalColumns = streamColumns + `, EXISTS (SELECT 1 FROM ssf_subjects WHERE stream_id = ssf_streams.id)`

// scanStream reads streamColumns.
func scanStream(scan func(dest ...any) error) (identity.Stream, error) {
	var (
		stream  identity.Stream
		sealed  []byte
		events  *string
		created int64
	)
	err := scan(&stream.ID, &stream.ClientID, &stream.Method, &stream.EndpointURL, &sealed, &events, &stream.Description, &stream.Status, &stream.Reason, &created)
	if err != nil {
		return identity.Stream{}, err
	}
	stream.CreatedAt = database.Time(created)
	if events != nil {
		if err := json.Unmarshal([]byte(*events), &stream.EventsRequested); err != nil {
			return identity.Stream{}, fmt.Errorf("store: events_requested of stream %s: %w", stream.ID, err)
		}
	}
	stream.Authorization = sealed
	return stream, nil
}

// scanSignal reads signalColumns.
func (s *Streams) scanSignal(scan func(dest ...any) error) (logout.Stream, error) {
	var removals bool
	stream, err := scanStream(func(dest ...any) error { return scan(append(dest, &removals)...) })
	if err != nil {
		return logout.Stream{}, err
	}
	signal := s.Signal(stream)
	signal.Removals = removals
	return signal, nil
}

// Signal returns what the logout engine must know of a stream to hold or send its events.
func (*Streams) Signal(s identity.Stream) logout.Stream {
	return logout.Stream{
		ID: s.ID, ClientID: s.ClientID, Method: logout.StreamMethod(s.Method), EndpointURL: s.EndpointURL,
		Status: logout.StreamStatus(s.Status), Events: logout.Deliverable(s.EventsRequested),
	}
}

func requested(stream identity.Stream) (any, error) {
	if stream.EventsRequested == nil {
		return nil, nil
	}
	text, err := json.Marshal(stream.EventsRequested)
	if err != nil {
		return nil, fmt.Errorf("store: events_requested of stream %s: %w", stream.ID, err)
	}
	return string(text), nil
}
