package rp

import (
	"context"
	"encoding/binary"
	"time"
)

// TombstoneConfig says how long and how much [Tombstones] remembers.
type TombstoneConfig struct {
	// Lifetime is for how long an ended session is remembered: at least as long
	// as a session of the relying party can last. Required.
	Lifetime time.Duration
	// Limit is the greatest number of remembered sessions; the oldest of more are
	// forgotten. Defaults to 100,000.
	Limit int
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Login is a login that is about to complete, as its verified ID token states it.
type Login struct {
	// Issuer, Subject and SID are the claims iss, sub and sid; SID may be empty.
	Issuer, Subject, SID string
	// IssuedAt is the claim iat.
	IssuedAt time.Time
}

// Tombstones remembers what logout tokens ended, so that a login that such a
// token has overtaken is refused instead of outliving its session. It lives in
// the memory of one process and is safe for concurrent use. A [Kit] keeps its
// own in its [Store].
//
// The order of steps closes the gap between the two: the logout first marks the
// tombstone and then removes sessions; the login first stores its session and
// then asks Ended, and removes the session again if that is so. (Or both do
// their two steps under one lock.) Sessions that rest on an offline grant are
// not asked for: those outlive the provider's session by design
// (Back-Channel Logout 1.0, 2.7).
type Tombstones struct{ endings endings }

// NewTombstones returns an empty memory. It panics if cfg.Lifetime is not
// positive, because nothing would ever be remembered.
func NewTombstones(cfg TombstoneConfig) *Tombstones {
	if cfg.Lifetime <= 0 {
		panic("rp: TombstoneConfig.Lifetime must be positive: set the longest life of a session")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Tombstones{endings{store: NewMemoryStore(cfg.Limit, cfg.Now), lifetime: cfg.Lifetime, now: cfg.Now}}
}

// Mark remembers what token ended: its session, or, if it names none, all
// sessions that its subject had until then.
func (t *Tombstones) Mark(token *LogoutToken) {
	_ = t.endings.mark(context.Background(), endingOf(token)) // memory does not fail
}

// Ended reports whether a logout token has ended what login would begin. For a
// token without sid that is every login whose ID token is not younger than the
// logout token; claims count in seconds, and within one second the logout wins.
func (t *Tombstones) Ended(login Login) bool {
	ended, _ := t.endings.ended(context.Background(), login) // memory does not fail
	return ended
}

// Ending is what is known of the end of one session, or, if SID is empty, of
// all sessions that Subject had at the time.
type Ending struct {
	// Issuer, Subject and SID say whose session ended; one of the latter may be empty.
	Issuer, Subject, SID string
	// At is when it ended by the provider's clock: the iat of a logout token, the
	// occurred_at of an event. A login counts as ended only if it is not younger.
	At time.Time
}

func endingOf(token *LogoutToken) Ending {
	return Ending{Issuer: token.Issuer, Subject: token.Subject, SID: token.SID, At: token.IssuedAt}
}

// endings remembers what ended: by sid or, where a provider names none, by
// subject, as the time of the last logout (last_logged_out), against which the
// time of a login is held (last_logged_in).
type endings struct {
	store    raisingStore
	lifetime time.Duration
	now      func() time.Time
}

// mark remembers one ending. Tokens and events may arrive out of order and more
// than once; the latest time stands, and a repetition changes nothing.
func (e *endings) mark(ctx context.Context, ending Ending) error {
	_, err := e.store.Raise(ctx, endedKey(ending.Issuer, ending.Subject, ending.SID), timeValue(ending.At), e.now().Add(e.lifetime))
	return err
}

// ended reports whether the session that login began, or would begin, has ended.
func (e *endings) ended(ctx context.Context, login Login) (bool, error) {
	if login.SID != "" {
		if _, found, err := e.store.Get(ctx, endedKey(login.Issuer, "", login.SID)); err != nil || found {
			return found, err
		}
	}
	value, found, err := e.store.Get(ctx, endedKey(login.Issuer, login.Subject, ""))
	if err != nil || !found {
		return false, err
	}
	return !login.IssuedAt.Truncate(time.Second).After(valueTime(value)), nil
}

// endedKey names a session, or a subject if there is no sid. The sid is unique
// at its issuer (Back-Channel Logout 1.0, 2.1), so the subject adds nothing to it.
func endedKey(issuer, subject, sid string) string {
	if sid != "" {
		return storeKey("ended", "sid", issuer, sid)
	}
	return storeKey("ended", "sub", issuer, subject)
}

// timeValue writes a time so that later ones are greater byte by byte.
func timeValue(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixMicro(), 0)))
}

// valueTime reads what timeValue wrote; anything else is the beginning of time.
func valueTime(value []byte) time.Time {
	if len(value) != 8 {
		return time.Time{}
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(value))).UTC() //nolint:gosec // written by timeValue
}
