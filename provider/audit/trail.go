package audit

import (
	"context"
	"sync"
	"time"
)

// boundPerMinute bounds what people who have proved nothing, and requests that are refused, can make one node write: otherwise anybody could
// fill the disk.
const boundPerMinute = 60

// Trail records entries. Of those that can be caused at will it records the first of each minute, and then how many there were more. Safe
// for concurrent use.
type Trail struct {
	store Recorder
	now   func() time.Time

	mu         sync.Mutex
	minute     time.Time
	recorded   int
	unrecorded int
}

// NewTrail returns a trail that is kept in store.
func NewTrail(store Recorder, now func() time.Time) *Trail { return &Trail{store: store, now: now} }

// Record implements Recorder.
func (t *Trail) Record(ctx context.Context, e Entry) error {
	if e.bounded {
		admitted, missed := t.admit()
		if !admitted {
			return nil
		}
		if missed > 0 {
			more := Entry{Kind: KindUnrecorded, Detail: detail(map[string]any{"entries": missed})}
			more.Actor.Kind = "system"
			if err := t.store.Record(ctx, more); err != nil {
				t.missed(missed)
				return err
			}
		}
	}
	return t.store.Record(ctx, e)
}

// admit reports whether there is room for one more in this minute, and how many found none in the minutes before.
func (t *Trail) admit() (ok bool, missed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if minute := t.now().Truncate(time.Minute); !minute.Equal(t.minute) {
		t.minute, t.recorded = minute, 0
	}
	if t.recorded >= boundPerMinute {
		t.unrecorded++
		return false, 0
	}
	t.recorded++
	missed, t.unrecorded = t.unrecorded, 0
	return true, missed
}

// missed counts entries that are in no other.
func (t *Trail) missed(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unrecorded += n
}
