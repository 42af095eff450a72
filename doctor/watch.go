package doctor

import (
	"context"
	"net/http"
)

// Watch examines the relying party's endpoint with tokens of every session that
// somebody begins at the provider by hand, ends that session at last, and hands
// each report to show. It returns when ctx is done, without an error, or as
// Examine does.
func Watch(ctx context.Context, provider *Provider, cfg DriveConfig, show func(Login, *Report) error) error {
	exchanged := make(chan *Login, 16)
	provider.delayToken(func(login *Login) {
		select {
		case exchanged <- login:
		default: // somebody logs in faster than anybody can read reports
		}
	})
	defer provider.delayToken(nil)
	for {
		select {
		case <-ctx.Done():
			return nil
		case login := <-exchanged:
			report, err := provider.examineSession(ctx, cfg, login)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			if err := show(*login, report); err != nil {
				return err
			}
		}
	}
}

// examineSession sends the bad tokens for a session, the good ones for another,
// and the one that ends it.
func (p *Provider) examineSession(ctx context.Context, cfg DriveConfig, login *Login) (*Report, error) {
	d := &drive{provider: p, cfg: cfg, report: &Report{URL: cfg.Backchannel, At: p.cfg.Now().UTC()}}
	bad := &examination{bench: bench{cfg: d.examination(), kid: d.provider.keyID("RS256")}, report: d.report}
	bad.cfg.Subject, bad.cfg.SID = login.Subject, login.SID
	good := &examination{bench: bench{cfg: d.examination(), kid: d.provider.keyID("RS256")}, report: d.report}
	for _, c := range goodChecks {
		if err := good.run(ctx, c); err != nil {
			return nil, err
		}
	}
	for _, c := range badChecks {
		if err := bad.run(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := good.replay(ctx); err != nil {
		return nil, err
	}
	good.overall()
	a, err := d.token(ctx, login, "")
	if err != nil {
		return nil, err
	}
	d.result(a.status == http.StatusOK, Finding{
		Name: "session-ends", Sent: "a good token for the session", Expected: "200", Got: a.String(), Status: a.status, DurationMS: a.took.Milliseconds(),
		Section: "Back-Channel Logout 1.0, 2.7", Advice: "The endpoint must end the session with this sid, and answer 200.",
	})
	return d.report, nil
}
