package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"
)

// DriveConfig says where the relying party is that uses the provider.
type DriveConfig struct {
	// Backchannel is its back-channel logout endpoint. Required.
	Backchannel string
	// Login is the page that begins a login. Required.
	Login string
	// Page is a page that only people who are logged in may see. Required.
	Page string
	// Logout begins an RP-initiated logout, by POST if Page has a form for it and
	// by GET otherwise. Defaults to none, and that is not tested then.
	Logout string
	// TLS is for the relying party's certificate. Defaults to the system's rules.
	TLS *tls.Config
	// Slow is as in Config.
	Slow time.Duration
}

// maxRedirects is how far a login is followed.
const maxRedirects = 20

// drive is one run.
type drive struct {
	provider *Provider
	cfg      DriveConfig
	report   *Report
}

// Drive logs in at the relying party, at first to see that its sessions end
// when they must and only then, and examines its endpoint with tokens of a real
// session in between. The provider must be served at its issuer meanwhile, and
// the relying party configured to use it. The error is as that of [Examine].
func Drive(ctx context.Context, provider *Provider, cfg DriveConfig) (*Report, error) {
	for name, address := range map[string]string{"Backchannel": cfg.Backchannel, "Login": cfg.Login, "Page": cfg.Page} {
		if u, err := url.Parse(address); err != nil || u.Host == "" {
			return nil, fmt.Errorf("doctor: DriveConfig.%s is %q: give an absolute URL", name, address)
		}
	}
	d := &drive{provider: provider, cfg: cfg, report: &Report{URL: cfg.Backchannel, At: provider.cfg.Now().UTC()}}
	patient, login, err := d.login(ctx)
	if err != nil || login == nil {
		return d.report, err // a finding says why
	}
	for _, step := range []func(context.Context, *visitor, *Login) error{d.harmless, d.otherSession, d.ends} {
		if err := step(ctx, patient, login); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(context.Context) error{d.endsBySub, d.overtaken, d.rpInitiated} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return d.report, nil
}

func (d *drive) add(f Finding) { d.report.Findings = append(d.report.Findings, f) }

// result is a finding that passes if ok.
func (d *drive) result(ok bool, f Finding) {
	if ok {
		f.Verdict, f.Advice = Pass, ""
	} else if f.Verdict == "" {
		f.Verdict = Fail
	}
	d.add(f)
}

// visitor is a browser with cookies of its own.
type visitor struct {
	client *http.Client
	at     *url.URL // where the last redirect led
}

func (d *drive) newVisitor() (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	v := &visitor{client: NewClient(d.cfg.TLS)}
	v.client.Jar = jar
	return v, nil
}

// visit makes a request and, if follow is set, goes where it leads.
func (v *visitor) visit(ctx context.Context, method, address string, follow bool) (status int, body string, err error) {
	v.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if !follow {
			return http.ErrUseLastResponse
		}
		if len(via) >= maxRedirects {
			return fmt.Errorf("%d redirects, the last one to %s", len(via), r.URL.Redacted())
		}
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := v.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	v.at = res.Request.URL
	return res.StatusCode, string(content), errors.Join(err, res.Body.Close())
}

// inside reports whether the visitor sees the protected page.
func (d *drive) inside(ctx context.Context, v *visitor) (bool, string) {
	status, _, err := v.visit(ctx, http.MethodGet, d.cfg.Page, false)
	if err != nil {
		return false, err.Error()
	}
	return status >= 200 && status < 300, fmt.Sprintf("%d from the page", status)
}

// login logs a visitor in; login is nil, and a finding says why, if that did not work.
func (d *drive) login(ctx context.Context) (*visitor, *Login, error) {
	v, err := d.newVisitor()
	if err != nil {
		return nil, nil, err
	}
	before := len(d.provider.Logins())
	f := Finding{Name: "login", Sent: "a person who opens " + d.cfg.Login, Expected: "a login at the provider, and then the page", Section: "OpenID Connect Core 1.0, 3.1"}
	if inside, got := d.inside(ctx, v); inside {
		f.Got, f.Advice = got, "The page must not be shown to somebody who is not logged in. Give one with --page that is protected."
		d.result(false, f)
		return nil, nil, ctx.Err()
	}
	status, _, err := v.visit(ctx, http.MethodGet, d.cfg.Login, true)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	logins := d.provider.Logins()
	switch {
	case err != nil:
		f.Got, f.Advice = err.Error(), "See whether the login page can be reached from here, and leads to the provider."
	case len(logins) == before:
		f.Got = fmt.Sprintf("%d from %s, and no request at the provider", status, v.at.Redacted())
		f.Advice = "Configure the application with issuer " + d.provider.cfg.Issuer + " and client_id " + d.provider.cfg.ClientID + ", and give the address that begins a login."
	case !logins[len(logins)-1].Exchanged:
		f.Got = fmt.Sprintf("%d from %s, and the code was not exchanged", status, v.at.Redacted())
		f.Advice = "See the application's log: it did not exchange the code at the token endpoint. Is its client secret the one given to the doctor?"
	default:
		inside, got := d.inside(ctx, v)
		f.Got, f.Advice = got, "The login completed and the page is not shown: see the application's log, and its session cookie (Secure needs https)."
		if inside {
			login := logins[len(logins)-1]
			if before == 0 {
				d.result(true, f)
			}
			return v, &login, nil
		}
	}
	d.result(false, f)
	return nil, nil, nil
}

// harmless examines the endpoint with tokens for the live session that must all
// be refused, and sees that the session is still alive.
func (d *drive) harmless(ctx context.Context, v *visitor, login *Login) error {
	cfg := d.examination()
	e := &examination{bench: bench{cfg: cfg, kid: d.provider.keyID("RS256")}, report: d.report}
	e.cfg.Subject, e.cfg.SID = login.Subject, login.SID
	for _, c := range badChecks {
		if err := e.run(ctx, c); err != nil {
			return err
		}
		if inside, got := d.inside(ctx, v); !inside {
			d.result(false, Finding{
				Name: "bad-tokens-end-nothing", Sent: "the page, after the token of " + c.name, Expected: "still there", Got: got, Section: "Back-Channel Logout 1.0, 2.6",
				Advice: "A token that is refused must not end a session. Verify first, then end.",
			})
			return nil
		}
	}
	d.result(true, Finding{Name: "bad-tokens-end-nothing", Sent: "the page, after all bad tokens", Expected: "still there", Got: "still there", Section: "Back-Channel Logout 1.0, 2.6"})
	return nil
}

// examination returns what the checks need, for a session that does not exist.
func (d *drive) examination() Config {
	cfg := d.provider.Config(d.cfg.Backchannel)
	cfg.Slow, cfg.HTTPClient = d.cfg.Slow, NewClient(d.cfg.TLS)
	_ = cfg.complete() // URL is checked, the rest is there
	return cfg
}

// otherSession runs the checks with good tokens, which name a session that does
// not exist, and sees that the one that does lives on.
func (d *drive) otherSession(ctx context.Context, v *visitor, _ *Login) error {
	e := &examination{bench: bench{cfg: d.examination(), kid: d.provider.keyID("RS256")}, report: d.report}
	for _, c := range goodChecks {
		if err := e.run(ctx, c); err != nil {
			return err
		}
	}
	if err := e.replay(ctx); err != nil {
		return err
	}
	e.overall()
	inside, got := d.inside(ctx, v)
	d.result(inside, Finding{
		Name: "other-sessions-live", Sent: "the page, after tokens for other people's sessions", Expected: "still there", Got: got, Section: "Back-Channel Logout 1.0, 2.7",
		Advice: "End the session with the token's sid alone, or, without sid, those of its sub.",
	})
	return nil
}

// token sends a good logout token for a login.
func (d *drive) token(ctx context.Context, login *Login, drop string) (answer, error) {
	e := &examination{bench: bench{cfg: d.examination()}, report: &Report{}}
	claims := e.claims()
	claims["sub"], claims["sid"] = login.Subject, login.SID
	delete(claims, drop)
	token, err := e.sign(ctx, "RS256", "logout+jwt", claims)
	if err != nil {
		return answer{}, err
	}
	return e.send(ctx, "", post(token))
}

func (d *drive) endsAfter(ctx context.Context, v *visitor, login *Login, drop string, f Finding) error {
	a, err := d.token(ctx, login, drop)
	if err != nil {
		return err
	}
	inside, got := d.inside(ctx, v)
	f.Status, f.DurationMS, f.Got = a.status, a.took.Milliseconds(), a.String()+", then "+got
	f.Expected, f.Section = "200, and the page is gone", "Back-Channel Logout 1.0, 2.7"
	d.result(a.status == http.StatusOK && !inside, f)
	return nil
}

// ends ends the session, by sid.
func (d *drive) ends(ctx context.Context, v *visitor, login *Login) error {
	return d.endsAfter(ctx, v, login, "", Finding{
		Name: "session-ends", Sent: "a good token for the session",
		Advice: "The endpoint must end the session with this sid, for whoever has its cookie. Keep the sid of the ID token with the session, and look for it there.",
	})
}

// endsBySub ends another session, by sub alone.
func (d *drive) endsBySub(ctx context.Context) error {
	v, login, err := d.login(ctx)
	if err != nil || login == nil {
		return err
	}
	return d.endsAfter(ctx, v, login, "sid", Finding{
		Name: "sub-ends-all", Sent: "a good token with sub alone", Verdict: Warn,
		Advice: "A token without sid means all sessions of its sub: end them, unless you registered backchannel_logout_session_required.",
	})
}

// overtaken sends the logout token while the relying party exchanges the code.
func (d *drive) overtaken(ctx context.Context) error {
	v, err := d.newVisitor()
	if err != nil {
		return err
	}
	var sent answer
	var failed error
	d.provider.delayToken(func(login *Login) { sent, failed = d.token(ctx, login, "") })
	_, _, visited := v.visit(ctx, http.MethodGet, d.cfg.Login, true)
	d.provider.delayToken(nil)
	if err := errors.Join(failed, ctx.Err()); err != nil {
		return err
	}
	f := Finding{
		Name: "overtaken", Sent: "a logout token before the answer of the token endpoint", Expected: "200, and no session", Section: "Back-Channel Logout 1.0, 2.7",
		Verdict: Warn,
		Advice:  "A logout can overtake the login that it ends. Remember the sids of logout tokens for as long as your sessions live, and refuse a login whose sid is among them.",
	}
	inside, got := d.inside(ctx, v)
	f.Status, f.Got = sent.status, sent.String()+", then "+got
	if visited != nil {
		f.Got += ", " + visited.Error()
	}
	d.result(sent.status == http.StatusOK && !inside, f)
	return nil
}

// rpInitiated logs out from the application (RP-Initiated Logout 1.0).
func (d *drive) rpInitiated(ctx context.Context) error {
	f := Finding{
		Name: "rp-initiated", Sent: "a logout at the application", Section: "RP-Initiated Logout 1.0, 2",
		Expected: "the end_session endpoint with id_token_hint, post_logout_redirect_uri and state",
	}
	if d.cfg.Logout == "" {
		f.Verdict, f.Advice = NotTested, "Give --logout, the address that begins a logout at the application."
		d.add(f)
		return nil
	}
	v, login, err := d.login(ctx)
	if err != nil || login == nil {
		return err
	}
	before := d.provider.endings()
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		status, _, err := v.visit(ctx, method, d.cfg.Logout, true)
		f.Got = fmt.Sprintf("%d, and no request at the end_session endpoint", status)
		if err != nil {
			f.Got = err.Error()
		}
		if len(d.provider.endings()) > len(before) {
			break
		}
	}
	f.Advice = "Send the browser to the end_session_endpoint of discovery, with the ID token as id_token_hint, so that nobody has to be asked."
	ends := d.provider.endings()
	if len(ends) == len(before) {
		d.result(false, f)
		return nil
	}
	request := ends[len(ends)-1]
	var missing []string
	if request.Get("id_token_hint") != login.IDToken {
		missing = append(missing, "id_token_hint of this session")
	}
	for _, name := range []string{"post_logout_redirect_uri", "state"} {
		if request.Get(name) == "" {
			missing = append(missing, name)
		}
	}
	f.Got = "all of it"
	if len(missing) > 0 {
		f.Got, f.Verdict = "no "+strings.Join(missing, ", no "), Warn
		if slices.Contains(missing, "id_token_hint of this session") {
			f.Verdict = Fail
		}
	}
	inside, got := d.inside(ctx, v)
	if inside {
		f.Got, f.Verdict, f.Advice = got, Fail, "End the session at the application too, before the browser leaves."
	}
	d.result(len(missing) == 0 && !inside, f)
	return nil
}

// delayToken sets what happens before the token endpoint answers; nil for nothing.
func (p *Provider) delayToken(delay func(*Login)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// endings returns the requests to the end_session endpoint so far.
func (p *Provider) endings() []url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ends)
}
