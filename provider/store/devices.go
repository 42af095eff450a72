package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Devices keeps the devices by which people log in, and what apps attach to them.
type Devices struct {
	db  *database.DB
	now func() time.Time
}

// selectDevices needs the time twice. What a device's sessions know of it is read with it, so that nothing has to be written when one is used:
// when it was seen last, and whether anybody is signed in on it.
const selectDevices = `SELECT d.id, d.subject, d.name, d.user_agent, d.address, d.country, d.city, d.latitude, d.longitude, d.exempt, d.created_at,
	d.seen_at, d.detached_at,
	COALESCE((SELECT MAX(s.seen_at) FROM logout_sessions s WHERE s.device_id = d.id AND s.device_id <> ''), 0),
	EXISTS (SELECT 1 FROM logout_sessions s WHERE s.device_id = d.id AND s.device_id <> '' AND s.ended_at IS NULL AND s.idle_until > ? AND s.expires_at > ?)
		OR EXISTS (SELECT 1 FROM logout_sessions s JOIN grants g ON g.session_id = s.id
			WHERE s.device_id = d.id AND s.device_id <> '' AND g.offline AND g.revoked_at IS NULL)
	FROM devices d WHERE `

// Of returns the devices that are attached to a person, the one that was seen last first.
func (d *Devices) Of(ctx context.Context, subject string) ([]identity.Device, error) {
	if !storable(subject) {
		return nil, nil
	}
	all, err := d.list(ctx, "d.subject = ? AND d.detached_at IS NULL ORDER BY d.id", subject)
	sortBySeen(all)
	return all, err
}

// Find returns a device of a person, attached or not; identity.ErrNoDevice.
func (d *Devices) Find(ctx context.Context, subject, id string) (identity.Device, error) {
	return d.one(ctx, "d.subject = ? AND d.id = ?", subject, id)
}

// Device returns a device by its id alone, attached or not; identity.ErrNoDevice.
func (d *Devices) Device(ctx context.Context, id string) (identity.Device, error) {
	return d.one(ctx, "d.id = ?", id)
}

// Recognise returns a person's device by the hash of its cookie, attached or not; identity.ErrNoDevice.
func (d *Devices) Recognise(ctx context.Context, subject string, secretHash []byte) (identity.Device, error) {
	if len(secretHash) == 0 {
		return identity.Device{}, identity.ErrNoDevice
	}
	return d.one(ctx, "d.subject = ? AND d.secret_hash = ?", subject, secretHash)
}

// Hold lets nobody else change which devices a person is signed in on until the transaction in ctx ends. Call it before anything else takes a
// row of the person's. On SQLite the transaction itself is the lock.
func (d *Devices) Hold(ctx context.Context, subject string) error {
	if !d.db.Postgres() {
		return nil
	}
	_, err := exec(d.db.Writer(ctx), "holding a person's devices", `SELECT id FROM users WHERE id = ? FOR NO KEY UPDATE`, subject)
	return err
}

// HoldSessions takes the person's live sessions until the transaction in ctx ends, in the order in which a logout takes them. Whoever is about to end
// the sessions of several devices calls it, after Hold, so that a logout of all of them at the same moment waits instead of locking out.
func (d *Devices) HoldSessions(ctx context.Context, subject string) error {
	if !d.db.Postgres() {
		return nil
	}
	_, err := exec(d.db.Writer(ctx), "holding a person's sessions",
		`SELECT id FROM logout_sessions WHERE subject = ? AND ended_at IS NULL ORDER BY id FOR UPDATE`, subject)
	return err
}

// Using returns the devices that are attached to a person and on which they use an app: it takes part in a live session there, or has a grant that
// outlives its session. SignedIn says that.
func (d *Devices) Using(ctx context.Context, subject, clientID string) ([]identity.Device, error) {
	now := database.Micros(d.now())
	return d.list(ctx, `d.subject = ? AND d.detached_at IS NULL AND (
		EXISTS (SELECT 1 FROM logout_sessions s JOIN logout_participations p ON p.session_id = s.id
			WHERE s.device_id = d.id AND s.device_id <> '' AND s.ended_at IS NULL AND s.idle_until > ? AND s.expires_at > ? AND p.client_id = ? AND p.ended_at IS NULL)
		OR EXISTS (SELECT 1 FROM logout_sessions s JOIN grants g ON g.session_id = s.id
			WHERE s.device_id = d.id AND s.device_id <> '' AND g.client_id = ? AND g.offline AND g.revoked_at IS NULL)) ORDER BY d.id`,
		subject, now, now, clientID, clientID)
}

