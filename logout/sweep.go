package logout

import (
	"context"
	"errors"
	"fmt"
)

// sweepBatch is how many lapsed sessions are read at a time.
const sweepBatch = 200

// Sweep ends the sessions that passed their idle or absolute lifetime, so that their relying parties are told. They were dead before: a
// lifetime counts from the moment it passes. It returns how many it ended. A session that cannot be ended does not keep the others waiting;
// its error is returned at the end.
func (e *Engine) Sweep(ctx context.Context) (int, error) {
	ended := 0
	var errs []error
	for after := ""; ; {
		at := e.cfg.Now().UTC()
		lapsed, err := e.cfg.Store.Lapsed(ctx, at, after, sweepBatch)
		if err != nil {
			return ended, errors.Join(append(errs, fmt.Errorf("logout: sweeping: %w", err))...)
		}
		for _, s := range lapsed {
			cause := CauseIdle
			if !at.Before(s.ExpiresAt) {
				cause = CauseExpired
			}
			out, err := e.End(ctx, Request{Cause: cause, Actor: Actor{Kind: "system"}, Target: Target{SessionID: s.ID}})
			if err != nil {
				errs = append(errs, fmt.Errorf("logout: sweeping session %s: %w", s.ID, err))
			} else if out.LogoutID != "" {
				ended++
			}
			after = s.ID
		}
		if len(lapsed) < sweepBatch || ctx.Err() != nil {
			return ended, errors.Join(errs...)
		}
	}
}
