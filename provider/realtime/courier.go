package realtime

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"github.com/exeunt-id/exeunt/logout"
)

// notice is what one node tells the others about a session.
type notice struct {
	SessionID string       `json:"s"`
	SID       string       `json:"p,omitempty"`
	Cause     logout.Cause `json:"c,omitempty"`
	At        int64        `json:"t,omitempty"` // microseconds
	AuthTime  int64        `json:"a,omitempty"` // Unix seconds; otherwise the notice is about an end
}

const (
	// gather is how long notices are collected: notifications are not free, see database.Notify.
	gather = 5 * time.Millisecond
	// maxNotification is the length of one notification in bytes.
	maxNotification = 7900
	// envelope is more than what a notification is wrapped in.
	envelope = 32
	// sendTimeout is for one notification.
	sendTimeout = 5 * time.Second
)

// courier carries notices to the other nodes, many at a time. What it loses the others find in the table.
type courier struct {
	node string // this one
	send func(ctx context.Context, payload string) error
	log  *slog.Logger

	mu     sync.Mutex
	queued []notice
	busy   bool
	group  sync.WaitGroup
}

// pass queues notices and returns.
func (c *courier) pass(notices []notice) {
	if len(notices) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued = append(c.queued, notices...)
	if !c.busy {
		c.busy = true
		c.group.Go(c.run)
	}
}

// wait returns when everything has been sent.
func (c *courier) wait() { c.group.Wait() }

func (c *courier) run() {
	for {
		time.Sleep(gather)
		c.mu.Lock()
		taken := c.queued
		c.queued = nil
		if len(taken) == 0 {
			c.busy = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		for _, payload := range pack(c.node, taken) {
			ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
			if err := c.send(ctx, payload); err != nil {
				c.log.WarnContext(ctx, "other nodes were not told of logouts; their pages hear of them a few seconds later", "error", err)
			}
			cancel()
		}
	}
}

// notification is what travels.
type notification struct {
	Node    string            `json:"n"` // who sends it: everybody hears it, and that node has done it already
	Notices []json.RawMessage `json:"e"`
}

// pack writes notices into as few notifications as they fit into. One that fits into none is left out: ids are short.
func pack(node string, notices []notice) []string {
	var payloads []string
	next, size := notification{Node: node}, len(node)
	flush := func() {
		if text, err := json.Marshal(next); err == nil && len(next.Notices) > 0 {
			payloads = append(payloads, string(text))
		}
		next.Notices, size = nil, len(node)
	}
	for _, n := range notices {
		one, err := json.Marshal(n)
		if err != nil || len(node)+len(one)+envelope > maxNotification {
			continue
		}
		if size+len(one)+1+envelope > maxNotification {
			flush()
		}
		next.Notices = append(next.Notices, one)
		size += len(one) + 1
	}
	flush()
	return payloads
}

// unpack returns the notices of another node; nil for a text that is none of ours, or of this node.
func unpack(node, payload string) []notice {
	var n struct {
		Node    string   `json:"n"`
		Notices []notice `json:"e"`
	}
	if json.Unmarshal([]byte(payload), &n) != nil || n.Node == node {
		return nil
	}
	return n.Notices
}