// Attach stores a device, or, if the person has one with the same cookie, attaches that again and notes what is new of it. secretHash is that of
// the cookie; empty for a device without one. The id, CreatedAt and Excluded of a device that was known stay.
func (d *Devices) Attach(ctx context.Context, device identity.Device, secretHash []byte) (identity.Device, error) {
	var latitude, longitude *float64
	if device.Place.Located {
		latitude, longitude = &device.Place.Latitude, &device.Place.Longitude
	}
	var id string
	err := row(d.db.Writer(ctx).Raw(`INSERT INTO devices (id, subject, secret_hash, name, user_agent, address, country, city, latitude, longitude,
			exempt, created_at, seen_at) VALUES `+placeholders(1, 13)+`
		ON CONFLICT (subject, secret_hash) WHERE secret_hash IS NOT NULL DO UPDATE SET name = excluded.name, user_agent = excluded.user_agent,
			address = excluded.address, country = excluded.country, city = excluded.city, latitude = excluded.latitude, longitude = excluded.longitude,
			seen_at = excluded.seen_at, detached_at = NULL RETURNING id`,
		device.ID, device.Subject, nullBytes(secretHash), device.Name, device.UserAgent, device.Address, device.Place.Country, device.Place.City,
		latitude, longitude, device.Excluded, database.Micros(device.CreatedAt), database.Micros(device.PlacedAt)),
		"attaching a device", sql.ErrNoRows, &id)
	if err != nil {
		return identity.Device{}, err
	}
	return d.Find(ctx, device.Subject, id)
}

// Detach marks a person's device as detached; identity.ErrNoDevice when it is not attached. It ends nothing.
func (d *Devices) Detach(ctx context.Context, subject, id string, at time.Time) error {
	if !storable(id) {
		return identity.ErrNoDevice
	}
	return once(d.db.Writer(ctx), "detaching a device", identity.ErrNoDevice,
		`UPDATE devices SET detached_at = ? WHERE subject = ? AND id = ? AND detached_at IS NULL`, database.Micros(at), subject, id)
}

// SetExcluded makes a device count for no limit, or count again; identity.ErrNoDevice.
func (d *Devices) SetExcluded(ctx context.Context, id string, excluded bool) error {
	if !storable(id) {
		return identity.ErrNoDevice
	}
	return once(d.db.Writer(ctx), "excluding a device", identity.ErrNoDevice, `UPDATE devices SET exempt = ? WHERE id = ?`, excluded, id)
}

// CreatedSince counts the devices of a person that were new after a time, those that have been detached since among them.
func (d *Devices) CreatedSince(ctx context.Context, subject string, since time.Time) (int, error) {
	var n int
	err := row(d.db.Reader(ctx).Raw(`SELECT COUNT(*) FROM devices WHERE subject = ? AND created_at > ?`, subject, database.Micros(since)),
		"counting new devices", sql.ErrNoRows, &n)
	return n, err
}

// Inactive returns up to limit devices, by id and after the given one, that are attached, not excluded, and were not seen since a time. An app that
// outlived its session and has got a new token since is seen.
func (d *Devices) Inactive(ctx context.Context, since time.Time, after string, limit int) ([]identity.Device, error) {
	cut := database.Micros(since)
	return d.list(ctx, `d.detached_at IS NULL AND d.seen_at < ? AND NOT d.exempt AND d.id > ?
		AND NOT EXISTS (SELECT 1 FROM logout_sessions s WHERE s.device_id = d.id AND s.device_id <> '' AND s.seen_at >= ?)
		AND NOT EXISTS (SELECT 1 FROM logout_sessions s JOIN grants g ON g.session_id = s.id JOIN tokens t ON t.grant_id = g.id
			WHERE s.device_id = d.id AND s.device_id <> '' AND g.offline AND g.revoked_at IS NULL AND t.issued_at >= ?) ORDER BY d.id LIMIT ?`,
		cut, after, cut, cut, limit)
}

// maxSignedOut is how many devices of one person are remembered on which nobody is signed in and to which no app has attached anything.
const maxSignedOut = 100

