package store

import (
	"context"
	"errors"
)

// The channels by which nodes tell each other that something changed which they keep in memory.
const (
	channelClients = "clients" // payload: the client_id; empty: all of them
	channelKeys    = "keys"
)

// Listen keeps what is in memory as new as the database, whichever node makes the change, until ctx is done: it forgets clients that have
// changed, and calls keysChanged, which must not wait, when the signing keys have. It returns at once.
func (s *Store) Listen(ctx context.Context, keysChanged func()) error {
	return errors.Join(
		s.db.Listen(ctx, channelClients, s.Clients.changed, s.Clients.forget),
		s.db.Listen(ctx, channelKeys, func(string) { keysChanged() }, keysChanged),
	)
}
