package provider

import (
	"context"
	"fmt"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/audit"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// Streams returns the streams of shared signals of all clients, or of one.
func (o *Operator) Streams(ctx context.Context, clientID string) ([]identity.Stream, error) {
	if clientID == "" {
		return o.streams.All(ctx)
	}
	return o.streams.Streams(ctx, clientID)
}

// SetStreamStatus enables, pauses or disables a client's stream and tells its receiver so, before anything else on it is held or dropped, as
// one transaction (Shared Signals Framework 1.0, 8.1.5). The receiver may change the status again. identity.ErrNoStream.
func (o *Operator) SetStreamStatus(ctx context.Context, clientID string, status logout.StreamStatus, reason string, actor logout.Actor) error {
	if !status.Valid() {
		return fmt.Errorf("the status %q is none; write enabled, paused or disabled", status)
	}
	return o.cfg.DB.Tx(ctx, func(ctx context.Context) error {
		streams, err := o.streams.Streams(ctx, clientID)
		if err != nil {
			return err
		}
		if len(streams) == 0 {
			return fmt.Errorf("client %q: %w", clientID, identity.ErrNoStream)
		}
		stream, err := o.streams.Lock(ctx, clientID, streams[0].ID)
		if err != nil {
			return err
		}
		if stream.Status == string(status) {
			return nil
		}
		stream.Status, stream.Reason = string(status), reason
		if err := o.streams.Update(ctx, stream); err != nil {
			return err
		}
		if err := o.trail.Record(ctx, audit.StreamStatus(actor, clientID, string(status), reason)); err != nil {
			return err
		}
		signal := o.streams.Signal(stream)
		if err := o.engine.StreamUpdated(ctx, signal, actor, reason); err != nil {
			return err
		}
		return o.engine.StreamChanged(ctx, signal)
	})
}
