package provider

import (
	"context"
	"errors"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/metrics"
	"github.com/exeunt-id/exeunt/provider/web"
)

// pathMetrics is on the admin listener.
const pathMetrics = "/metrics"

func (p *Provider) newMetrics() *metrics.Metrics {
	return metrics.New(p.cfg.Version, p.pools, p.state)
}

func (p *Provider) pools() []metrics.Pool {
	stats := p.cfg.DB.Pools()
	pools := make([]metrics.Pool, len(stats))
	for i, s := range stats {
		pools[i] = metrics.Pool(s)
	}
	return pools
}

func (p *Provider) state(ctx context.Context) (s metrics.State, err error) {
	if s.Backlog, s.Breakers, err = p.store.Gauges(ctx); err != nil {
		return s, err
	}
	if s.Sessions, err = p.sessions.CountLive(ctx, logout.Target{}, p.cfg.Now().UTC(), 0); err != nil {
		return s, err
	}
	depths, err := p.cfg.DB.QueueDepths(ctx)
	if err != nil {
		return s, err
	}
	for _, d := range depths {
		s.Queues = append(s.Queues, metrics.Queue{Name: d.Queue, State: d.State, Jobs: d.Jobs})
	}
	for r, n := range p.engine.InFlight() {
		s.InFlight = append(s.InFlight, metrics.InFlight{ClientID: r.ClientID, Channel: string(r.Channel), Count: n})
	}
	return s, nil
}

// countedEnds counts the logouts that are committed.
func countedEnds(inEnd func(context.Context, *logout.Plan) error, after func(context.Context, func()), m *metrics.Metrics) func(context.Context, *logout.Plan) error {
	return func(ctx context.Context, plan *logout.Plan) error {
		if err := inEnd(ctx, plan); err != nil {
			return err
		}
		ended := len(plan.Sessions)
		if plan.Request.Target.OnlyParticipation {
			ended = 0 // they live on
		}
		after(ctx, func() { m.Logout(plan.Request.Cause, ended) })
		return nil
	}
}

// countedGrants counts the tokens that are stored.
type countedGrants struct {
	identity.Grants
	metrics *metrics.Metrics
	after   func(ctx context.Context, fn func())
}

// Create implements identity.Grants.
func (g countedGrants) Create(ctx context.Context, grant identity.Grant, tokens ...identity.Token) error {
	err := g.Grants.Create(ctx, grant, tokens...)
	g.count(ctx, err, tokens)
	return err
}

// Rotate implements identity.Grants.
func (g countedGrants) Rotate(ctx context.Context, oldHash []byte, at time.Time, tokens ...identity.Token) error {
	err := g.Grants.Rotate(ctx, oldHash, at, tokens...)
	g.count(ctx, err, tokens)
	return err
}

func (g countedGrants) count(ctx context.Context, err error, tokens []identity.Token) {
	if err == nil {
		g.after(ctx, func() {
			for _, t := range tokens {
				g.metrics.Token(t.Kind)
			}
		})
	}
}

// countedLogins counts logins by what came of them.
type countedLogins struct {
	web.Authenticator
	metrics *metrics.Metrics
}

// Login implements web.Authenticator.
func (l countedLogins) Login(ctx context.Context, username, password, address string) (identity.User, error) {
	user, err := l.Authenticator.Login(ctx, username, password, address)
	var throttled *identity.ThrottledError
	switch {
	case err == nil:
		l.metrics.Login(metrics.LoginSucceeded)
	case errors.Is(err, identity.ErrLoginFailed):
		l.metrics.Login(metrics.LoginFailed)
	case errors.As(err, &throttled):
		l.metrics.Login(metrics.LoginThrottled)
	case errors.Is(err, identity.ErrBusy):
		l.metrics.Login(metrics.LoginBusy)
	}
	return user, err
}

// signer signs for applications and for the engine.
type signer interface {
	Sign(ctx context.Context, alg, typ string, payload []byte) (string, error)
}

// timedSigner measures how long signing takes.
type timedSigner struct {
	signer
	metrics *metrics.Metrics
}

// Sign implements logout.Signer and protocol.Signer.
func (s timedSigner) Sign(ctx context.Context, alg, typ string, payload []byte) (string, error) {
	start := time.Now()
	token, err := s.signer.Sign(ctx, alg, typ, payload)
	if err == nil {
		s.metrics.Signed(alg, typ, time.Since(start))
	}
	return token, err
}
