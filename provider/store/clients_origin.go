package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// originCache knows the origins of all clients. It is read as a whole, because anybody can ask for origins that no client has.
type originCache struct {
	mu         sync.Mutex // held while they are read: one reader is enough
	known      map[string]bool
	generation uint64    // of the clients, when they were read
	readAt     time.Time // zero: never
}

// originLife is how long origins are used at least, however often clients change: reading them takes longer than one client.
const originLife = time.Second

// KnowsOrigin reports whether some client's pages are at an origin. The answer is as old as that of Client may be, and up to a second older.
func (c *Clients) KnowsOrigin(ctx context.Context, origin string) (bool, error) {
	c.origins.mu.Lock()
	defer c.origins.mu.Unlock()
	now := c.now()
	c.mu.RLock()
	generation := c.generation
	c.mu.RUnlock()
	age := now.Sub(c.origins.readAt)
	if c.origins.known == nil || age < 0 || age >= clientLife || generation != c.origins.generation && age >= originLife {
		known, err := c.readOrigins(ctx)
		if err != nil {
			return false, err
		}
		c.origins.known, c.origins.generation, c.origins.readAt = known, generation, now
	}
	return c.origins.known[origin], nil
}

func (c *Clients) readOrigins(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	err := rows(c.db.Reader(ctx).Raw(`SELECT id, metadata FROM clients`), "reading the origins of clients", func(r *sql.Rows) error {
		var id, metadata string
		var client identity.Client
		if err := r.Scan(&id, &metadata); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(metadata), &client); err != nil {
			return fmt.Errorf("metadata of client %q: %w", id, err)
		}
		for _, origin := range client.Origins() {
			known[origin] = true
		}
		return nil
	})
	return known, err
}
