package store

import (
	"context"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// WaitForChoice stores a login that waits for the person to choose a device. hash is that of the id by which it is asked for.
func (d *Devices) WaitForChoice(ctx context.Context, hash []byte, c identity.DeviceChoice) error {
	_, err := exec(d.db.Writer(ctx), "storing a login that waits",
		`INSERT INTO device_choices (hash, browser_hash, subject, password_hash, authorization_id, logged_in_at, expires_at) VALUES `+placeholders(1, 7),
		hash, c.BrowserHash, c.Subject, c.PasswordHash, c.AuthorizationID, database.Micros(c.LoggedInAt), database.Micros(c.ExpiresAt))
	return err
}

// Choice returns a login that waits; identity.ErrNoDeviceChoice when there is none, or its time has passed.
func (d *Devices) Choice(ctx context.Context, hash []byte, at time.Time) (identity.DeviceChoice, error) {
	var c identity.DeviceChoice
	var loggedIn, expires int64
	err := row(d.db.Reader(ctx).Raw(`SELECT browser_hash, subject, password_hash, authorization_id, logged_in_at, expires_at FROM device_choices
		WHERE hash = ? AND expires_at > ?`, hash, database.Micros(at)), "reading a login that waits", identity.ErrNoDeviceChoice,
		&c.BrowserHash, &c.Subject, &c.PasswordHash, &c.AuthorizationID, &loggedIn, &expires)
	c.LoggedInAt, c.ExpiresAt = database.Time(loggedIn), database.Time(expires)
	return c, err
}

// TakeChoice deletes a login that waits. Of any number of concurrent calls one succeeds; the others get identity.ErrNoDeviceChoice.
func (d *Devices) TakeChoice(ctx context.Context, hash []byte) error {
	return once(d.db.Writer(ctx), "taking a login that waits", identity.ErrNoDeviceChoice, `DELETE FROM device_choices WHERE hash = ?`, hash)
}
