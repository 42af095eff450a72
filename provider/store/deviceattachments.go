package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/provider/identity"
)

const selectAttachments = `SELECT device_id, client_id, subject, own_id, metadata, logout_url, attached_at FROM device_attachments WHERE `

// PutAttachment stores what an app attaches to a device, instead of what it attached before. If the app calls another of the person's devices
// by the same name, that one loses it.
func (d *Devices) PutAttachment(ctx context.Context, a identity.Attachment) error {
	return d.db.Tx(ctx, func(ctx context.Context) error {
		if a.OwnID != "" {
			_, err := exec(d.db.Writer(ctx), "taking the name of a device",
				`UPDATE device_attachments SET own_id = '' WHERE client_id = ? AND subject = ? AND own_id = ? AND device_id <> ?`,
				a.ClientID, a.Subject, a.OwnID, a.DeviceID)
			if err != nil {
				return err
			}
		}
		_, err := exec(d.db.Writer(ctx), "attaching to a device",
			`INSERT INTO device_attachments (device_id, client_id, subject, own_id, metadata, logout_url, attached_at) VALUES `+placeholders(1, 7)+`
			ON CONFLICT (device_id, client_id) DO UPDATE SET own_id = excluded.own_id, metadata = excluded.metadata, logout_url = excluded.logout_url,
				attached_at = excluded.attached_at`,
			a.DeviceID, a.ClientID, a.Subject, a.OwnID, string(a.Metadata), a.LogoutURL, database.Micros(a.AttachedAt))
		return err
	})
}

// Attachment returns what an app has attached to a device; identity.ErrNoDevice when that is nothing.
func (d *Devices) Attachment(ctx context.Context, deviceID, clientID string) (identity.Attachment, error) {
	return first(d.attachments(ctx, "device_id = ? AND client_id = ?", deviceID, clientID))
}

// Named returns what an app has attached to the device of a person that it calls by a name; identity.ErrNoDevice when there is none.
func (d *Devices) Named(ctx context.Context, subject, clientID, ownID string) (identity.Attachment, error) {
	if ownID == "" || !storable(ownID) {
		return identity.Attachment{}, identity.ErrNoDevice
	}
	return first(d.attachments(ctx, "client_id = ? AND subject = ? AND own_id = ? AND own_id <> ''", clientID, subject, ownID))
}

// Attachments returns what apps have attached to a device, by client.
func (d *Devices) Attachments(ctx context.Context, deviceID string) ([]identity.Attachment, error) {
	return d.attachments(ctx, "device_id = ? ORDER BY client_id", deviceID)
}

// AttachmentsBy returns what one app has attached to a person's devices, by device.
func (d *Devices) AttachmentsBy(ctx context.Context, subject, clientID string) (map[string]identity.Attachment, error) {
	all, err := d.attachments(ctx, "client_id = ? AND subject = ?", clientID, subject)
	byDevice := make(map[string]identity.Attachment, len(all))
	for _, a := range all {
		byDevice[a.DeviceID] = a
	}
	return byDevice, err
}

// Merge makes one device of two of the same person: what recognised the first, its cookie and what apps have attached to it, belongs to the second,
// which is attached by that. Of what one app has attached to both the later stays. The first device is no more.
func (d *Devices) Merge(ctx context.Context, from, to string) error {
	return d.db.Tx(ctx, func(ctx context.Context) error {
		var secret []byte
		err := row(d.db.Writer(ctx).Raw(`SELECT secret_hash FROM devices WHERE id = ?`, from), "reading a device's secret", identity.ErrNoDevice, &secret)
		if err != nil {
			return err
		}
		if _, err := exec(d.db.Writer(ctx), "forgetting what was attached to a device", `DELETE FROM device_attachments WHERE device_id = ?
			AND EXISTS (SELECT 1 FROM device_attachments later WHERE later.device_id = ? AND later.client_id = device_attachments.client_id
				AND later.attached_at > device_attachments.attached_at)`, to, from); err != nil {
			return err
		}
		if _, err := exec(d.db.Writer(ctx), "moving what is attached to a device", `UPDATE device_attachments SET device_id = ? WHERE device_id = ?
			AND NOT EXISTS (SELECT 1 FROM device_attachments own WHERE own.device_id = ? AND own.client_id = device_attachments.client_id)`, to, from, to); err != nil {
			return err
		}
		if _, err := exec(d.db.Writer(ctx), "deleting a merged device", `DELETE FROM devices WHERE id = ?`, from); err != nil {
			return err
		}
		// Without a secret of the first the second keeps its own.
		if len(secret) > 0 {
			if _, err := exec(d.db.Writer(ctx), "giving a device a secret", `UPDATE devices SET secret_hash = ? WHERE id = ?`, secret, to); err != nil {
				return err
			}
		}
		return once(d.db.Writer(ctx), "attaching a merged device", identity.ErrNoDevice,
			`UPDATE devices SET detached_at = NULL, seen_at = ? WHERE id = ?`, database.Micros(d.now()), to)
	})
}

func (d *Devices) attachments(ctx context.Context, where string, args ...any) ([]identity.Attachment, error) {
	var all []identity.Attachment
	err := rows(d.db.Reader(ctx).Raw(selectAttachments+where, args...), "reading what is attached to devices", func(r *sql.Rows) error {
		var a identity.Attachment
		var metadata string
		var attached int64
		err := r.Scan(&a.DeviceID, &a.ClientID, &a.Subject, &a.OwnID, &metadata, &a.LogoutURL, &attached)
		a.Metadata, a.AttachedAt = json.RawMessage(metadata), database.Time(attached)
		all = append(all, a)
		return err
	})
	return all, err
}

func first(all []identity.Attachment, err error) (identity.Attachment, error) {
	if err == nil && len(all) == 0 {
		err = identity.ErrNoDevice
	}
	if err != nil {
		return identity.Attachment{}, err
	}
	return all[0], nil
}

func sortBySeen(all []identity.Device) {
	slices.SortFunc(all, func(a, b identity.Device) int { return cmp.Or(b.SeenAt.Compare(a.SeenAt), cmp.Compare(b.ID, a.ID)) })
}