// Sweep deletes the devices that were detached before a time, and those that were attached last before another one and of which no session
// is kept: no browser has their cookie any more.
func (d *Devices) Sweep(ctx context.Context, before, lost time.Time) error {
	if _, err := exec(d.db.Writer(ctx), "sweeping devices", `DELETE FROM devices WHERE detached_at < ?`, database.Micros(before)); err != nil {
		return err
	}
	_, err := exec(d.db.Writer(ctx), "sweeping lost devices", `DELETE FROM devices WHERE detached_at IS NULL AND seen_at < ?
		AND NOT EXISTS (SELECT 1 FROM logout_sessions s WHERE s.device_id = devices.id AND s.device_id <> '')`, database.Micros(lost))
	return err
}

// Thin deletes of each person the devices beyond maxSignedOut, those that were attached longest ago: what logs in by a script, and throws its
// cookie away, is a new device each time.
func (d *Devices) Thin(ctx context.Context) error {
	var crowded []string
	query := d.db.Reader(ctx).Raw(`SELECT subject FROM devices GROUP BY subject HAVING COUNT(*) > ?`, maxSignedOut)
	err := rows(query, "finding people with many devices", func(r *sql.Rows) error {
		var subject string
		err := r.Scan(&subject)
		crowded = append(crowded, subject)
		return err
	})
	for _, subject := range crowded {
		if err == nil {
			err = d.thin(ctx, subject)
		}
	}
	return err
}

// thin is Thin for one person. It holds them, so that nobody logs in on one of them meanwhile.
func (d *Devices) thin(ctx context.Context, subject string) error {
	return d.db.Tx(ctx, func(ctx context.Context) error {
		if err := d.Hold(ctx, subject); err != nil {
			return err
		}
		_, err := exec(d.db.Writer(ctx), "thinning devices", `DELETE FROM devices WHERE id IN (SELECT d.id FROM devices d
			WHERE d.subject = ? AND d.detached_at IS NULL AND NOT d.exempt
				AND NOT EXISTS (SELECT 1 FROM device_attachments a WHERE a.device_id = d.id)
				AND NOT EXISTS (SELECT 1 FROM logout_sessions s WHERE s.device_id = d.id AND s.device_id <> '' AND s.ended_at IS NULL)
				AND NOT EXISTS (SELECT 1 FROM logout_sessions s JOIN grants g ON g.session_id = s.id
					WHERE s.device_id = d.id AND s.device_id <> '' AND g.offline AND g.revoked_at IS NULL)
			ORDER BY d.seen_at DESC, d.id DESC LIMIT 10000 OFFSET ?)`, subject, maxSignedOut)
		return err
	})
}

func (d *Devices) one(ctx context.Context, where string, args ...any) (identity.Device, error) {
	for _, arg := range args {
		if text, ok := arg.(string); ok && !storable(text) {
			return identity.Device{}, identity.ErrNoDevice
		}
	}
	all, err := d.list(ctx, where, args...)
	if err == nil && len(all) == 0 {
		err = identity.ErrNoDevice
	}
	if err != nil {
		return identity.Device{}, err
	}
	return all[0], nil
}

func (d *Devices) list(ctx context.Context, where string, args ...any) ([]identity.Device, error) {
	now := database.Micros(d.now())
	var all []identity.Device
	err := rows(d.db.Reader(ctx).Raw(selectDevices+where, append([]any{now, now}, args...)...), "reading devices", func(r *sql.Rows) error {
		device, err := scanDevice(r.Scan)
		all = append(all, device)
		return err
	})
	return all, err
}

// scanDevice reads the columns of selectDevices.
func scanDevice(scan func(dest ...any) error) (identity.Device, error) {
	var (
		device                identity.Device
		latitude, longitude   *float64
		created, placed, seen int64
		detached              *int64
	)
	err := scan(&device.ID, &device.Subject, &device.Name, &device.UserAgent, &device.Address, &device.Place.Country, &device.Place.City, &latitude,
		&longitude, &device.Excluded, &created, &placed, &detached, &seen, &device.SignedIn)
	if err != nil {
		return identity.Device{}, err
	}
	if latitude != nil && longitude != nil {
		device.Place.Latitude, device.Place.Longitude, device.Place.Located = *latitude, *longitude, true
	}
	device.CreatedAt, device.PlacedAt, device.SeenAt = database.Time(created), database.Time(placed), database.Time(max(placed, seen))
	device.DetachedAt = database.NullTime(detached)
	return device, nil
}
